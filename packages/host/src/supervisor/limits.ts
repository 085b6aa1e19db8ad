import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
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

/** The group of a service that is gone; groups are empty folders that would pile up. */
export function removeLimits(home: Home, name: string): void {
  try {
    rmdirSync(memoryGroup(home, name).folder)
  } catch {
    // There was none, or something in it still ends: then the next service of this name uses it.
  }
}

function joinMemoryGroup(home: Home, { name, bytes, pid }: { name: string; bytes: number; pid: number }): void {
  if (process.platform !== 'linux') throw new Error('only Linux has cgroups')
  const { folder, limit } = memoryGroup(home, name)
  mkdirSync(folder, { recursive: true })
  writeInto(join(folder, limit), String(bytes))
  writeInto(join(folder, 'cgroup.procs'), String(pid))
}

/** Never makes the file: a folder where the kernel did not put it is no cgroup. */
function writeInto(file: string, value: string): void {
  writeFileSync(file, value, { flag: 'r+' })
}

function memoryGroup(home: Home, name: string): { readonly folder: string; readonly limit: string } {
  const group = `pilot-${home.id.slice(0, 12)}-${name}`
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  const own = readFileSync('/proc/self/cgroup', 'utf8')
  const v1 = /^\d+ \d+ \S+ \S+ (\S+) .*- cgroup \S+ \S*\bmemory\b/m.exec(mounts)?.[1]
  if (v1 !== undefined) return { folder: join(v1, /^\d+:(?:\w+,)*memory(?:,\w+)*:(.*)$/m.exec(own)?.[1] ?? '/', group), limit: 'memory.limit_in_bytes' }
  const v2 = /^\d+ \d+ \S+ \S+ (\S+) .*- cgroup2 /m.exec(mounts)?.[1]
  if (v2 === undefined) throw new Error('no cgroup file system is mounted')
  // Beside our own group: one that holds processes cannot pass the memory controller on.
  return { folder: join(v2, /^0::(.*)$/m.exec(own)?.[1] ?? '/', '..', group), limit: 'memory.max' }
}
