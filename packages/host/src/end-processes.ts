import { execFile, execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SystemUser } from './postgres/system-user.ts'

/**
 * Ends whatever `find` finds, until it finds nothing: what is found may start something else while we look. Returns what is
 * still there after `timeoutMs`.
 */
export async function endAll(find: () => readonly number[], { timeoutMs = 5_000 }: { timeoutMs?: number } = {}): Promise<readonly number[]> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const found = find()
    if (found.length === 0 || performance.now() > deadline) return found
    for (const pid of found) signal(pid, 'SIGKILL')
    await sleep(5)
  }
}

/**
 * Ends everything that runs as this user, which must be one that Pilot made for one purpose. Returns what is still there.
 * Needs root, and Linux.
 */
export async function endAllOf({ uid, gid }: Pick<SystemUser, 'uid' | 'gid'>): Promise<readonly number[]> {
  if (uid === 0) throw new Error('Everything of root is never ended.')
  const deadline = performance.now() + 10_000
  for (;;) {
    const left = await endAll(() => processesOf(uid), { timeoutMs: 100 })
    if (left.length === 0 || performance.now() > deadline) return left
    // One that starts others faster than we look: sent by the user itself, the signal reaches all of its processes in one step.
    await new Promise<void>((resolve) => execFile('/bin/sh', ['-c', 'kill -KILL -1'], { uid, gid, cwd: '/', env: {}, timeout: 2_000 }, () => resolve()))
  }
}

/**
 * Processes that were started with a variable in their environment that begins with `text` (`NAME=value`), this one left out; another user's only as root.
 * One that was started with an emptied environment is not found.
 */
export function processesMarked(text: string): readonly number[] {
  return (process.platform === 'linux' ? markedInProc(text) : markedInPs(text)).filter((pid) => pid !== process.pid)
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Gone already.
  }
}

/** Zombies left out: they are dead. A program that changed its user (setuid) counts as its starter's too. */
function processesOf(uid: number): readonly number[] {
  return pids().filter((pid) => {
    const status = readProc(pid, 'status')
    const uids = /^Uid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? []
    return uids.includes(String(uid)) && !/^State:\s+[ZX]/m.test(status)
  })
}

const markedInProc = (text: string): readonly number[] => pids().filter((pid) => `\0${readProc(pid, 'environ')}`.includes(`\0${text}`))

function markedInPs(text: string): readonly number[] {
  const lines = execFileSync('/bin/ps', ['-axEww', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }).split('\n')
  return lines.flatMap((line) => (line.includes(` ${text}`) ? [Number.parseInt(line, 10)] : []))
}

const pids = (): readonly number[] => readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number)

/** Empty when it is gone meanwhile, or not ours to read. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}
