#!/usr/bin/env node
/** A runner of its own, beside the server of the same home: `runner-main.js [HOME]`. Takes jobs from the same queue. */
import { engineRoom } from './engine-room.ts'
import { runProgram } from './program.ts'

await runProgram('runner', async ({ home, database, log }) => {
  const concurrency = Number(process.env['PILOT_RUNNER_CONCURRENCY'] ?? '') || undefined
  const room = await engineRoom({ home, database, log, providers: [], runner: concurrency === undefined ? {} : { concurrency } })
  log.info('runner started', { home: home.dir })
  return {
    async stop() {
      await room.runner?.stop()
      await room.close()
    },
  }
})
