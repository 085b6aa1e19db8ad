import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ContainerInspectInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { orAbsent } from '../engine/errors.ts'

/**
 * Resident memory of a running container in bytes, without cached files, as `docker stats` counts it. From this machine's cgroups
 * where they are to be seen: the engine's own answer takes up to a second (it waits for its next sample).
 */
export async function containerMemory({ docker }: Engine, { Id, State }: ContainerInspectInfo): Promise<number | undefined> {
  const here = await fromCgroup(Id, State.Pid)
  if (here !== undefined) return here
  const stats = await orAbsent(docker.getContainer(Id).stats({ stream: false, 'one-shot': true })).catch(() => undefined)
  const usage = stats?.memory_stats.usage
  return usage === undefined ? undefined : usage - inactive((stats!.memory_stats as { stats?: Record<string, number> }).stats ?? {})
}

/** Only of a process that is in this container's group: an engine in a virtual machine counts processes of its own. */
async function fromCgroup(id: string, pid: number): Promise<number | undefined> {
  if (process.platform !== 'linux' || !pid) return undefined
  const groups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')
  for (const line of groups.split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (!path.includes(id)) continue
    const isV2 = controllers === ''
    if (!isV2 && !controllers.split(',').includes('memory')) continue
    const folder = join('/sys/fs/cgroup', isV2 ? '' : 'memory', path)
    const [usage, stat] = await Promise.all([isV2 ? 'memory.current' : 'memory.usage_in_bytes', 'memory.stat'].map((name) => readFile(join(folder, name), 'utf8').catch(() => undefined)))
    if (usage === undefined || stat === undefined) return undefined
    return Number(usage) - inactive(Object.fromEntries(stat.trim().split('\n').map((pair) => pair.split(' ')).map(([name, value]) => [name, Number(value)])))
  }
  return undefined
}

/** Files that the kernel would give up first: cgroup v1 and v2 name them differently. */
const inactive = ({ total_inactive_file: v1, inactive_file: v2 }: Partial<Record<string, number>>): number => v1 ?? v2 ?? 0
