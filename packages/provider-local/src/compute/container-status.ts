import type { Compute, InstanceStatus } from '@pilot/core'
import type { ContainerInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { engineError, orAbsent } from '../engine/errors.ts'
import { labels } from '../ownership.ts'

export interface OfPlatform {
  readonly engine: () => Promise<Engine>
  readonly platformId: string
}

type AppOf = Parameters<Compute['status']>[0]['app']

/** Every container of an app, also stopped ones, oldest first. */
export async function containersOf({ engine, platformId }: OfPlatform, { project, app, environment }: AppOf): Promise<readonly ContainerInfo[]> {
  const { docker } = await engine()
  const filters = { label: [`${labels.platform}=${platformId}`, `${labels.scope}=app/${project}/${app}/${environment}`] }
  const found = await docker.listContainers({ all: true, filters }).catch((error: unknown) => {
    throw engineError(error, `The containers of ${project}/${app}`)
  })
  return found.filter(({ Labels }) => Labels[labels.deployment]).sort((a, b) => a.Created - b.Created)
}

export async function containerStatus(platform: OfPlatform, { app, signal }: Parameters<Compute['status']>[0]): Promise<readonly InstanceStatus[]> {
  const containers = await containersOf(platform, app)
  signal.throwIfAborted()
  const { docker } = await platform.engine()
  const all = await Promise.all(
    containers.map(async ({ Id, Labels, Names }): Promise<readonly InstanceStatus[]> => {
      const container = docker.getContainer(Id)
      const found = await orAbsent(container.inspect())
      if (!found) return []
      const { State, RestartCount } = found
      const stats = State.Running ? await container.stats({ stream: false, 'one-shot': true }).catch(() => undefined) : undefined
      const memory = stats?.memory_stats.usage
      const since = State.Running ? State.StartedAt : State.Status === 'exited' ? State.FinishedAt : undefined
      return [
        {
          deployment: Labels[labels.deployment]!,
          instance: instanceName(Names),
          state: stateOf(State),
          ...(State.Running ? {} : { exitCode: State.ExitCode }),
          restarts: RestartCount,
          ...(since ? { since } : {}),
          ...(memory ? { memoryBytes: memory - (inactiveFile(stats!.memory_stats) ?? 0) } : {}),
        },
      ]
    }),
  )
  return all.flat()
}

export const instanceName = (names: readonly string[]): string => (names[0] ?? '').replace(/^\//, '')

/** Cached files do not count, as in `docker stats`: cgroup v1 and v2 name them differently. */
function inactiveFile({ stats }: { stats?: object }): number | undefined {
  const { total_inactive_file: v1, inactive_file: v2 } = (stats ?? {}) as { total_inactive_file?: number; inactive_file?: number }
  return v1 ?? v2
}

function stateOf({ Status, ExitCode }: { Status: string; ExitCode: number }): InstanceStatus['state'] {
  switch (Status) {
    case 'running':
      return 'running'
    case 'created':
    case 'restarting':
      return 'starting'
    case 'paused':
      return 'stopped'
    default:
      return ExitCode === 0 ? 'stopped' : 'exited'
  }
}
