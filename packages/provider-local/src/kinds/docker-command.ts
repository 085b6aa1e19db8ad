import { defineKind, refuseLargeEnvironment, type AnyKind, type CreateCall, type DeleteCall, type SettleCall, type Settled } from '@pilot/core'
import type { Home } from '@pilot/host'
import type { ContainerInspectInfo } from 'dockerode'
import * as z from 'zod'
import { isOfRole } from '../compute/keys.ts'
import { containerLines } from '../compute/container-lines.ts'
import { entrypoint } from '../compute/container-start.ts'
import type { Engine } from '../engine/engine.ts'
import { engineError, isAbsent } from '../engine/errors.ts'
import { steadyMs, taskEnded, workerEnded } from '../health/ended.ts'
import { assertOurs, labels, ownerOfLabels, platformFilter } from '../ownership.ts'
import { appLabels, envList, exitOf, hostConfig, imageGone, inspectContainer, lastLines, removeContainer, startContainer } from './container-parts.ts'
import { assertVolumes, giveVolumes, mountedVolumes } from './container-volumes.ts'
import { appIdentity, freeOfCharge } from './shared.ts'

const shared = {
  app: appIdentity,
  deployment: z.string(),
  /** The image's id, so that a tag that moves changes nothing. */
  image: z.string(),
  /** In place of the image's CMD; its ENTRYPOINT stays. */
  command: z.array(z.string()).min(1),
  /** The command is all of it: without the image's ENTRYPOINT. */
  bare: z.literal(true).optional(),
  env: z.record(z.string(), z.string()),
  network: z.string(),
  extraHosts: z.array(z.string()).default([]),
  memoryBytes: z.number(),
  cpu: z.number(),
  volumes: mountedVolumes,
}
const workerInputs = z.object({
  ...shared,
  process: z.string(),
  /** Of what is kept of the app's logs. */
  logShare: z.number().optional(),
  /** So that a container that somebody stopped counts as drift, and is started again. */
  running: z.literal(true),
})
const taskInputs = z.object({ ...shared, task: z.string() })

type WorkerInputs = z.output<typeof workerInputs>
type TaskInputs = z.output<typeof taskInputs>

const immutable = ['app', 'deployment', 'image', 'command', 'bare', 'env', 'network', 'extraHosts', 'memoryBytes', 'cpu', 'volumes'] as const
const outputs = z.object({ container: z.string() })
const common = { version: 1, outputs, identity: 'name', consistencyMs: 0, permissions: ['the Docker socket'], cost: freeOfCharge, exposure: () => [] } as const

/** One instance of a process beside the app, without a port. The engine restarts it whenever it ends; one that ends while it is staged has failed all the same. */
export function dockerWorkerKind(engine: () => Promise<Engine>, home: Home): AnyKind {
  return defineKind({
    ...common,
    kind: 'local/docker-worker',
    inputs: workerInputs,
    fields: { immutable: [...immutable, 'process'], writeOnly: ['env'], ignored: ['logShare'] },
    create: (call) => createCommand(engine, call, { restart: 'unless-stopped', appLabel: { [labels.deployment]: call.inputs.deployment, [labels.process]: call.inputs.process } }),

    async settle({ id, inputs, elapsedMs }) {
      const client = await engine()
      const found = await inspectContainer(client, id)
      if (!found) return gone(id)
      const exit = await exitOf(client, found)
      if (!exit) return elapsedMs >= steadyMs ? { status: 'ready', outputs: { container: id } } : { status: 'pending', retryAfterMs: Math.min(250, steadyMs - elapsedMs) }
      const error = workerEnded({ title: `${inputs.app.project}/${inputs.app.app}, process ${inputs.process} (deployment ${inputs.deployment})`, exit, elapsedMs, log: await lastLines(client, id) })
      return { status: 'failed', reason: error.message, error }
    },
    async read({ id, recorded }) {
      const found = await inspectContainer(await engine(), id)
      const isRunning = found !== undefined && (found.State.Running || found.State.Restarting)
      // A value that the schema does not know is how a reading says "not running".
      return found && { inputs: { ...liveInputs(found, recorded), running: isRunning as true }, outputs: { container: id } }
    },
    list: (call) => listCommands(engine, call.platformId, 'worker'),
    async update({ id, checkpoint }) {
      await checkpoint()
      await startContainer(await engine(), id)
      return {}
    },
    delete: (call) => deleteCommand(engine, call, home),
  })
}

/** One command that runs once to its end, in a container that then stays as it is until it is deleted. */
export function dockerTaskKind(engine: () => Promise<Engine>): AnyKind {
  return defineKind({
    ...common,
    kind: 'local/docker-task',
    inputs: taskInputs,
    fields: { immutable: [...immutable, 'task'], writeOnly: ['env'] },
    settleTimeoutMs: 3_600_000,
    create: (call) => createCommand(engine, call, { restart: 'no', appLabel: {} }),
    settle: (call) => settleTask(engine, call),
    async read({ id, recorded }) {
      const found = await inspectContainer(await engine(), id)
      return found && { inputs: liveInputs(found, recorded), outputs: { container: id } }
    },
    list: (call) => listCommands(engine, call.platformId, 'task'),
    delete: (call) => deleteCommand(engine, call),
  })
}

