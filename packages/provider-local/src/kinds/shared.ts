import type { Cost } from '@pilot/core'
import * as z from 'zod'

export const freeOfCharge = (): Cost => ({ monthly: 0, currency: 'USD', basis: 'runs on this machine' })

export const appIdentity = z.object({ project: z.string(), app: z.string(), environment: z.string() })

export const healthCheck = z.object({ path: z.string(), acceptBelow: z.number(), intervalMs: z.number(), timeoutMs: z.number(), graceMs: z.number() })
