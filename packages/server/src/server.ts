import { PilotError, type AnyProvider } from '@pilot/core'
import { diskFull, reservePort, tryFileLock, type Home } from '@pilot/host'
import { browserToken, tokenPath } from './api/access.ts'
import { createApi } from './api/app.ts'
import { createHandlers } from './api/handlers/index.ts'
import type { Services } from './api/services.ts'
import { forgetDeadCommands } from './commands/in-use.ts'
import type { DatabaseAddress } from './db/database.ts'
import { engineRoom, type EngineRoom } from './engine-room.ts'
import type { RunnerOptions } from './jobs/runner.ts'
import type { SchedulerClock } from './schedule/clock.ts'
import { startScheduler, type Scheduler } from './schedule/scheduler.ts'
import { scheduleTypes } from './schedule/types.ts'
import { watchDatabase } from './db/watch.ts'
import { listenOnPort, listenOnSocket } from './listen.ts'
import type { Log } from './log.ts'
import { startCanaryWatcher, type CanaryWatcherOptions } from './canaries/watcher.ts'
import { startRenewer } from './certificates/renewer.ts'
import { startSampler } from './metrics/sampler.ts'
import { startNotifier, type NotifierOptions } from './notify/notifier.ts'
import { createWatch } from './notify/watch.ts'
import { version } from './version.ts'

export interface ServerOptions {
  readonly home: Home
  /** Where its database is; `homeDatabase` starts the one of the home. */
  readonly database: DatabaseAddress
  readonly log: Log
  /** Of `info`: which build of its version this is, in words of whoever started it. */
  readonly build?: string | undefined
  /** `false`: jobs are left to runners of their own (`runner-main.ts`). */
  readonly runner?: Pick<RunnerOptions, 'concurrency' | 'heartbeatMs' | 'lookMs' | 'silentMs'> | false
  /** How often apps are looked at for their metrics, milliseconds; default 15 s. */
  readonly sampleMs?: number
  /** How canaries are watched. */
  readonly canaries?: Pick<CanaryWatcherOptions, 'everyMs' | 'now'>
  /** Of schedules, for tests. */
  readonly clock?: SchedulerClock
  /** How often certificates are looked after, milliseconds; default a quarter of an hour. */
  readonly renewMs?: number
  /** How often notifications are looked for and when they are tried again, for tests. */
  readonly notifier?: Pick<NotifierOptions, 'lookMs' | 'backoffMs'>
  /** How long an app is unhealthy until somebody is told, milliseconds; default one minute. */
  readonly patienceMs?: number
  /** Providers that are already loaded, for tests. */
  readonly providers?: readonly AnyProvider[]
}

export interface PilotServer {
  readonly socketPath: string
  readonly browser: { readonly port: number; readonly token: string }
  /** Resolves when the server has stopped, for whatever reason. */
  readonly stopped: Promise<void>
  /** Running jobs stop at their next step and are given back; with `wait` they end first. */
  stop(options?: { readonly wait?: boolean }): Promise<void>
}

/**
 * The control plane of one home. Throws HELD when another server has it, STATE_NEWER when the database was written by a newer
 * one, HOME_UNUSABLE, PORT_TAKEN.
 */
export async function startServer({ home, database, log, build, runner = {}, sampleMs, renewMs, canaries, clock, notifier: notifierOptions = {}, patienceMs, providers = [] }: ServerOptions): Promise<PilotServer> {
  const lock = await tryFileLock(`${home.paths.serverSocket}.lock`)
  if ('heldBy' in lock) throw new PilotError('HELD', `A server of ${home.dir} runs already (process ${lock.heldBy.pid})`)
  const closing = new AbortController()
  let room: EngineRoom | undefined
  let sampler: ReturnType<typeof startSampler> | undefined
  let renewer: ReturnType<typeof startRenewer> | undefined
  let watcher: ReturnType<typeof startCanaryWatcher> | undefined
  let scheduler: Scheduler | undefined
  let notifier: ReturnType<typeof startNotifier> | undefined
  try {
    room = await engineRoom({ home, database, log, providers, runner })
    await forgetDeadCommands(room.db)
    const port = await reservePort(home, 'server')
    const token = await browserToken(home.paths.keys)
    let stopping: Promise<void> | undefined
    const { promise: stopped, resolve: hasStopped } = Promise.withResolvers<void>()

    const stop = ({ wait = false }: { wait?: boolean } = {}): Promise<void> =>
      (stopping ??= (async () => {
        log.info('server stops', { wait })
        await Promise.all([sampler?.stop(), notifier?.stop(), renewer?.stop(), watcher?.stop(), scheduler?.stop({ wait }), room!.runner?.stop({ wait })])
        closing.abort()
        await Promise.all([socket.close(), tcp.close()])
        await room!.close()
        await lock.release()
        log.info('server stopped')
        hasStopped()
      })())

    scheduler = startScheduler({ ...room, logs: room.home.logs, types: scheduleTypes(room), log, onIdle: room.workEnded, ...(clock === undefined ? {} : { clock }) })
    const services: Services = {
      ...room,
      scheduler,
      diskFull: () => diskFull(home),
      facts: { version, ...(build === undefined ? {} : { build }), databaseVersion: room.databaseVersion, startedAt: new Date().toISOString(), browser: { port, tokenFile: tokenPath(home.paths.keys) } },
      shutdown: (options) => void stop(options),
    }
    const handlers = createHandlers(services)
    const watch = watchDatabase(database)
    const tcp = await listenOnPort(createApi({ handlers, log, closing: closing.signal, browser: { port, token }, database: watch }), port)
    const socket = await listenOnSocket(createApi({ handlers, log, closing: closing.signal, database: watch }), home.paths.serverSocket)
    renewer = startRenewer({ ...room, log, ...(renewMs === undefined ? {} : { everyMs: renewMs }) })
    notifier = startNotifier({ ...room, log, ...notifierOptions })
    sampler = startSampler({ ...room, log, watch: createWatch({ db: room.db, ...(patienceMs === undefined ? {} : { patienceMs }) }), ...(sampleMs === undefined ? {} : { everyMs: sampleMs }) })
    watcher = startCanaryWatcher({ ...room, log, ...canaries })
    log.info('server started', { version, home: home.dir, socket: home.paths.serverSocket, port, memoryBytes: process.memoryUsage.rss() })
    return { socketPath: home.paths.serverSocket, browser: { port, token }, stopped, stop }
  } catch (error) {
    await Promise.all([scheduler?.stop(), room?.runner?.stop()])
    await room?.close()
    await lock.release()
    throw error
  }
}
