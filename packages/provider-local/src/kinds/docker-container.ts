import { defineKind, PilotError, refuseLargeEnvironment, type AnyKind } from '@pilot/core'
import { releasePort, reservePort, type Home } from '@pilot/host'
import type { ContainerCreateOptions, ContainerInspectInfo } from 'dockerode'
import * as z from 'zod'
import type { Engine } from '../engine/engine.ts'
import { engineError, isAbsent } from '../engine/errors.ts'
import { containerListeners } from '../health/container-listeners.ts'
import { isTimeToFindListeners, judge } from '../health/judge.ts'
import { probe } from '../health/probe.ts'
import { assertOurs, labels, ownerOfLabels, platformFilter } from '../ownership.ts'
import { entrypoint } from '../compute/container-start.ts'
import { isOfRole } from '../compute/keys.ts'
import { appLabels, envList, exitOf, hostConfig, imageGone, inspectContainer, lastLines, removeContainer, startContainer } from './container-parts.ts'
import { assertVolumes, giveVolumes, mountedVolumes } from './container-volumes.ts'
import { appIdentity, failedWith, freeOfCharge, healthCheck } from './shared.ts'

const inputs = z.object({
  app: appIdentity,
  deployment: z.string(),
  /** The image's id, so that a tag that moves changes nothing. */
  image: z.string(),
  /** In place of the image's CMD; its ENTRYPOINT stays. */
  command: z.array(z.string()).optional(),
  /** The command is all of it: without the image's ENTRYPOINT. */
  bare: z.literal(true).optional(),
  env: z.record(z.string(), z.string()),
  network: z.string(),
  /** `name:address`, where the containers of the network reach this machine by a name. */
  extraHosts: z.array(z.string()).default([]),
  /** The port on which the app listens inside. */
  port: z.number(),
  memoryBytes: z.number(),
  cpu: z.number(),
  volumes: mountedVolumes,
  /** Of what is kept of the app's logs. */
  logShare: z.number().optional(),
  health: healthCheck,
  /** So that a container that somebody stopped counts as drift, and is started again. */
  running: z.literal(true),
})

const outputs = z.object({
  host: z.string(),
  /** The published port on 127.0.0.1: fixed, since Docker would choose another at each start. */
  port: z.number(),
  address: z.string(),
})

type Inputs = z.output<typeof inputs>
type Outputs = z.output<typeof outputs>

const portAttempts = 5

