import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { replaceJson } from '../home/files.ts'
import { loadHome } from '../home/load.ts'
import { tryFileLock } from '../home/lock.ts'
import { broughtBack, isMarkedStopped, markStopped } from './start.ts'
import { createSupervisor } from './supervisor.ts'
import { collectWhenIdle } from '../idle-memory.ts'

/**
 * The supervisor of one home: `node supervisor/main.js HOME`, detached. A second one finds the lock held and ends at once.
 * SIGTERM: go, and leave everything running (an upgrade). SIGINT: stop everything, then go.
 */
const home = loadHome(process.argv[2] ?? '')
const lock = await tryFileLock(home.paths.supervisorLock)
if ('heldBy' in lock) process.exit(0)
if (process.argv.includes(broughtBack) && isMarkedStopped(home)) {
  await lock.release()
  process.exit(0)
}

const statusFile = join(home.paths.run, 'supervisor.json')
const supervisor = createSupervisor(home, { log })
let going = false

process.on('SIGTERM', () => void go())
process.on('SIGINT', () => void go({ andStopServices: true }))
process.on('SIGHUP', () => {})
process.on('uncaughtException', (error) => log(`internal error: ${error.stack}`))
process.on('unhandledRejection', (error) => log(`internal error: ${error instanceof Error ? error.stack : String(error)}`))

log(`supervisor ${process.pid} of ${home.dir}`)
markStopped(home, false)
supervisor.scan()
replaceJson(statusFile, { pid: process.pid, since: new Date().toISOString() })
collectWhenIdle()

async function go({ andStopServices = false }: { andStopServices?: boolean } = {}): Promise<void> {
  if (going) return
  going = true
  markStopped(home, true)
  if (andStopServices) await supervisor.shutDown()
  else supervisor.release()
  rmSync(statusFile, { force: true })
  if (!('heldBy' in lock)) await lock.release()
  log(andStopServices ? 'everything is stopped' : 'leaving, services run on')
  process.exit(0)
}

/** Standard output is the log file. */
function log(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`)
}
