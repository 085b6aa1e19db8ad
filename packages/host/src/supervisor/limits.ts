import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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

function joinMemoryGroup(home: Home, { name, bytes, pid }: { name: string; bytes: number; pid: number }): void {
  if (process.platform !== 'linux') throw new Error('only Linux has cgroups')
  const group = `pilot-${home.id.slice(0, 12)}-${name}`
  const { root, limit } = memoryHierarchy()
  const folder = join(root, group)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, limit), String(bytes))
  writeFileSync(join(folder, 'cgroup.procs'), String(pid))
}

function memoryHierarchy(): { readonly root: string; readonly limit: string } {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  const v1 = / (\S+) \S+ .*- cgroup \S+ \S*\bmemory\b/.exec(mounts)?.[1]
  if (v1 !== undefined) return { root: v1, limit: 'memory.limit_in_bytes' }
  const v2 = / (\S+) \S+ .*- cgroup2 /.exec(mounts)?.[1]
  if (v2 === undefined) throw new Error('no cgroup file system is mounted')
  // A group of its own beside ours: a group that holds processes cannot pass the memory controller on.
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
  return { root: join(v2, own, '..'), limit: 'memory.max' }
}
