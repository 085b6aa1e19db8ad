import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { appLogHandlers } from './app-logs.ts'
import { commandHandlers } from './commands.ts'
import { configurationHandlers } from './configuration.ts'
import { functionHandlers } from './functions.ts'
import { historyHandlers } from './history.ts'
import { metricsHandlers } from './metrics.ts'
import { notificationHandlers } from './notifications.ts'
import { databaseHandlers } from './databases.ts'
import { domainHandlers } from './domains.ts'
import { operationHandlers } from './operations.ts'
import { platformHandlers } from './platforms.ts'
import { releaseHandlers } from './releases.ts'
import { scheduleHandlers } from './schedules.ts'
import { serverHandlers } from './server.ts'
import { sourceHandlers } from './sources.ts'
import { stateHandlers } from './state.ts'
import { statusHandlers } from './status.ts'

/** A platform that a request works with stays open until it is answered. */
export function createHandlers(services: Services): Handlers {
  const handlers = Object.entries(handlersOf(services)) as [string, (request: never) => Promise<unknown>][]
  const visiting = handlers.map(([name, handle]) => {
    const visit = async (request: never): Promise<unknown> => {
      using _visit = services.platforms.visit()
      return await handle(request)
    }
    return [name, visit] as const
  })
  return Object.fromEntries(visiting) as unknown as Handlers
}

const handlersOf = (services: Services): Handlers => ({
  ...serverHandlers(services),
  ...functionHandlers(services),
  ...platformHandlers(services),
  ...sourceHandlers(services),
  ...operationHandlers(services),
  ...statusHandlers(services),
  ...releaseHandlers(services),
  ...configurationHandlers(services),
  ...databaseHandlers(services),
  ...domainHandlers(services),
  ...appLogHandlers(services),
  ...commandHandlers(services),
  ...metricsHandlers(services),
  ...scheduleHandlers(services),
  ...historyHandlers(services),
  ...notificationHandlers(services),
  ...stateHandlers(services),
})
