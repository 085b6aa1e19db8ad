import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from '../home/home.ts'
import { fileLockOwner } from '../home/lock.ts'
import { isHomeThere, watchPresence } from '../home/presence.ts'
import { hostProgram } from '../programs.ts'
import { rotateLog } from './log-files.ts'

/** Given to every supervisor: when somebody asked for it, milliseconds since 1970. */
const askedAt = '--asked-at='

/** Given to a supervisor that nobody asked for: it ends again where the last one was stopped on purpose in the meantime. */
const broughtBack = '--brought-back'

/**
 * Starts a supervisor, detached; when another one has the lock it ends again at once. Returns its pid. Where a service starts it
 * (the edge does), it is none of that service's own processes.
 */
export function startSupervisor(home: Home, ...words: readonly string[]): number | undefined {
  const file = join(home.paths.logs, 'supervisor.log')
  rotateLog(file)
  const log = openSync(file, 'a', 0o600)
  const { command, args, env } = hostProgram('supervisor')
  const child = spawn(command, [...args, home.dir, `${askedAt}${Date.now()}`, ...words], { cwd: home.dir, env: { ...inherited(), ...env }, detached: true, stdio: ['ignore', log, log] })
  child.on('error', () => {})
  child.unref()
  closeSync(log)
  return child.pid
}

/**
 * What services get that do not say otherwise, and where temporary files go. Nothing else of the shell that happened to start it,
 * which may hold anybody's tokens, and no mark of a service: it belongs to none, whoever starts it.
 */
const inherited = (): NodeJS.ProcessEnv => Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))

/** Says that the supervisor goes on purpose, so that nobody brings it back; taken back by the next one. */
export function markStopped(home: Home, stopped: boolean): void {
  if (stopped) writeFileSync(stoppedMark(home), '')
  else rmSync(stoppedMark(home), { force: true })
}

const isMarkedStopped = (home: Home): boolean => existsSync(stoppedMark(home))

/** Whether this supervisor should not run: it was asked for before the last one was stopped on purpose, or by nobody since. */
export function isUnwanted(home: Home, argv: readonly string[]): boolean {
  if (argv.includes(broughtBack)) return isMarkedStopped(home)
  const asked = Number(argv.find((word) => word.startsWith(askedAt))?.slice(askedAt.length) ?? performance.timeOrigin)
  return (statSync(stoppedMark(home), { throwIfNoEntry: false })?.mtimeMs ?? 0) > asked
}

/**
 * What a service does that is always there, as the edge is and the server: it watches the supervisor, which watches everything
 * else, and brings back one that was killed. When the home is gone (`home/presence.ts`) there is none to bring back and perhaps
 * nobody left who ends the service: `onHomeGone` is called, once, and the watching ends. Returns how to stop watching.
 */
export function watchSupervisor(home: Home, { everyMs = 3_000, onHomeGone = () => {} }: { everyMs?: number; onHomeGone?: () => void } = {}): () => void {
  const presence = watchPresence(home)
  const timer = setInterval(() => {
    const seen = presence()
    if (seen === 'there') void bringBack(home)
    if (seen !== 'gone') return
    clearInterval(timer)
    onHomeGone()
  }, everyMs)
  return () => clearInterval(timer)
}

async function bringBack(home: Home): Promise<void> {
  try {
    const owner = await fileLockOwner(home.paths.supervisorLock)
    if (owner === undefined && !isMarkedStopped(home) && isHomeThere(home)) startSupervisor(home, broughtBack)
  } catch {
    // Looked at again in a moment.
  }
}

const stoppedMark = (home: Home): string => join(home.paths.run, 'supervisor.stopped')
