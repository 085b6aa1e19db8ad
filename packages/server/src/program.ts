import { toPilotError } from '@pilot/core'
import { openHome, watchSupervisor, type Home } from '@pilot/host'
import type { DatabaseAddress } from './db/database.ts'
import { homeDatabase } from './home-database.ts'
import { openLog, type Log } from './log.ts'

export interface ProgramStart {
  readonly home: Home
  readonly database: DatabaseAddress
  readonly log: Log
}

export interface RunningProgram {
  /** Resolves when it ends of itself. */
  readonly stopped?: Promise<void>
  stop(): Promise<void>
}

/** A program of a home (`NAME-main.js [HOME]`): runs until it ends or is told to. Standard output is its log. */
export async function runProgram(name: string, start: (given: ProgramStart) => Promise<RunningProgram>): Promise<never> {
  const log = openLog(name)
  process.umask(0o077)
  // Whatever is written in a moment when nobody waits for it must not end the process of everybody's jobs.
  process.on('unhandledRejection', (reason) => log.error('unhandled rejection', { reason: String(reason), stack: reason instanceof Error ? reason.stack : undefined }))
  try {
    const home = await openHome(process.argv[2])
    process.title = `pilot-${name} ${home.dir}`
    const program = await start({ home, database: await homeDatabase(home), log })
    const { promise: told, resolve: hasStopped } = Promise.withResolvers<void>()
    let stopping: Promise<void> | undefined
    const stop = (): void => void (stopping ??= program.stop().finally(hasStopped))
    const stopWatching = watchSupervisor(home, { onHomeGone: () => (log.info('the home is gone', { home: home.dir }), stop()) })
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (stopWatching(), stop()))
    await (program.stopped === undefined ? told : Promise.race([program.stopped, told]))
    process.exit(0)
  } catch (error) {
    const { code, message, reason, suggestion } = toPilotError(error)
    log.error(`the ${name} could not start`, { code, reason: [message, reason].filter(Boolean).join(' '), suggestion })
    process.exit(1)
  }
}
