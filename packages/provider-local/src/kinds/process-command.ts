import { defineKind, type AnyKind, type SettleCall, type Settled } from '@pilot/core'
import { putService, serviceStatus, tailOf, type Home, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { readServiceLines } from '../compute/process-logs.ts'
import { steadyMs, taskEnded, workerEnded } from '../health/ended.ts'
import { taskTitle } from './docker-command.ts'
import type { StoredInstance } from './process.ts'
import { readService, serviceGone, serviceHandlers, type PutCall } from './service-handlers.ts'
import { assertArtifact, exitOf, programInputs, programService, type StoredProgram } from './service-parts.ts'
import { freeOfCharge } from './shared.ts'

const workerInputs = z.object({
  ...programInputs,
  process: z.string(),
  /** So that a process that is gone counts as drift. */
  running: z.literal(true),
})
const taskInputs = z.object({ ...programInputs, task: z.string() })

type WorkerInputs = z.output<typeof workerInputs>
type TaskInputs = z.output<typeof taskInputs>

const immutable = ['app', 'deployment', 'folder', 'command', 'env', 'account', 'memoryBytes'] as const
const outputs = z.object({ service: z.string() })
const common = { version: 1, outputs, identity: 'name', consistencyMs: 0, permissions: ['the folder of this home'], cost: freeOfCharge, exposure: () => [] } as const

/** One instance of a process beside the app, as a service of the supervisor without a port. */
export function processWorkerKind(home: Home): AnyKind {
  const put = async ({ name, owner, inputs }: PutCall<WorkerInputs>): Promise<void> => {
    const spec: ServiceSpec & StoredInstance = { ...(await programService(home, { name, owner, inputs })), deployment: inputs.deployment, process: inputs.process }
    await putService(home, spec)
  }
  return defineKind({
    ...common,
    kind: 'local/process-worker',
    inputs: workerInputs,
    fields: { immutable: [...immutable, 'process'], writeOnly: ['env'], ignored: ['logShare'] },
    ...serviceHandlers({
      home,
      role: 'worker',
      check: ({ inputs }) => assertArtifact(inputs),
      put,
      inputsOf: (service: StoredInstance, running) => ({ ...liveInputs(service), deployment: service.deployment, process: service.process!, running }),
      outputsOf,
    }),

    async settle({ id, inputs, elapsedMs }) {
      const service = await readService<StoredInstance>(home, id)
      if (!service) return serviceGone(id)
      const status = serviceStatus(home, id)
      const exit = exitOf(status, elapsedMs)
      if (!exit) {
        const ranMs = status?.state === 'running' ? Date.now() - Date.parse(status.since) : 0
        return ranMs >= steadyMs ? { status: 'ready', outputs: outputsOf(service) } : { status: 'pending', retryAfterMs: Math.max(20, Math.min(250, steadyMs - ranMs)) }
      }
      const error = workerEnded({ title: `${inputs.app.project}/${inputs.app.app}, process ${inputs.process} (deployment ${inputs.deployment})`, exit, elapsedMs, log: tailOf(service.logFile) })
      return { status: 'failed', reason: error.message, error }
    },
  })
}

/** One command that runs once to its end, as a service that is not started again. */
export function processTaskKind(home: Home): AnyKind {
  const { update: _, ...handlers } = serviceHandlers({
    home,
    role: 'task',
    check: ({ inputs }) => assertArtifact(inputs),
    put: async (call: PutCall<TaskInputs>) => putService(home, { ...(await programService(home, call)), process: call.inputs.task, restart: { when: 'never' } }),
    inputsOf: liveInputs,
    outputsOf,
  })
  return defineKind({
    ...common,
    kind: 'local/process-task',
    inputs: taskInputs,
    fields: { immutable: [...immutable, 'task'], writeOnly: ['env'], ignored: ['logShare'] },
    settleTimeoutMs: 3_600_000,
    ...handlers,
    settle: (call) => settleTask(home, call),
  })
}

/** The operation is the offset in its log: how far it has been told. */
async function settleTask(home: Home, { id, inputs, operation, log }: SettleCall<TaskInputs>): Promise<Settled<z.output<typeof outputs>>> {
  const service = await readService<StoredProgram>(home, id)
  if (!service) return serviceGone(id)
  // First whether it has ended, so that no line comes between the last look at its log and its end.
  const status = serviceStatus(home, id)
  const hasEnded = status?.state === 'exited' || status?.state === 'failed'
  let offset = Number(operation ?? 0)
  for (;;) {
    const { lines, next } = await readServiceLines(service, offset)
    for (const text of lines) log(text)
    offset = next
    if (lines.length === 0) break
  }
  if (!hasEnded) return { status: 'pending', retryAfterMs: 150, message: `running ${inputs.command.join(' ')}`, operation: String(offset) }
  if (status.state === 'exited' && status.problem === undefined) return { status: 'ready', outputs: outputsOf(service) }
  const { code, signal, outOfMemory } = status.lastExit ?? { code: null, signal: null }
  const exit = { ...(code === null ? {} : { code }), ...(signal === null ? {} : { signal }), ...(outOfMemory ? { outOfMemory } : {}), ...(status.problem === undefined ? {} : { error: status.problem }) }
  const error = taskEnded({ title: taskTitle(inputs), exit, log: tailOf(service.logFile) })
  return { status: 'failed', reason: error.message, error }
}

const outputsOf = ({ name }: StoredProgram): z.output<typeof outputs> => ({ service: name })
const liveInputs = ({ app, cwd, args, memoryBytes }: StoredProgram) => ({ app, folder: cwd, command: [...args], memoryBytes })
