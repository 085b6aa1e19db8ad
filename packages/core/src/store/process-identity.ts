import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Which process is meant, for good: a pid alone is reused within minutes. Equal boot id, pid and start time are the same process.
 * Imports nothing but Node, since small programs (the supervisor) use it.
 */
export interface ProcessIdentity {
  readonly bootId: string
  readonly pid: number
  /** In the kernel's own unit, as text: clock ticks since boot on Linux, a date on macOS. */
  readonly startTime: string
}

/** Undefined when there is no such process; a zombie is none, since it can do nothing any more. */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  const startTime = process.platform === 'linux' ? linuxStartTime(pid) : psStartTime(pid)
  return startTime === undefined ? undefined : { bootId: bootId(), pid, startTime }
}

export function isProcessAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false
  return processIdentity(identity.pid)?.startTime === identity.startTime
}

let knownBootId: string | undefined

export function bootId(): string {
  knownBootId ??= process.platform === 'linux' ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() : execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
  return knownBootId
}

function linuxStartTime(pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The second field is the command in parentheses and may hold anything, so fields are counted from the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  return state === 'Z' || state === 'X' ? undefined : fields[19]
}

function psStartTime(pid: number): string | undefined {
  try {
    const [, state, start] = /^(\S+)\s+(.+)$/.exec(execFileSync('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', env: { LC_ALL: 'C' }, stdio: ['ignore', 'pipe', 'ignore'] }).trim()) ?? []
    return state === undefined || state.startsWith('Z') ? undefined : start
  } catch {
    return undefined
  }
}
