import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { appLogHandlers } from './app-logs.ts'
import { configurationHandlers } from './configuration.ts'
import { operationHandlers } from './operations.ts'
import { platformHandlers } from './platforms.ts'
import { releaseHandlers } from './releases.ts'
import { serverHandlers } from './server.ts'
import { sourceHandlers } from './sources.ts'
import { stateHandlers } from './state.ts'
import { statusHandlers } from './status.ts'

export const createHandlers = (services: Services): Handlers => ({
  ...serverHandlers(services),
  ...platformHandlers(services),
  ...sourceHandlers(services),
  ...operationHandlers(services),
  ...statusHandlers(services),
  ...releaseHandlers(services),
  ...configurationHandlers(services),
  ...appLogHandlers(services),
  ...stateHandlers(services),
})