/** The operation is the cursor in its log: how far it has been told. */
async function settleTask(engine: () => Promise<Engine>, { id, inputs, operation, log }: SettleCall<TaskInputs>): Promise<Settled<z.output<typeof outputs>>> {
  const client = await engine()
  // First whether it has ended, so that no line comes between its last look at the log and its end.
  const found = await inspectContainer(client, id)
  if (!found) return gone(id)
  let told = operation
  for await (const { text, at } of containerLines(client.docker, { source: { id, deployment: inputs.deployment, instance: inputs.task }, after: operation })) {
    log(text)
    told = at
  }
  const exit = await exitOf(client, found)
  if (!exit) return { status: 'pending', retryAfterMs: 250, message: `running ${inputs.command.join(' ')}`, ...(told === undefined ? {} : { operation: told }) }
  if (exit.code === 0 && exit.error === undefined) return { status: 'ready', outputs: { container: id } }
  const error = taskEnded({ title: taskTitle(inputs), exit, log: await lastLines(client, id) })
  return { status: 'failed', reason: error.message, error }
}

export const taskTitle = ({ app, deployment, task }: Pick<TaskInputs, 'app' | 'deployment' | 'task'>): string => `The ${task} command of ${app.project}/${app.app} (deployment ${deployment})`

interface How {
  readonly restart: 'unless-stopped' | 'no'
  readonly appLabel: Readonly<Record<string, string>>
}

async function createCommand(engine: () => Promise<Engine>, { name, owner, inputs, checkpoint }: CreateCall<WorkerInputs | TaskInputs>, { restart, appLabel }: How): Promise<{ id: string }> {
  refuseLargeEnvironment(inputs.env, `${inputs.app.project}/${inputs.app.app}`)
  const client = await engine()
  const existing = await inspectContainer(client, name)
  if (existing) assertOurs({ found: ownerOfLabels(existing.Config.Labels), owner, title: `The container ${name}` })
  if (existing && (existing.State.Status !== 'created' || existing.State.Error)) return { id: existing.Id }
  if (!existing) await assertVolumes(client, inputs.volumes)
  await checkpoint()
  const id =
    existing?.Id ??
    (
      await client.docker
        .createContainer({
          name,
          Image: inputs.image,
          Cmd: [...inputs.command],
          ...entrypoint(inputs),
          Env: envList(inputs.env),
          Labels: { ...appLabels({ app: inputs.app, owner }), ...appLabel },
          HostConfig: { ...hostConfig(inputs, client), RestartPolicy: { Name: restart } },
        })
        .catch((error: unknown) => {
          throw isAbsent(error) ? imageGone(inputs, error) : engineError(error, `The container ${name}`)
        })
    ).id
  await giveVolumes(client, { id, volumes: inputs.volumes })
  await startContainer(client, id)
  return { id }
}

async function listCommands(engine: () => Promise<Engine>, platformId: string, role: 'worker' | 'task') {
  const { docker } = await engine()
  const containers = await docker.listContainers({ all: true, filters: platformFilter(platformId) }).catch((error: unknown) => {
    throw engineError(error, 'The list of containers')
  })
  return containers.filter(({ Labels }) => isOfRole(Labels[labels.key], role)).map(({ Id, Names, Labels }) => ({ id: Id, owner: ownerOfLabels(Labels), title: `container ${(Names[0] ?? Id).replace(/^\//, '')}` }))
}

async function deleteCommand(engine: () => Promise<Engine>, { id, checkpoint, neverReady }: Pick<DeleteCall<unknown>, 'id' | 'checkpoint' | 'neverReady'>, home?: Home): Promise<object> {
  const client = await engine()
  const found = await inspectContainer(client, id)
  if (!found) return {}
  await checkpoint()
  await removeContainer(client, found, { ...(home ? { home } : {}), ...(neverReady ? { neverReady } : {}) })
  return {}
}

/** What Docker has now; the rest of what was asked for cannot be changed by anybody. */
function liveInputs({ Image, Config, HostConfig }: ContainerInspectInfo, recorded: Partial<WorkerInputs | TaskInputs>): Partial<WorkerInputs> {
  return { ...(recorded.command === undefined ? {} : { command: Config.Cmd ?? [] }), image: Image, network: HostConfig.NetworkMode!, memoryBytes: HostConfig.Memory! }
}

const gone = (id: string) => ({ status: 'failed', reason: `The container ${id.slice(0, 12)} is gone` }) as const
