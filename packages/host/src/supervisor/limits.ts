import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { basename, join } from 'node:path'
import type { Home } from '../home/home.ts'
import type { StoredSpec } from './spec.ts'

/**
 * Keeps the limits of a service as far as this machine lets us, and says how: shown by status, so that nobody believes in a
 * limit that is not there.
 *
 * - `nice`: everywhere.
 * - `memoryBytes`: a cgroup (v1 or v2) where we may make one, which takes root or a delegated subtree; else `not enforced`.
 *   An address space limit is no substitute: Node and others reserve far more than they use.
 */
export function applyLimits(home: Home, spec: StoredSpec, pid: number): Readonly<Record<string, string>> {
  const limits: Record<string, string> = {}
  if (spec.nice !== undefined) limits['nice'] = attempt(() => setPriority(pid, Math.min(spec.nice ?? 0, constants.priority.PRIORITY_LOW)), `nice ${spec.nice}`)
  if (spec.memoryBytes !== undefined) limits['memory'] = attempt(() => joinMemoryGroup(home, { name: spec.name, bytes: spec.memoryBytes as number, pid }), `cgroup, ${spec.memoryBytes} bytes`)
  return limits
}

function attempt(work: () => void, done: string): string {
  try {
    work()
    return done
  } catch (error) {
    return `not enforced: ${(error as Error).message}`
  }
}

/** The group that a process of this home was put into, in which everything is that it started; undefined when it has none of its own. */
export function limitsGroupOf(home: Home, pid: number): string | undefined {
  try {
    const { folder } = memoryGroups(pid)
    return basename(folder).startsWith(groupName(home, '')) ? folder : undefined
  } catch {
    return undefined
  }
}

/** Whether the kernel has killed a process of the group at its memory limit. Version 2 counts in one file, version 1 in another. */
export function ranOutOfMemory(group: string): boolean {
  return ['memory.events', 'memory.oom_control'].some((file) => {
    try {
      return /^oom_kill [1-9]/m.test(readFileSync(join(group, file), 'utf8'))
    } catch {
      return false
    }
  })
}

/** Wherever they moved themselves: no process leaves its cgroup without root. */
export function processesInGroup(group: string): readonly number[] {
  try {
    return readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** Groups are empty folders that would pile up. One that still holds a process stays. */
export function removeGroup(group: string): void {
  try {
    rmdirSync(group)
  } catch {
    // There was none, or something in it still ends.
  }
}

/** The groups of a service that is gone, also of starts that nobody knows of any more. */
export function removeLimits(home: Home, name: string): void {
  try {
    const { beside } = memoryGroups('self')
    for (const group of readdirSync(beside)) if (group.startsWith(groupName(home, name))) removeGroup(join(beside, group))
  } catch {
    // No cgroups here.
  }
}

function joinMemoryGroup(home: Home, { name, bytes, pid }: { name: string; bytes: number; pid: number }): void {
  if (process.platform !== 'linux') throw new Error('only Linux has cgroups')
  const { beside, limit } = memoryGroups('self')
  // One per start, since an old and a new process of a service may run side by side.
  const folder = join(beside, `${groupName(home, name)}${pid}`)
  mkdirSync(folder, { recursive: true })
  writeInto(join(folder, limit), String(bytes))
  writeInto(join(folder, 'cgroup.procs'), String(pid))
}

/** Never makes the file: a folder where the kernel did not put it is no cgroup. */
function writeInto(file: string, value: string): void {
  writeFileSync(file, value, { flag: 'r+' })
}

/** What the names of a service's groups begin with; without a name, of all services of the home. */
const groupName = (home: Home, name: string): string => `pilot-${home.id.slice(0, 12)}-${name === '' ? '' : `${name}-`}`

/** The memory cgroup of a process, and where groups of our own go beside it (v2) or below (v1). */
function memoryGroups(pid: number | 'self'): { readonly folder: string; readonly beside: string; readonly limit: string } {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  const own = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
  const v1 = /^\d+ \d+ \S+ \S+ (\S+) .*- cgroup \S+ \S*\bmemory\b/m.exec(mounts)?.[1]
  if (v1 !== undefined) {
    const folder = join(v1, /^\d+:(?:\w+,)*memory(?:,\w+)*:(.*)$/m.exec(own)?.[1] ?? '/')
    return { folder, beside: folder, limit: 'memory.limit_in_bytes' }
  }
  const v2 = /^\d+ \d+ \S+ \S+ (\S+) .*- cgroup2 /m.exec(mounts)?.[1]
  if (v2 === undefined) throw new Error('no cgroup file system is mounted')
  const folder = join(v2, /^0::(.*)$/m.exec(own)?.[1] ?? '/')
  // One that holds processes cannot pass the memory controller on.
  return { folder, beside: join(folder, '..'), limit: 'memory.max' }
}
