#!/usr/bin/env node
/** The server of a home: `main.js [HOME]`. Started by the supervisor; standard output is its log. */
import { toPilotError } from '@pilot/core'
import { openHome } from '@pilot/host'
import { homeDatabase } from './home-database.ts'
import { openLog } from './log.ts'
import { startServer } from './server.ts'

const log = openLog('server')
process.umask(0o077)
// Whatever is written in a moment when nobody waits for it must not end the process of everybody's jobs.
process.on('unhandledRejection', (reason) => log.error('unhandled rejection', { reason: String(reason), stack: reason instanceof Error ? reason.stack : undefined }))

try {
  const home = await openHome(process.argv[2])
  process.title = `pilot-server ${home.dir}`
  const server = await startServer({ home, database: await homeDatabase(home), log, build: process.env['PILOT_BUILD'], ...(process.env['PILOT_RUNNER'] === 'separate' ? { runner: false } : {}) })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void server.stop())
  await server.stopped
  process.exit(0)
} catch (error) {
  const { code, message, reason, suggestion } = toPilotError(error)
  log.error('the server could not start', { code, reason: [message, reason].filter(Boolean).join(' '), suggestion })
  process.exit(1)
}
