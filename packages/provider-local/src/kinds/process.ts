import { join } from 'node:path'
import { defineKind, PilotError, type AnyKind, type CreateCall } from '@pilot/core'
import { putService, readJson, releasePort, reservePort, serviceStatus, tailOf, type Home, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { isTimeToFindListeners, judge } from '../health/judge.ts'
import { listenersOfTree } from '../health/listening.ts'
import { probe } from '../health/probe.ts'
import { isCommandKey, isFunctionKey, isQueueKey } from '../compute/keys.ts'
import { assertOurs } from '../ownership.ts'
import { listMarked, readOwner } from './marks.ts'
import { assertArtifact, exitOf, programInputs, programService, removeProgram, type StoredProgram } from './service-parts.ts'
import { freeOfCharge, healthCheck } from './shared.ts'

const inputs = z.object({
  ...programInputs,
  health: healthCheck,
  /** So that a process that is gone counts as drift. */
  running: z.literal(true),
})
const outputs = z.object({ host: z.string(), port: z.number(), address: z.string() })

type Inputs = z.output<typeof inputs>

/** What we read back of the service file of an instance: of the app itself, or of a worker. */
export interface StoredInstance extends StoredProgram {
  readonly deployment: string
  /** Of a worker: its name. */
  readonly process?: string
}

export interface StoredService extends StoredInstance {
  readonly port: number
}

/** One instance of a deployment, as a service of the supervisor. */
export function processKind(home: Home): AnyKind {
  const path = (id: string): string => join(home.paths.services, `${id}.json`)
  const read = (id: string): Promise<StoredService | undefined> => readJson<StoredService>(path(id))
  const outputsOf = ({ port }: StoredService): z.output<typeof outputs> => ({ host: '127.0.0.1', port, address: `http://127.0.0.1:${port}` })

  const put = async ({ owner, name, inputs }: Pick<CreateCall<Inputs>, 'owner' | 'name' | 'inputs'>): Promise<void> => {
    // Always one of our choice: during a release two deployments run side by side on one machine.
    const port = await reservePort(home, portName(name))
    const service = await programService(home, { name, owner, inputs })
    const spec: ServiceSpec & StoredService = { ...service, env: { ...service.env!, PORT: String(port) }, deployment: inputs.deployment, port }
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
      await assertArtifact(inputs)
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

    async list({ platformId }) {
      const listed = await listMarked({ folder: home.paths.services, platformId, title: (id) => `process ${id}` })
      return listed.filter(({ owner }) => !isCommandKey(owner.key) && !isFunctionKey(owner.key) && !isQueueKey(owner.key))
    },

    async update(call) {
      await call.checkpoint()
      await put({ ...call, name: call.id })
      return {}
    },

    async delete({ id, owner, checkpoint }) {
      await checkpoint()
      await removeProgram(home, { id, platformId: owner.platformId, service: await read(id) })
      await releasePort(home, portName(id))
      return {}
    },
  })
}

const portName = (id: string): string => `process/${id}`
