import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { appHandlers } from './apps.ts'
import { operationHandlers } from './operations.ts'
import { platformHandlers } from './platforms.ts'
import { serverHandlers } from './server.ts'
import { sourceHandlers } from './sources.ts'
import { stateHandlers } from './state.ts'

export const createHandlers = (services: Services): Handlers => ({
  ...serverHandlers(services),
  ...platformHandlers(services),
  ...sourceHandlers(services),
  ...operationHandlers(services),
  ...appHandlers(services),
  ...stateHandlers(services),
})
