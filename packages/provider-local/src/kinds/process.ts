import { defineKind, PilotError, type AnyKind } from '@pilot/core'
import { putService, reservePort, serviceStatus, tailOf, type Home, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { isTimeToFindListeners, judge } from '../health/judge.ts'
import { listenersOfTree } from '../health/listening.ts'
import { probe } from '../health/probe.ts'
import { readService, serviceGone, serviceHandlers, type PutCall } from './service-handlers.ts'
import { assertArtifact, exitOf, programInputs, programService, type StoredProgram } from './service-parts.ts'
import { failedWith, freeOfCharge, healthCheck } from './shared.ts'

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
  const outputsOf = ({ port }: StoredService): z.output<typeof outputs> => ({ host: '127.0.0.1', port, address: `http://127.0.0.1:${port}` })

  const put = async ({ owner, name, inputs }: PutCall<Inputs>): Promise<void> => {
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
    fields: { immutable: ['app', 'deployment', 'folder', 'command', 'env', 'account', 'memoryBytes'], writeOnly: ['env'], ignored: ['health', 'logShare'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'a port of 127.0.0.1, behind the edge; the process itself decides whether it listens elsewhere too', to: 'machine' }],

    ...serviceHandlers({
      home,
      role: 'process',
      check: ({ inputs }) => assertArtifact(inputs),
      put,
      inputsOf: ({ app, deployment, cwd: folder, args, memoryBytes }: StoredService, running) => ({ app, deployment, folder, command: [...args], memoryBytes, running }),
      outputsOf,
      portName,
    }),

    async settle({ id, inputs, elapsedMs, signal }) {
      const service = await readService<StoredService>(home, id)
      if (!service) return serviceGone(id)
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
      return failedWith(new PilotError(verdict.error.code, verdict.error.message, { ...verdict.error, details: { ...verdict.error.details, log: tailOf(service.logFile) } }))
    },
  })
}

const portName = (id: string): string => `process/${id}`
