import { keyedHash } from '@pilot/core/seal'
import type { Home } from '../home/home.ts'
import { serviceKey } from './service-key.ts'

/** What whoever owns the home, and a service that it started, share without storing it: proof that a question comes from Pilot. */
export const functionToken = (home: Home, service: string): string => keyedHash(serviceKey(home.paths), `function/${service}`)