/** One instance of a deployment. The engine restarts it whenever it ends; one that ends while it is staged has failed all the same. */
export function dockerContainerKind(engine: () => Promise<Engine>, home: Home): AnyKind {
  return defineKind({
    kind: 'local/docker-container',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['app', 'deployment', 'image', 'command', 'bare', 'env', 'network', 'extraHosts', 'port', 'memoryBytes', 'cpu', 'volumes'], writeOnly: ['env'], ignored: ['health', 'logShare'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the Docker socket'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'a port on 127.0.0.1, behind the edge', to: 'machine' }],

    async create(call) {
      const { owner, name, inputs, checkpoint } = call
      refuseLargeEnvironment(inputs.env, `${inputs.app.project}/${inputs.app.app}`)
      const client = await engine()
      const existing = await inspectContainer(client, name)
      if (existing) {
        assertOurs({ found: ownerOfLabels(existing.Config.Labels), owner, title: `The container ${name}` })
        if (existing.State.Status === 'created' && !existing.State.Error) {
          await checkpoint()
          await giveVolumes(client, { id: existing.Id, volumes: inputs.volumes })
          await startContainer(client, existing.Id)
        }
        return { id: existing.Id }
      }
      await assertVolumes(client, inputs.volumes)
      for (let attempt = 1; ; attempt++) {
        await checkpoint()
        const hostPort = await reservePort(home, portName(name))
        const container = await client.docker.createContainer({ name, ...options({ inputs, hostPort, engine: client }), Labels: { ...appLabels({ app: inputs.app, owner }), [labels.deployment]: inputs.deployment } }).catch(async (error: unknown) => {
          // No container, so nothing that would be deleted some day.
          if (isAbsent(error)) await releasePort(home, portName(name))
          throw isAbsent(error) ? imageGone(inputs, error) : engineError(error, `The container ${name}`)
        })
        await giveVolumes(client, { id: container.id, volumes: inputs.volumes })
        if ((await startContainer(client, container.id)) !== 'port taken') return { id: container.id }
        // Another program took the port between the reservation and the start.
        await container.remove({ force: true, v: true })
        await releasePort(home, portName(name))
        if (attempt === portAttempts) throw new PilotError('PORT_TAKEN', `No free port on 127.0.0.1 for the container ${name}`, { reason: `Docker refused ${portAttempts} ports, the last was ${hostPort}.` })
      }
    },

    async settle({ id, inputs, elapsedMs, signal }) {
      const client = await engine()
      const found = await inspectContainer(client, id)
      if (!found) return { status: 'failed', reason: `The container ${id.slice(0, 12)} is gone` }
      const exit = await exitOf(client, found)
      const { health } = inputs
      const seen = exit ? undefined : await probe({ port: publishedPort(found)!, path: health.path, timeoutMs: health.timeoutMs, signal })
      const listeners = exit || seen?.kind === 'answered' || !isTimeToFindListeners({ elapsedMs, health }) ? undefined : await containerListeners(client, found)
      const verdict = judge({
        title: titleOf(inputs),
        expectedPort: inputs.port,
        health,
        elapsedMs,
        ...(exit ? { exit } : {}),
        ...(seen ? { probe: seen } : {}),
        ...(listeners ? { listeners: listeners.found, otherPortAnswers: await listeners.otherPortAnswers(inputs.port, health) } : {}),
      })
      if (verdict.status === 'pending') return verdict
      if (verdict.status === 'failed') {
        const log = await lastLines(client, id)
        const error = new PilotError(verdict.error.code, verdict.error.message, { ...verdict.error, details: { ...verdict.error.details, log } })
        return failedWith(error)
      }
      return { status: 'ready', outputs: outputsOf(found) }
    },

    async read({ id, recorded }) {
      const found = await inspectContainer(await engine(), id)
      return found && { inputs: liveInputs(found, recorded), outputs: outputsOf(found) }
    },

    async list({ platformId }) {
      const { docker } = await engine()
      const containers = await docker.listContainers({ all: true, filters: platformFilter(platformId) }).catch((error: unknown) => {
        throw engineError(error, 'The list of containers')
      })
      const own = containers.filter(({ Labels }) => isOfRole(Labels[labels.key], 'container') && Labels[labels.oneOff] === undefined)
      return own.map(({ Id, Names, Labels }) => ({ id: Id, owner: ownerOfLabels(Labels), title: `container ${(Names[0] ?? Id).replace(/^\//, '')}` }))
    },

    async update({ id, checkpoint }) {
      await checkpoint()
      await startContainer(await engine(), id)
      return {}
    },

    async delete({ id, name, checkpoint, neverReady }) {
      const client = await engine()
      const found = await inspectContainer(client, id)
      if (!found) {
        // Somebody else deleted it.
        await releasePort(home, portName(name))
        return {}
      }
      await checkpoint()
      await removeContainer(client, found, { home, ...(neverReady ? { neverReady } : {}) })
      await releasePort(home, portName(found.Name.replace(/^\//, '')))
      return {}
    },
  })
}

function options({ inputs, hostPort, engine }: { inputs: Inputs; hostPort: number; engine: Engine }): ContainerCreateOptions {
  const port = `${inputs.port}/tcp`
  return {
    Image: inputs.image,
    ...(inputs.command ? { Cmd: [...inputs.command] } : {}),
    ...entrypoint(inputs),
    Env: envList({ ...inputs.env, PORT: String(inputs.port) }),
    ExposedPorts: { [port]: {} },
    HostConfig: {
      ...hostConfig(inputs, engine),
      PortBindings: { [port]: [{ HostIp: '127.0.0.1', HostPort: String(hostPort) }] },
      RestartPolicy: { Name: 'unless-stopped' },
    },
  }
}

function publishedPort({ HostConfig }: ContainerInspectInfo): number | undefined {
  const [bindings] = Object.values((HostConfig.PortBindings ?? {}) as Record<string, { HostPort: string }[]>)
  return bindings?.[0] ? Number(bindings[0].HostPort) : undefined
}

function outputsOf(found: ContainerInspectInfo): Outputs {
  const port = publishedPort(found) ?? 0
  return { host: '127.0.0.1', port, address: `http://127.0.0.1:${port}` }
}

/** Memory and command as Docker has them now; the rest of what was asked for cannot be changed by anybody. */
function liveInputs({ Image, Config, HostConfig, State }: ContainerInspectInfo, recorded: Partial<Inputs>): Partial<Inputs> {
  const [port] = Object.keys((HostConfig.PortBindings ?? {}) as object)
  const { [labels.project]: project, [labels.app]: app, [labels.environment]: environment, [labels.deployment]: deployment } = Config.Labels
  const isRunning = State.Running || State.Restarting
  return {
    ...(project && app && environment ? { app: { project, app, environment } } : {}),
    ...(deployment ? { deployment } : {}),
    image: Image,
    // Without one of ours it is the image's, which may be anything.
    ...(recorded.command ? { command: Config.Cmd ?? [] } : {}),
    network: HostConfig.NetworkMode!,
    memoryBytes: HostConfig.Memory!,
    ...(port ? { port: Number.parseInt(port, 10) } : {}),
    // A value that the schema does not know is how a reading says "not running".
    running: isRunning as true,
  }
}

const titleOf = ({ app, deployment }: Inputs): string => `${app.project}/${app.app} (deployment ${deployment})`
export const portName = (containerName: string): string => `container/${containerName}`
