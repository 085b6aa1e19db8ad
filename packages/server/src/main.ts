#!/usr/bin/env node
/** The server of a home: `main.js [HOME]`. Started by the supervisor. */
import { runProgram } from './program.ts'
import { startServer } from './server.ts'

await runProgram('server', ({ home, database, log }) =>
  startServer({ home, database, log, build: process.env['PILOT_BUILD'], ...(process.env['PILOT_RUNNER'] === 'separate' ? { runner: false } : {}) }),
)
