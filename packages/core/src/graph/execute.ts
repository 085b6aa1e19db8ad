import { PilotError, isPilotError, toPilotError } from '../errors/pilot-error.ts'
import type { Emit, ResourceAction } from '../events/event.ts'
import type { Resource } from '../provider/graph.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { SecretRef } from '../provider/value.ts'
import type { IntentResource, ResourceState } from '../store/store.ts'
import { callHandler, isWithoutEffect } from './calls.ts'
import { isEqual } from './canonical.ts'
import type { FindContext } from './context.ts'
import { diffResource, fingerprints, type Difference, type Live } from './diff.ts'
import type { OrderedGraph } from './graph.ts'
import type { Journal, JournalFact } from './journal.ts'
import { outputContext, recordedInputs } from './live.ts'
import { operationsOf, type Operation } from './operations.ts'
import type { Plan, PlanStep } from './plan.ts'
import { slot } from './recorded.ts'
import { resolveValue, type Outputs } from './resolve.ts'
import { isFatal, pauses } from './retry.ts'
import { schedule, type Park } from './schedule.ts'
import { assertInTime, parseOutputs, rest, settle, settleDelete, SettleFailure } from './settle.ts'
import { findCreated } from './unknown.ts'

export interface ExecuteContext extends FindContext {
  readonly graph: OrderedGraph
  readonly live: ReadonlyMap<string, Live | 'absent'>
  readonly secretHash: (secret: SecretRef) => string
  readonly emit: Emit
  readonly width: number
}

export interface ExecuteResult {
  readonly failures: readonly { readonly key: string; readonly error: PilotError }[]
  /** Not begun: something that they depend on failed, or the operation was stopped. */
  readonly skipped: readonly string[]
  /** A resource turned out to need a replacement that the plan did not foresee: nothing more was begun. */
  readonly surprise?: { readonly key: string; readonly reason: string }
}

/** Does what the plan says, as wide as dependencies allow. Never throws for a resource: failures are in the result. */
export async function execute(context: ExecuteContext, plan: Plan): Promise<ExecuteResult> {
  const operations = operationsOf({ steps: plan.steps, all: context.recorded.all(), kinds: context.kinds })
  const numbers = new Map(operations.filter((operation) => operation.type === 'remove' || operation.step.action !== 'keep').map(({ id }, index, all) => [id, { n: index + 1, of: all.length }]))
  let surprise: Surprise | undefined
  let isFatallyBroken = false

  const over = new AbortController()
  void saveNowAndThen(context, over.signal)
  const outcome = await schedule({
    tasks: operations,
    // Wider than the gate: while calls fill it, the intents of the next ones become durable, also on a disk that takes its time.
    parallel: context.width * 5,
    mayStart: () => !context.signal.aborted && surprise === undefined && !isFatallyBroken,
    run: async (operation, park) => {
      const report = reporter(context, operation, numbers.get(operation.id))
      try {
        if (operation.type === 'bring') await bring({ context, step: operation.step, park, report })
        else await remove({ context, resource: operation.resource, park, report })
        report('done')
      } catch (thrown) {
        const error = thrown instanceof SettleFailure ? thrown.failure : thrown
        if (error instanceof Surprise) surprise ??= error
        else if (isFatal(error)) isFatallyBroken = true
        report('failed', toPilotError(error).message)
        throw error
      }
    },
  }).finally(() => over.abort())
  const keys = new Map(operations.map(({ id, key }) => [id, key]))
  return {
    failures: outcome.failed.filter(({ error }) => !(error instanceof Surprise)).map(({ id, error }) => ({ key: keys.get(id)!, error: toPilotError(error) })),
    skipped: [...new Set(outcome.skipped.map((id) => keys.get(id)!))],
    ...(surprise === undefined ? {} : { surprise: { key: surprise.key, reason: surprise.message } }),
  }
}

/** The journal is the truth; a newer state in between is for those who look on, and for histories of long operations. */
async function saveNowAndThen({ clock, journal }: ExecuteContext, signal: AbortSignal): Promise<void> {
  for (;;) {
    await clock.sleep(saveEveryMs, { signal, background: true }).catch(() => {})
    if (signal.aborted) return
    await journal.writeState().catch(() => {})
  }
}

