import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContainerInspectInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { orAbsent } from '../engine/errors.ts'

export interface Usage {
  /** Resident, without cached files, as `docker stats` counts it. */
  readonly memoryBytes?: number
  /** Of all processors together, since the container started. */
  readonly cpuMs?: number
}

/**
 * What a running container uses. From this machine's cgroups where they are to be seen: the engine's own answer takes up to a
 * second (it waits for its next sample).
 */
export async function containerUsage({ docker }: Engine, { Id, State }: ContainerInspectInfo): Promise<Usage> {
  const [memory, cpu] = await Promise.all([memoryFromCgroup(Id, State.Pid), cpuFromCgroup(Id, State.Pid)])
  if (memory !== undefined) return { memoryBytes: memory, ...(cpu === undefined ? {} : { cpuMs: cpu }) }
  const stats = await orAbsent(docker.getContainer(Id).stats({ stream: false, 'one-shot': true })).catch(() => undefined)
  if (stats === undefined) return {}
  const { usage } = stats.memory_stats
  return {
    ...(usage === undefined ? {} : { memoryBytes: usage - inactive((stats.memory_stats as { stats?: Record<string, number> }).stats ?? {}) }),
    cpuMs: Math.round(stats.cpu_stats.cpu_usage.total_usage / 1e6),
  }
}

async function memoryFromCgroup(id: string, pid: number): Promise<number | undefined> {
  const group = await cgroupOf(id, pid, 'memory')
  if (group === undefined) return undefined
  const [usage, stat] = await Promise.all([group.isV2 ? 'memory.current' : 'memory.usage_in_bytes', 'memory.stat'].map(group.read))
  return usage === undefined || stat === undefined ? undefined : Number(usage) - inactive(pairsOf(stat))
}

async function cpuFromCgroup(id: string, pid: number): Promise<number | undefined> {
  const group = await cgroupOf(id, pid, 'cpuacct')
  const text = await group?.read(group.isV2 ? 'cpu.stat' : 'cpuacct.usage')
  if (group === undefined || text === undefined) return undefined
  return Math.round(group.isV2 ? (pairsOf(text)['usage_usec'] ?? 0) / 1000 : Number(text) / 1e6)
}

/** Only of a process that is in this container's group: an engine in a virtual machine counts processes of its own. */
async function cgroupOf(id: string, pid: number, controller: 'memory' | 'cpuacct'): Promise<{ readonly isV2: boolean; read(name: string): Promise<string | undefined> } | undefined> {
  if (process.platform !== 'linux' || !pid) return undefined
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')
  for (const line of groups.split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (!path.includes(id)) continue
    const isV2 = controllers === ''
    if (!isV2 && !controllers.split(',').includes(controller)) continue
    const folder = join('/sys/fs/cgroup', isV2 ? '' : controllers, path)
    return { isV2, read: (name) => readFile(join(folder, name), 'utf8').catch(() => undefined) }
  }
  return undefined
}

const pairsOf = (text: string): Record<string, number> => Object.fromEntries(text.trim().split('\n').map((pair) => pair.split(' ')).map(([name, value]) => [name, Number(value)]))

/** Files that the kernel would give up first: cgroup v1 and v2 name them differently. */
const inactive = ({ total_inactive_file: v1, inactive_file: v2 }: Partial<Record<string, number>>): number => v1 ?? v2 ?? 0
