import { join } from 'node:path'
import { defineKind, type AnyKind, type CreateCall, type SettleCall, type Settled, type Ownership } from '@pilot/core'
import { putService, readJson, serviceStatus, tailOf, type Home, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { isTaskKey, isWorkerKey } from '../compute/keys.ts'
import { readServiceLines } from '../compute/process-logs.ts'
import { steadyMs, taskEnded, workerEnded } from '../health/ended.ts'
import { assertOurs } from '../ownership.ts'
import { taskTitle } from './docker-command.ts'
import { listMarked, readOwner } from './marks.ts'
import type { StoredInstance } from './process.ts'
import { assertArtifact, exitOf, programInputs, programService, removeProgram, type StoredProgram } from './service-parts.ts'
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
  const put = async ({ name, owner, inputs }: Pick<CreateCall<WorkerInputs>, 'name' | 'owner' | 'inputs'>): Promise<void> => {
    const spec: ServiceSpec & StoredInstance = { ...(await programService(home, { name, owner, inputs })), deployment: inputs.deployment, process: inputs.process }
    await putService(home, spec)
  }
  return defineKind({
    ...common,
    kind: 'local/process-worker',
    inputs: workerInputs,
    fields: { immutable: [...immutable, 'process'], writeOnly: ['env'] },
    create: (call) => createProgram(home, call, () => put(call)),

    async settle({ id, inputs, elapsedMs }) {
      const service = await stored<StoredInstance>(home, id)
      if (!service) return gone(id)
      const status = serviceStatus(home, id)
      const exit = exitOf(status, elapsedMs)
      if (!exit) {
        const ranMs = status?.state === 'running' ? Date.now() - Date.parse(status.since) : 0
        return ranMs >= steadyMs ? { status: 'ready', outputs: { service: id } } : { status: 'pending', retryAfterMs: Math.max(20, Math.min(250, steadyMs - ranMs)) }
      }
      const error = workerEnded({ title: `${inputs.app.project}/${inputs.app.app}, process ${inputs.process} (deployment ${inputs.deployment})`, exit, elapsedMs, log: tailOf(service.logFile) })
      return { status: 'failed', reason: error.message, error }
    },
    async read({ id }) {
      const service = await stored<StoredInstance>(home, id)
      if (!service) return undefined
      const state = serviceStatus(home, id)?.state
      const isRunning = state !== undefined && state !== 'exited' && state !== 'failed'
      // A value that the schema does not know is how a reading says "not running".
      return { inputs: { ...liveInputs(service), deployment: service.deployment, process: service.process!, running: isRunning as true }, outputs: { service: id } }
    },
    list: ({ platformId }) => listPrograms(home, platformId, isWorkerKey),
    async update(call) {
      await call.checkpoint()
      await put({ ...call, name: call.id })
      return {}
    },
    delete: (call) => deleteProgram(home, call),
  })
}

/** One command that runs once to its end, as a service that is not started again. */
export function processTaskKind(home: Home): AnyKind {
  return defineKind({
    ...common,
    kind: 'local/process-task',
    inputs: taskInputs,
    fields: { immutable: [...immutable, 'task'], writeOnly: ['env'] },
    settleTimeoutMs: 3_600_000,
    create: (call) => createProgram(home, call, async () => void (await putService(home, { ...(await programService(home, call)), restart: { when: 'never' } }))),
    settle: (call) => settleTask(home, call),
    async read({ id }) {
      const service = await stored(home, id)
      return service && { inputs: liveInputs(service), outputs: { service: id } }
    },
    list: ({ platformId }) => listPrograms(home, platformId, isTaskKey),
    delete: (call) => deleteProgram(home, call),
  })
}

/** The operation is the offset in its log: how far it has been told. */
async function settleTask(home: Home, { id, inputs, operation, log }: SettleCall<TaskInputs>): Promise<Settled<z.output<typeof outputs>>> {
  const service = await stored(home, id)
  if (!service) return gone(id)
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
  if (status.state === 'exited' && status.problem === undefined) return { status: 'ready', outputs: { service: id } }
  const { code, signal } = status.lastExit ?? { code: null, signal: null }
  const exit = { ...(code === null ? {} : { code }), ...(signal === null ? {} : { signal }), ...(status.problem === undefined ? {} : { error: status.problem }) }
  const error = taskEnded({ title: taskTitle(inputs), exit, log: tailOf(service.logFile) })
  return { status: 'failed', reason: error.message, error }
}

async function createProgram(home: Home, { name, owner, inputs, checkpoint }: CreateCall<WorkerInputs | TaskInputs>, put: () => Promise<void>): Promise<{ id: string }> {
  const found = await readOwner(pathOf(home, name))
  if (found) assertOurs({ found, owner, title: `The service ${name}` })
  await assertArtifact(inputs)
  await checkpoint()
  await put()
  return { id: name }
}

async function listPrograms(home: Home, platformId: string, isOurs: (key: string | undefined) => boolean) {
  const listed = await listMarked({ folder: home.paths.services, platformId, title: (id) => `process ${id}` })
  return listed.filter(({ owner }) => isOurs(owner.key))
}

async function deleteProgram(home: Home, { id, owner, checkpoint }: { id: string; owner: Ownership; checkpoint(): Promise<void> }): Promise<object> {
  await checkpoint()
  await removeProgram(home, { id, platformId: owner.platformId, service: await stored<StoredInstance>(home, id) })
  return {}
}

const pathOf = (home: Home, id: string): string => join(home.paths.services, `${id}.json`)
const stored = <T extends StoredProgram = StoredProgram>(home: Home, id: string): Promise<T | undefined> => readJson<T>(pathOf(home, id))
const liveInputs = ({ app, cwd, args, memoryBytes }: StoredProgram) => ({ app, folder: cwd, command: [...args], memoryBytes })
const gone = (id: string) => ({ status: 'failed', reason: `The service ${id} is gone` }) as const
