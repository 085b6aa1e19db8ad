import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Which process is meant, for good: a pid alone is reused within minutes. Equal boot id, pid and start time are the same process.
 * Imports nothing but Node, since small programs (the supervisor) use it.
 */
export interface ProcessIdentity {
  /** New with every boot; on Linux it also names the pid namespace, since a pid means nothing in another one. */
  readonly bootId: string
  readonly pid: number
  /** In the kernel's own unit, as text: clock ticks since boot on Linux, a date on macOS. */
  readonly startTime: string
}

export interface HostIdentity {
  readonly host: string
  /** Of this installation of the operating system, where it has one: tells a reboot from another machine of the same name. */
  readonly machineId?: string
}

/** `unknown`: it lives or lived where this process cannot look, such as another machine. */
export type Liveness = 'alive' | 'gone' | 'unknown'

/** Undefined when there is no such process; a zombie is none, since it can do nothing any more. */
export function processIdentity(pid: number = process.pid): ProcessIdentity | undefined {
  const startTime = process.platform === 'linux' ? linuxStartTime(pid) : psStartTime(pid)
  return startTime === undefined ? undefined : { bootId: bootId(), pid, startTime }
}

/** Whether that very process runs on this machine. */
export function isProcessAlive(identity: ProcessIdentity): boolean {
  return livenessOf(identity) === 'alive'
}

/** With the host's identity it also tells that a process is gone because its machine, this one, was started anew. */
export function livenessOf(identity: ProcessIdentity & Partial<HostIdentity>): Liveness {
  if (identity.bootId !== bootId()) return wasBeforeReboot(identity) ? 'gone' : 'unknown'
  const startTime = processIdentity(identity.pid)?.startTime
  if (startTime !== undefined) return startTime === identity.startTime ? 'alive' : 'gone'
  return isHidden(identity.pid) ? 'unknown' : 'gone'
}

let knownBootId: string | undefined

export function bootId(): string {
  knownBootId ??= process.platform === 'linux' ? linuxBootId() : execFileSync('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
  return knownBootId
}

let knownHost: HostIdentity | undefined

export function hostIdentity(): HostIdentity {
  if (knownHost !== undefined) return knownHost
  const machineId = process.platform === 'linux' ? linuxMachineId() : macMachineId()
  knownHost = { host: hostname(), ...(machineId === undefined ? {} : { machineId }) }
  return knownHost
}

/** The same machine by name and installation, and another boot of it; a pid namespace that differs is no other boot. */
function wasBeforeReboot(identity: ProcessIdentity & Partial<HostIdentity>): boolean {
  const { host, machineId } = hostIdentity()
  const sameMachine = machineId !== undefined && identity.machineId === machineId && identity.host === host
  return sameMachine && identity.bootId.split('/')[0] !== bootId().split('/')[0]
}

function linuxBootId(): string {
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${namespace}`
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
    // The date is local time, so the zone is fixed too, or a traveller's processes would all seem to be new ones.
    const env = { LC_ALL: 'C', TZ: 'UTC' }
    const line = execFileSync('/bin/ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const [, state, start] = /^(\S+)\s+(.+)$/.exec(line) ?? []
    return state === undefined || state.startsWith('Z') ? undefined : start
  } catch {
    return undefined
  }
}

/** Under `hidepid` a process of another user has no readable entry in /proc, and yet exists. */
function isHidden(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function linuxMachineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}

function macMachineId(): string | undefined {
  try {
    const text = execFileSync('/usr/sbin/ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return /"IOPlatformUUID" = "([^"]+)"/.exec(text)?.[1]
  } catch {
    return undefined
  }
}
