import { defineKind, PilotError, type AnyKind } from '@pilot/core'
import { releasePort, reservePort, type Home } from '@pilot/host'
import type { ContainerCreateOptions, ContainerInspectInfo } from 'dockerode'
import * as z from 'zod'
import type { Engine } from '../engine/engine.ts'
import { engineError, engineText, isAbsent, isConflict, isUnchanged, orAbsent } from '../engine/errors.ts'
import { linesOf } from '../engine/log-stream.ts'
import { containerListeners } from '../health/container-listeners.ts'
import { isTimeToFindListeners, judge, type Exit } from '../health/judge.ts'
import { probe } from '../health/probe.ts'
import { assertOurs, labels, ownerLabels, ownerOfLabels, platformFilter } from '../ownership.ts'
import { appIdentity, freeOfCharge, healthCheck } from './shared.ts'

const inputs = z.object({
  app: appIdentity,
  deployment: z.string(),
  /** The image's id, so that a tag that moves changes nothing. */
  image: z.string(),
  /** In place of the image's CMD; its ENTRYPOINT stays. */
  command: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()),
  network: z.string(),
  /** `name:address`, where the containers of the network reach this machine by a name. */
  extraHosts: z.array(z.string()).default([]),
  /** The port on which the app listens inside. */
  port: z.number(),
  memoryBytes: z.number(),
  cpu: z.number(),
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

/**
 * What ordinary images need of root's powers when they start: to hand files and sockets to another user, to become that user,
 * to signal the children they left there, and to listen below port 1024 (nginx, postgres, redis, php-apache). All else is
 * dropped, among it raw sockets, device nodes, chroot and file capabilities; new privileges cannot be gained.
 */
const keptCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID']

/** How long a container may take to end after SIGTERM, seconds. The edge has drained it before. */
const stopSeconds = 10
const processLimit = 512
const portAttempts = 5

/** One instance of a deployment. The engine restarts it whenever it ends; one that ends while it is staged has failed all the same. */
export function dockerContainerKind(engine: () => Promise<Engine>, home: Home): AnyKind {
  return defineKind({
    kind: 'local/docker-container',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['app', 'deployment', 'image', 'command', 'env', 'network', 'extraHosts', 'port', 'memoryBytes', 'cpu'], writeOnly: ['env'], ignored: ['health'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the Docker socket'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'a port on 127.0.0.1, behind the edge', to: 'machine' }],

    async create(call) {
      const { owner, name, inputs, checkpoint } = call
      const { docker, cpus, hasInit } = await engine()
      const existing = await inspect(await engine(), name)
      if (existing) {
        assertOurs({ found: ownerOfLabels(existing.Config.Labels), owner, title: `The container ${name}` })
        if (existing.State.Status === 'created' && !existing.State.Error) {
          await checkpoint()
          await start(await engine(), existing.Id)
        }
        return { id: existing.Id }
      }
      for (let attempt = 1; ; attempt++) {
        await checkpoint()
        const hostPort = await reservePort(home, portName(name))
        const container = await docker.createContainer({ name, ...options({ inputs, hostPort, cpus, hasInit }), Labels: { ...ownerLabels(owner), ...appLabels(inputs) } }).catch(async (error: unknown) => {
          // No container, so nothing that would be deleted some day.
          if (isAbsent(error)) await releasePort(home, portName(name))
          throw isAbsent(error) ? imageGone(inputs, error) : engineError(error, `The container ${name}`)
        })
        if ((await start(await engine(), container.id)) !== 'port taken') return { id: container.id }
        // Another program took the port between the reservation and the start.
        await container.remove({ force: true, v: true })
        await releasePort(home, portName(name))
        if (attempt === portAttempts) throw new PilotError('PORT_TAKEN', `No free port on 127.0.0.1 for the container ${name}`, { reason: `Docker refused ${portAttempts} ports, the last was ${hostPort}.` })
      }
    },

    async settle({ id, inputs, elapsedMs, signal }) {
      const client = await engine()
      const found = await inspect(client, id)
      if (!found) return { status: 'failed', reason: `The container ${id.slice(0, 12)} is gone` }
      const exit = exitOf(found)
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
        return { status: 'failed', reason: [error.message, error.reason].filter(Boolean).join(': '), error }
      }
      return { status: 'ready', outputs: outputsOf(found) }
    },

    async read({ id, recorded }) {
      const found = await inspect(await engine(), id)
      return found && { inputs: liveInputs(found, recorded), outputs: outputsOf(found) }
    },

    async list({ platformId }) {
      const { docker } = await engine()
      const containers = await docker.listContainers({ all: true, filters: platformFilter(platformId) }).catch((error: unknown) => {
        throw engineError(error, 'The list of containers')
      })
      return containers.map(({ Id, Names, Labels }) => ({ id: Id, owner: ownerOfLabels(Labels), title: `container ${(Names[0] ?? Id).replace(/^\//, '')}` }))
    },

    async update({ id, checkpoint }) {
      await checkpoint()
      await start(await engine(), id)
      return {}
    },

    async delete({ id, name, checkpoint }) {
      const client = await engine()
      const found = await inspect(client, id)
      if (!found) {
        // Somebody else deleted it.
        await releasePort(home, portName(name))
        return {}
      }
      const container = client.docker.getContainer(id)
      await checkpoint()
      try {
        if (found.State.Running) await container.stop({ t: stopSeconds })
      } catch (error) {
        if (!isUnchanged(error) && !isAbsent(error)) throw engineError(error, `The container ${found.Name}`)
      }
      try {
        await orAbsent(container.remove({ force: true, v: true }))
      } catch (error) {
        if (!isConflict(error)) throw engineError(error, `The container ${found.Name}`) // 409: being removed already
      }
      await releasePort(home, portName(found.Name.replace(/^\//, '')))
      return {}
    },
  })
}

function options({ inputs, hostPort, cpus, hasInit }: { inputs: Inputs; hostPort: number; cpus: number; hasInit: boolean }): ContainerCreateOptions {
  const port = `${inputs.port}/tcp`
  return {
    Image: inputs.image,
    ...(inputs.command ? { Cmd: [...inputs.command] } : {}),
    Env: Object.entries({ ...inputs.env, PORT: String(inputs.port) }).map(([key, value]) => `${key}=${value}`),
    ExposedPorts: { [port]: {} },
    HostConfig: {
      NetworkMode: inputs.network,
      PortBindings: { [port]: [{ HostIp: '127.0.0.1', HostPort: String(hostPort) }] },
      ExtraHosts: inputs.extraHosts,
      RestartPolicy: { Name: 'unless-stopped' },
      Init: hasInit,
      CapDrop: ['ALL'],
      CapAdd: keptCapabilities,
      SecurityOpt: ['no-new-privileges'],
      Memory: inputs.memoryBytes,
      MemorySwap: inputs.memoryBytes,
      NanoCpus: Math.round(Math.min(inputs.cpu, cpus) * 1e9),
      PidsLimit: processLimit,
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
    },
  }
}

const appLabels = ({ app, deployment }: Inputs): Record<string, string> => ({ [labels.project]: app.project, [labels.app]: app.app, [labels.environment]: app.environment, [labels.deployment]: deployment })

/** Starting fails for the app's own reasons too (no such command): Docker records them and `settle` tells them. */
async function start({ docker }: Engine, id: string): Promise<'started' | 'port taken' | 'refused'> {
  try {
    await docker.getContainer(id).start()
    return 'started'
  } catch (error) {
    if (isUnchanged(error)) return 'started'
    const text = engineText(error)
    if (/port is already allocated|address already in use|failed to bind host port/i.test(text)) return 'port taken'
    if (/OCI runtime|executable file not found|permission denied|no such file or directory|exec format error/i.test(text)) return 'refused'
    throw engineError(error, `The container ${id.slice(0, 12)}`)
  }
}

async function inspect({ docker }: Engine, id: string): Promise<ContainerInspectInfo | undefined> {
  try {
    return await orAbsent(docker.getContainer(id).inspect())
  } catch (error) {
    throw engineError(error, `The container ${id.slice(0, 40)}`)
  }
}

function exitOf({ State, RestartCount }: ContainerInspectInfo): Exit | undefined {
  // It runs again: how it ended the first time is no longer told.
  if (RestartCount > 0 && !State.Restarting) return {}
  if (State.Status === 'created') return { code: State.ExitCode, error: State.Error || 'Docker did not start it' }
  if (State.Running && !State.Restarting) return undefined
  return { code: State.ExitCode, ...(State.OOMKilled ? { outOfMemory: true } : {}), ...(State.Error ? { error: State.Error } : {}) }
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

async function lastLines({ docker }: Engine, id: string): Promise<readonly string[]> {
  const log = await docker.getContainer(id).logs({ stdout: true, stderr: true, tail: 20, follow: false })
  return linesOf(Buffer.isBuffer(log) ? log : Buffer.from(log))
}

const titleOf = ({ app, deployment }: Inputs): string => `${app.project}/${app.app} (deployment ${deployment})`
export const portName = (containerName: string): string => `container/${containerName}`

const imageGone = ({ image, app }: Inputs, cause: unknown): PilotError => new PilotError('ARTIFACT_GONE', `The image ${image.slice(0, 19)} of ${app.project}/${app.app} is no longer there`, { cause })
