import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHome, removeHome, stopSupervisor } from '@pilot/host'
import { homeDatabase } from '../home-database.ts'

/** Starts a PostgreSQL cluster in a home of its own, prints its address, and removes all of it when standard input ends. */
const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-test-pg-')))
process.stdin.resume().once('end', () => void stop())
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => {})
try {
  console.log(JSON.stringify(await homeDatabase(home)))
} catch (error) {
  console.error(error)
  await stop(1)
}

async function stop(code = 0): Promise<void> {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
  process.exit(code)
}