const saveEveryMs = 30_000

type Report = (status: 'started' | 'waiting' | 'done' | 'failed', message?: string) => void

interface Bring {
  readonly context: ExecuteContext
  readonly step: PlanStep
  readonly park: Park
  readonly report: Report
}

async function bring(call: Bring): Promise<void> {
  const { context, step } = call
  const desired = context.graph.resources.get(step.key)!
  const kind = context.kinds.get(step.kind)!
  forgetAbsent(context, step)
  const known = context.recorded.get(step.key, step.generation)
  if (known === undefined || known.id === '') {
    call.report('started')
    return create({ ...call, desired, kind })
  }
  const reading = context.live.get(slot(known))
  const difference = diffResource({ desired, recorded: known, live: reading === 'absent' ? undefined : reading, kind, context: outputContext(context.recorded, context.secretHash) })
  if (difference.replaces.length > 0) throw new Surprise(step.key, `${difference.replaces.join(', ')} of ${step.key} cannot be changed in place`)
  if (difference.changes.length > 0) {
    call.report('started')
    return update({ ...call, desired, kind, difference })
  }
  if (known.status === 'ready' && known.unsettled === undefined) return keep({ ...call, desired, kind, known, reading })
  call.report('started')
  const { inputs, opened } = await handlerInputs(context, { desired, kind })
  await finish({ ...call, desired, kind, inputs, opened, action: known.readyAt === undefined ? 'create' : 'update', since: Date.parse(known.createdAt) })
  refreshKept({ context, step, desired, kind })
}

/** What was found to be gone is forgotten before its successor is made. */
function forgetAbsent({ recorded, live, journal }: ExecuteContext, { key, generation }: PlanStep): void {
  const current = recorded.current(key)
  if (current === undefined || current.generation === generation || live.get(slot(current)) !== 'absent') return
  note(journal, { type: 'deleted', key, generation: current.generation })
}

interface Work extends Bring {
  readonly desired: Resource
  readonly kind: AnyKind
}

async function create({ context, step, park, report, desired, kind }: Work): Promise<void> {
  const { journal } = context
  const { inputs, opened } = await handlerInputs(context, { desired, kind })
  const resource = intentResource(context, { desired, kind, generation: step.generation })
  const intend = () => journal.append({ type: 'intent', action: 'create', resource, ...(kind.identity === 'search' ? { isSearched: true as const } : {}) })
  await intend()
  const facts = { key: step.key, generation: step.generation, action: 'create' as const }
  try {
    const { id, operation } = await createOnce(context, { kind, resource, inputs, opened, intend })
    note(journal, { type: 'accepted', ...facts, id, ...(operation === undefined ? {} : { operation }) })
    await finish({ context, step, park, report, desired, kind, inputs, opened, action: 'create', since: context.clock.date().getTime() })
  } catch (error) {
    const known = context.recorded.get(step.key, step.generation)
    if (known !== undefined && known.id === '' && !isFatal(error)) await journal.append({ type: 'failed', ...facts, reason: toPilotError(error).message, certain: isWithoutEffect(error) })
    throw error
  }
}

/** By name or token the same call is repeated after a broken connection; by search the provider is asked first. */
async function createOnce(context: ExecuteContext, { kind, resource, inputs, opened, intend }: { kind: AnyKind; resource: IntentResource; inputs: unknown; opened: ReadonlySet<string>; intend: () => Promise<void> }): Promise<{ readonly id: string; readonly operation?: string }> {
  const isRepeatable = kind.identity !== 'search'
  const send = () => callHandler(context, { kind, resource, what: 'creation', mutates: true, isRepeatable, opened }, (call) => kind.create({ ...call, inputs }))
  try {
    return await send()
  } catch (error) {
    if (isRepeatable || isPilotError(error)) throw error
    const known = context.recorded.get(resource.key, resource.generation)!
    const found = await findCreated(context, { kind, resource: known, quietSince: context.clock.monotonicMs() })
    if (found !== undefined) return { id: found.id }
    await intend()
    return send()
  }
}

