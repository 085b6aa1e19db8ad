import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { defineKind, PilotError, type AnyKind, type CreateCall } from '@pilot/core'
import { putService, readJson, releasePort, removeService, reservePort, serviceStatus, tailOf, type Home, type ServiceSpec, type ServiceStatus } from '@pilot/host'
import * as z from 'zod'
import { isTimeToFindListeners, judge, type Exit } from '../health/judge.ts'
import { listenersOfTree } from '../health/listening.ts'
import { probe } from '../health/probe.ts'
import { assertOurs } from '../ownership.ts'
import { appPath, nodeFolder } from '../process/programs.ts'
import { listMarked, markOf, readOwner, type Marked } from './marks.ts'
import { appIdentity, freeOfCharge, healthCheck } from './shared.ts'

const inputs = z.object({
  app: appIdentity,
  deployment: z.string(),
  /** The artifact's folder, which no build writes to any more. What its app may do there: `sealTree`. */
  folder: z.string(),
  command: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()),
  account: z.object({ folder: z.string(), uid: z.number().nullable(), gid: z.number().nullable() }),
  memoryBytes: z.number(),
  health: healthCheck,
  /** So that a process that is gone counts as drift. */
  running: z.literal(true),
})
const outputs = z.object({ host: z.string(), port: z.number(), address: z.string() })

type Inputs = z.output<typeof inputs>

/** What we read back of a service file. */
export interface StoredService extends Marked {
  readonly name: string
  readonly app: z.output<typeof appIdentity>
  readonly cwd: string
  readonly args: readonly string[]
  readonly memoryBytes: number
  readonly logFile: string
  readonly deployment: string
  readonly port: number
}

const stopTimeoutMs = 10_000

/** What an image would set. HOST keeps those that ask for it away from the network; the app's configuration may say otherwise. */
const usual = { NODE_ENV: 'production', PYTHONUNBUFFERED: '1', HOST: '127.0.0.1' }

