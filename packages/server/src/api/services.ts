import type { PilotError } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { Notifications } from '../db/notifications.ts'
import type { Info } from '../contract/server.ts'
import type { Providers } from '../providers/installed.ts'
import type { Scheduler } from '../schedule/scheduler.ts'
import type { Platforms } from '../wiring.ts'

/** What the handlers work with: made once by `server.ts`. */
export interface Services {
  readonly db: Database
  readonly notifications: Notifications
  readonly home: { readonly dir: string; readonly logs: string; readonly sources: string }
  /** The error when a disk of the home is full. */
  diskFull(): Promise<PilotError | undefined>
  readonly serverId: string
  readonly platforms: Platforms
  readonly providers: Providers
  readonly scheduler: Scheduler
  /** What does not change while the server runs. */
  readonly facts: Pick<Info, 'version' | 'build' | 'databaseVersion' | 'browser' | 'startedAt'>
  shutdown(options: { readonly wait: boolean }): void
}