async function update({ context, step, park, report, desired, kind, difference }: Work & { difference: Difference }): Promise<void> {
  const { journal, recorded } = context
  const known = recorded.get(step.key, step.generation)!
  const before = recordedInputs(known, recorded)
  const { inputs, opened } = await handlerInputs(context, { desired, kind })
  const changed = difference.changes.map(({ field }) => field)
  const resource = { ...intentResource(context, { desired, kind, generation: step.generation }), id: known.id }
  await journal.append({ type: 'intent', action: 'update', resource, changed })
  const facts = { key: step.key, generation: step.generation, action: 'update' as const }
  let accepted
  try {
    accepted = await callHandler(context, { kind, resource, what: 'update', mutates: true, isRepeatable: false, opened }, (call) => kind.update!({ ...call, id: known.id, inputs, recorded: before, changed }))
  } catch (error) {
    if (!isFatal(error)) await journal.append({ type: 'failed', ...facts, reason: toPilotError(error).message, certain: isWithoutEffect(error) })
    throw error
  }
  note(journal, { type: 'accepted', ...facts, id: known.id, ...(accepted.operation === undefined ? {} : { operation: accepted.operation }) })
  await finish({ context, step, park, report, desired, kind, inputs, opened, action: 'update', since: context.clock.date().getTime() })
}

/** Settles and journals the outputs. */
async function finish({ context, step, park, report, kind, inputs, opened, action, since }: Work & { inputs: unknown; opened: ReadonlySet<string>; action: 'create' | 'update'; since: number }): Promise<void> {
  const resource = context.recorded.get(step.key, step.generation)!
  const facts = { key: step.key, generation: step.generation, action }
  try {
    const outputs = await settle(context, { kind, resource, inputs, opened, since, park, waiting: (message) => report('waiting', message) })
    note(context.journal, { type: 'settled', ...facts, outputs })
  } catch (error) {
    if (error instanceof SettleFailure) await context.journal.append({ type: 'failed', ...facts, reason: error.failure.message, certain: true })
    throw error
  }
}

function keep({ context, step, desired, kind, known, reading }: Work & { known: ResourceState; reading: Live | 'absent' | undefined }): void {
  if (reading !== undefined && reading !== 'absent') {
    const outputs = parseOutputs(kind, known, reading.outputs)
    if (!isEqual(outputs, known.outputs)) context.recorded.refresh(step.key, step.generation, { outputs })
  }
  refreshKept({ context, step, desired, kind })
}

/** Edges, protection and the form of the inputs may have changed although nothing in the cloud has to. */
function refreshKept({ context, step, desired, kind }: Pick<Work, 'context' | 'step' | 'desired' | 'kind'>): void {
  const known = context.recorded.get(step.key, step.generation)!
  const { key: _, kind: __, generation: ___, ...facts } = intentResource(context, { desired, kind, generation: step.generation })
  const { inputs, fingerprints: prints, dependsOn, protect, kindVersion } = known
  if (!isEqual(facts, { inputs, fingerprints: prints, dependsOn, protect, kindVersion })) context.recorded.refresh(step.key, step.generation, { protect: undefined, fingerprints: undefined, ...facts } as Partial<ResourceState>)
}

interface Remove {
  readonly context: ExecuteContext
  readonly resource: ResourceState
  readonly park: Park
  readonly report: Report
}

