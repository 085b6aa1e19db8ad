#!/usr/bin/env node
/** A runner of its own, beside the server of the same home: `runner-main.js [HOME]`. Takes jobs from the same queue. */
import { toPilotError } from '@pilot/core'
import { openHome } from '@pilot/host'
import { engineRoom } from './engine-room.ts'
import { homeDatabase } from './home-database.ts'
import { openLog } from './log.ts'

const log = openLog('runner')
process.umask(0o077)
process.on('unhandledRejection', (reason) => log.error('unhandled rejection', { reason: String(reason), stack: reason instanceof Error ? reason.stack : undefined }))

try {
  const home = await openHome(process.argv[2])
  process.title = `pilot-runner ${home.dir}`
  const concurrency = Number(process.env['PILOT_RUNNER_CONCURRENCY'] ?? '') || undefined
  const room = await engineRoom({ home, database: await homeDatabase(home), log, providers: [], runner: concurrency === undefined ? {} : { concurrency } })
  log.info('runner started', { home: home.dir })
  let stopping = false
  const stop = async (): Promise<void> => {
    if (stopping) return
    stopping = true
    await room.runner?.stop()
    await room.close()
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop())
} catch (error) {
  const { code, message, reason, suggestion } = toPilotError(error)
  log.error('the runner could not start', { code, reason: [message, reason].filter(Boolean).join(' '), suggestion })
  process.exit(1)
}
