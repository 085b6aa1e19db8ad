import type { AnyProvider } from '@pilot/core'
import type { Home } from '@pilot/host'
import { openDatabase, type Database, type DatabaseAddress } from './db/database.ts'
import { migrate } from './db/migrations.ts'
import { openNotifications, type Notifications } from './db/notifications.ts'
import { collectWhenIdle } from '@pilot/host'
import { jobExecutor } from './jobs/execute.ts'
import { startRunner, type Runner, type RunnerOptions } from './jobs/runner.ts'
import type { Log } from './log.ts'
import { tidyNowAndThen } from './tidy.ts'
import { openProviders, type Providers } from './providers/installed.ts'
import { openPlatforms, serverIdOf, type Platforms } from './wiring.ts'

/** What server and separate runners share: database, providers, platforms, and a runner unless it is left to others. */
export interface EngineRoom {
  readonly db: Database
  readonly databaseVersion: number
  readonly notifications: Notifications
  readonly home: { readonly dir: string; readonly logs: string; readonly sources: string }
  readonly serverId: string
  readonly providers: Providers
  readonly platforms: Platforms
  readonly runner?: Runner
  /** Gives memory back, now that what needed it has ended. */
  readonly workEnded: () => void
  close(): Promise<void>
}

export interface EngineRoomOptions {
  readonly home: Home
  readonly database: DatabaseAddress
  readonly log: Log
  readonly providers: readonly AnyProvider[]
  readonly runner: Pick<RunnerOptions, 'concurrency' | 'heartbeatMs' | 'lookMs' | 'silentMs'> | false
}

export async function engineRoom({ home: { id, dir, paths }, database, log, providers: extra, runner: runnerOptions }: EngineRoomOptions): Promise<EngineRoom> {
  const db = openDatabase(database)
  try {
    const databaseVersion = await migrate(db)
    const notifications = await openNotifications(database)
    const home = { dir, logs: paths.logs, sources: paths.sources }
    const serverId = serverIdOf(id)
    const providers = openProviders({ home: dir, extra })
    const platforms = openPlatforms({ home: dir, providers, serverId })
    const memory = collectWhenIdle()
    const runner = runnerOptions === false ? undefined : await startRunner({ db, notifications, log, onIdle: memory.workEnded, execute: jobExecutor({ db, home, serverId, platforms, providers }), ...runnerOptions })
    const stopTidying = tidyNowAndThen({ db, logs: paths.logs, sources: paths.sources, log })
    const close = async (): Promise<void> => {
      stopTidying()
      memory.stop()
      await platforms.close()
      await notifications.close()
      await db.destroy()
    }
    return { db, databaseVersion, notifications, home, serverId, providers, platforms, workEnded: memory.workEnded, ...(runner ? { runner } : {}), close }
  } catch (error) {
    await db.destroy()
    throw error
  }
}
