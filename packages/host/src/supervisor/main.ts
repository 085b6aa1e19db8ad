import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonSync, replaceJson } from '../home/files.ts'
import { loadHome } from '../home/load.ts'
import { tryFileLock, type FileLock } from '../home/lock.ts'
import { ifHomeIsThere, isHomeThere } from '../home/presence.ts'
import { isUnwanted, markStopped } from './start.ts'
import { createSupervisor } from './supervisor.ts'
import { collectWhenIdle } from '../idle-memory.ts'

/**
 * The supervisor of one home: `node supervisor/main.js HOME`, detached. A second one finds the lock held and ends at once.
 * SIGTERM: go, and leave everything running (an upgrade). SIGINT: stop everything, then go. The same when its home is gone.
 */
const { promise: ready, resolve: isReady } = Promise.withResolvers<void>()
// Whoever sees the lock may send a signal, which must not find this process without an answer to it.
process.on('SIGTERM', () => void ready.then(() => go()))
process.on('SIGINT', () => void ready.then(() => go({ andStopServices: true })))
process.on('SIGHUP', () => {})

const home = loadHome(process.argv[2] ?? '')
const lock = await takeLock()
if (!isHomeThere(home) || isUnwanted(home, process.argv)) {
  await lock.release()
  process.exit(0)
}

const statusFile = join(home.paths.run, 'supervisor.json')
const supervisor = createSupervisor(home, { log, onHomeGone: () => void go({ andStopServices: true }) })
let going = false
isReady()

process.on('uncaughtException', (error) => log(`internal error: ${error.stack}`))
process.on('unhandledRejection', (error) => log(`internal error: ${error instanceof Error ? error.stack : String(error)}`))

log(`supervisor ${process.pid} of ${home.dir}`)
ifHomeIsThere(home, () => markStopped(home, false))
supervisor.scan()
ifHomeIsThere(home, () => replaceJson(statusFile, { pid: process.pid, since: new Date().toISOString(), build: process.env['PILOT_BUILD'] }))
collectWhenIdle()

async function go({ andStopServices = false }: { andStopServices?: boolean } = {}): Promise<void> {
  if (going) return
  going = true
  ifHomeIsThere(home, () => markStopped(home, true))
  if (andStopServices) await supervisor.shutDown()
  else supervisor.release()
  ifHomeIsThere(home, removeStatusFile)
  await lock.release()
  log(andStopServices ? 'everything is stopped' : 'leaving, services run on')
  process.exit(0)
}

/** Another supervisor has it, or the home was deleted while this process started: nothing is left to do. */
async function takeLock(): Promise<FileLock> {
  try {
    const taken = await tryFileLock(home.paths.supervisorLock)
    if (!('heldBy' in taken)) return taken
  } catch (error) {
    if (isHomeThere(home)) throw error
  }
  process.exit(0)
}

function removeStatusFile(): void {
  if (readJsonSync<{ pid: number }>(statusFile)?.pid === process.pid) rmSync(statusFile, { force: true })
}

/** Standard output is the log file. */
function log(line: string): void {
  console.log(`${new Date().toISOString()} ${line}`)
}
