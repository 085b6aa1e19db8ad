import type { Compute, InstanceStatus } from '@pilot/core'
import type { ContainerInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { engineError, orAbsent } from '../engine/errors.ts'
import { labels } from '../ownership.ts'
import { containerUsage } from './container-usage.ts'

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
  const engine = await platform.engine()
  const all = await Promise.all(
    containers.map(async ({ Id, Labels, Names }): Promise<readonly InstanceStatus[]> => {
      const found = await orAbsent(engine.docker.getContainer(Id).inspect())
      if (!found) return []
      const { State, RestartCount } = found
      const usage = State.Running ? await containerUsage(engine, found) : {}
      const since = State.Running ? State.StartedAt : State.Status === 'exited' ? State.FinishedAt : undefined
      return [
        {
          deployment: Labels[labels.deployment]!,
          instance: instanceName(Names),
          ...processOf(Labels),
          state: stateOf(State),
          ...(State.Running ? {} : { exitCode: State.ExitCode }),
          restarts: RestartCount,
          ...(since ? { since } : {}),
          ...usage,
        },
      ]
    }),
  )
  return all.flat()
}

/** Of a worker's container. */
export const processOf = (found: Readonly<Record<string, string>>): { process?: string } => (found[labels.process] === undefined ? {} : { process: found[labels.process]! })

export const instanceName = (names: readonly string[]): string => (names[0] ?? '').replace(/^\//, '')

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