/** One instance of a deployment, as a service of the supervisor. */
export function processKind(home: Home): AnyKind {
  const path = (id: string): string => join(home.paths.services, `${id}.json`)
  const read = (id: string): Promise<StoredService | undefined> => readJson<StoredService>(path(id))
  const outputsOf = ({ port }: StoredService): z.output<typeof outputs> => ({ host: '127.0.0.1', port, address: `http://127.0.0.1:${port}` })

  const put = async ({ owner, name, inputs }: Pick<CreateCall<Inputs>, 'owner' | 'name' | 'inputs'>): Promise<void> => {
    const { account, folder, command } = inputs
    const user = account.uid === null || account.gid === null ? undefined : { uid: account.uid, gid: account.gid }
    // Always one of our choice: during a release two deployments run side by side on one machine.
    const port = await reservePort(home, portName(name))
    const node = await nodeFolder(home, user)
    const spec: ServiceSpec & StoredService = {
      name,
      // Found on the PATH of the app, not on ours.
      command: '/usr/bin/env',
      args: [...command],
      cwd: folder,
      env: { ...usual, PATH: appPath(folder, node), HOME: account.folder, TMPDIR: join(account.folder, 'tmp'), PORT: String(port) },
      secretEnv: withoutOurs(inputs.env),
      ...(user ? { user } : {}),
      logFile: join(home.paths.logs, `${name}.log`),
      stopTimeoutMs,
      restart: { when: 'always' },
      memoryBytes: inputs.memoryBytes,
      order: 60,
      owner: markOf(owner),
      app: inputs.app,
      deployment: inputs.deployment,
      port,
    }
    await putService(home, spec)
  }

  return defineKind({
    kind: 'local/process',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['app', 'deployment', 'folder', 'command', 'env', 'account', 'memoryBytes'], writeOnly: ['env'], ignored: ['health'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'a port of 127.0.0.1, behind the edge; the process itself decides whether it listens elsewhere too', to: 'machine' }],

    async create(call) {
      const { name, inputs } = call
      const found = await readOwner(path(name))
      if (found) assertOurs({ found, owner: call.owner, title: `The service ${name}` })
      if (!(await stat(inputs.folder).catch(() => undefined))) throw new PilotError('ARTIFACT_GONE', `The artifact of ${inputs.app.project}/${inputs.app.app} is no longer in ${inputs.folder}`)
      await call.checkpoint()
      await put(call)
      return { id: name }
    },

    async settle({ id, inputs, elapsedMs, signal }) {
      const service = await read(id)
      if (!service) return { status: 'failed', reason: `The service ${id} is gone` }
      const status = serviceStatus(home, id)
      const exit = exitOf(status, elapsedMs)
      const { health } = inputs
      const seen = exit ? undefined : await probe({ port: service.port, path: health.path, timeoutMs: health.timeoutMs, signal })
      const pid = status?.process?.pid
      const listeners = exit || seen?.kind === 'answered' || !pid || !isTimeToFindListeners({ elapsedMs, health }) ? undefined : await listenersOfTree(pid)
      const other = listeners?.find(({ port }) => port !== service.port)
      const verdict = judge({
        title: `${inputs.app.project}/${inputs.app.app} (deployment ${inputs.deployment})`,
        expectedPort: service.port,
        portIsOurs: true,
        health,
        elapsedMs,
        ...(exit ? { exit } : {}),
        ...(seen ? { probe: seen } : {}),
        // Inside one machine 127.0.0.1 is good enough.
        ...(listeners ? { listeners: listeners.map(({ port }) => ({ port, loopbackOnly: false })), otherPortAnswers: other !== undefined && (await probe({ port: other.port, path: health.path, timeoutMs: 1_000, signal })).kind === 'answered' } : {}),
      })
      if (verdict.status === 'ready') return { status: 'ready', outputs: outputsOf(service) }
      if (verdict.status === 'pending') return verdict
      const error = new PilotError(verdict.error.code, verdict.error.message, { ...verdict.error, details: { ...verdict.error.details, log: tailOf(service.logFile) } })
      return { status: 'failed', reason: [error.message, error.reason].filter(Boolean).join(': '), error }
    },

    async read({ id }) {
      const service = await read(id)
      if (!service) return undefined
      const state = serviceStatus(home, id)?.state
      const isRunning = state !== undefined && state !== 'exited' && state !== 'failed'
      // A value that the schema does not know is how a reading says "not running".
      const { app, deployment, cwd: folder, args, memoryBytes } = service
      return { inputs: { app, deployment, folder, command: [...args], memoryBytes, running: isRunning as true }, outputs: outputsOf(service) }
    },

    list: ({ platformId }) => listMarked({ folder: home.paths.services, platformId, title: (id) => `process ${id}` }),

    async update(call) {
      await call.checkpoint()
      await put({ ...call, name: call.id })
      return {}
    },

    async delete({ id, checkpoint }) {
      await checkpoint()
      const service = await read(id)
      await removeService(home, id)
      await releasePort(home, portName(id))
      const logFile = service?.logFile ?? join(home.paths.logs, `${id}.log`)
      await Promise.all([rm(logFile, { force: true }), rm(`${logFile}.1`, { force: true })])
      return {}
    },
  })
}

/** Ends since this settling began: an earlier one belongs to the time before a restart that somebody asked for. */
function exitOf(status: ServiceStatus | undefined, elapsedMs: number): Exit | undefined {
  if (status?.problem && status.state !== 'running') return { error: status.problem }
  if (!status?.lastExit || status.state === 'stopping') return undefined
  const { at, code, signal } = status.lastExit
  if (Date.parse(at) < Date.now() - elapsedMs - 1_000) return undefined
  if (status.state === 'running' && status.restarts === 0) return undefined
  return { ...(code === null ? {} : { code }), ...(signal ? { signal } : {}) }
}

/** PORT is the provider's to say; the rest of our own values may be replaced by the app's configuration. */
const withoutOurs = ({ PORT: _, ...env }: Readonly<Record<string, string>>): Record<string, string> => env

const portName = (id: string): string => `process/${id}`