async function remove({ context, resource: { key, generation }, park, report }: Remove): Promise<void> {
  const { journal, recorded, clock, policy } = context
  const resource = recorded.get(key, generation)
  if (resource === undefined) return
  const kind = context.kinds.get(resource.kind)!
  if (resource.id === '') return journal.append({ type: 'deleted', key, generation })
  report('started')
  const { kindVersion, inputs, dependsOn, id } = resource
  await journal.append({ type: 'intent', action: 'delete', resource: { key, kind: resource.kind, kindVersion, generation, inputs, dependsOn, id } })
  const facts = { key, generation, action: 'delete' as const }
  const started = clock.monotonicMs()
  const pause = pauses(policy)
  let earlier: { readonly operation?: string } = {}
  const neverReady = resource.readyAt === undefined && resource.adopted === undefined ? { neverReady: true as const } : {}
  for (;;) {
    try {
      const { operation, again } = await callHandler(context, { kind, resource, what: 'deletion', mutates: true, isRepeatable: true }, (call) => kind.delete({ ...call, ...earlier, ...neverReady, id, recorded: recordedInputs(resource, recorded) }))
      const accepted = journal.append({ type: 'accepted', ...facts, id, ...(operation === undefined ? {} : { operation }) })
      if (again !== undefined) {
        await accepted
        assertInTime(context, { kind, resource, started })
        report('waiting', again.message)
        await rest(context, park, again.afterMs)
        earlier = operation === undefined ? earlier : { operation }
        continue
      }
      await Promise.all([accepted, settleDelete(context, { kind, resource, recorded, park, waiting: (message) => report('waiting', message) })])
      break
    } catch (error) {
      const isBlocked = isPilotError(error) && error.code === 'BLOCKED'
      if (isBlocked && clock.monotonicMs() - started < policy.blockedMs && !context.signal.aborted) {
        report('waiting', error.message)
        await rest(context, park, pause())
        continue
      }
      const known = recorded.get(key, generation)
      if (known !== undefined && !isFatal(error)) await journal.append({ type: 'failed', ...facts, reason: toPilotError(error).message, certain: isWithoutEffect(error) })
      throw error
    }
  }
  note(journal, { type: 'deleted', key, generation })
}

/**
 * A result, whose durability is not waited for: nothing else is sent before an intent of its own is durable, and that comes
 * after it in the journal. What a crash loses is found again. A write that failed is told by the next one.
 */
function note(journal: Journal, fact: JournalFact): void {
  journal.append(fact).catch(() => {})
}

/** The inputs with references and secrets resolved: in memory only, for the length of the calls. */
async function handlerInputs({ recorded, secrets }: ExecuteContext, { desired, kind }: { desired: Resource; kind: AnyKind }): Promise<{ inputs: unknown; opened: ReadonlySet<string> }> {
  const opened = new Set<string>()
  const outputs: Outputs = { get: (key: string) => recorded.current(key)?.outputs } as Outputs
  const resolved = await resolveValue(desired.inputs, outputs, secrets, (secret) => void opened.add(secret))
  const parsed = kind.inputs.safeParse(resolved)
  if (parsed.success) return { inputs: parsed.data, opened }
  const issue = parsed.error.issues[0]
  throw new PilotError('INTERNAL', `The inputs of ${desired.key} do not fit ${kind.kind}`, { reason: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`, suggestion: 'This is a mistake in the blueprint of a provider; please report it there.' })
}

function intentResource({ graph, recorded, secretHash }: ExecuteContext, { desired, kind, generation }: { desired: Resource; kind: AnyKind; generation: number }): IntentResource {
  const prints = fingerprints(desired.inputs, outputContext(recorded, secretHash))
  return {
    key: desired.key,
    kind: desired.kind,
    kindVersion: kind.version,
    generation,
    inputs: desired.inputs,
    ...(prints === undefined ? {} : { fingerprints: prints }),
    dependsOn: graph.dependencies.get(desired.key)!,
    ...(desired.protect === undefined ? {} : { protect: desired.protect }),
  }
}

function reporter({ emit, clock }: ExecuteContext, operation: Operation, number: { n: number; of: number } | undefined): Report {
  const { key, step } = operation
  const action: ResourceAction = operation.type === 'remove' ? 'delete' : step.action
  const kind = operation.type === 'remove' ? operation.resource.kind : step.kind
  const started = clock.monotonicMs()
  let isBegun = false
  let told: string | undefined
  return (status, message) => {
    isBegun ||= status === 'started' || status === 'failed'
    // A resource is asked many times whether it is ready: what it answers is told when it is news.
    const isNews = `${status} ${message ?? ''}` !== told
    if (!isBegun || !isNews) return
    told = `${status} ${message ?? ''}`
    const ms = status === 'done' || status === 'failed' ? { ms: Math.round(clock.monotonicMs() - started) } : {}
    emit({ type: 'resource', key, kind, action, status, ...ms, ...(message === undefined ? {} : { message }), ...number })
  }
}

class Surprise extends Error {
  readonly key: string
  constructor(key: string, reason: string) {
    super(reason)
    this.key = key
  }
}
