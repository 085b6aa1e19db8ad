import type { AnyKind, Cost, Exposure } from '../provider/kind.ts'
import type { Graph, Resource } from '../provider/graph.ts'
import type { SecretRef } from '../provider/value.ts'
import type { ResourceState } from '../store/store.ts'
import { digest, isEqual } from './canonical.ts'
import { diffResource, projectFields, shown, type Change, type Live } from './diff.ts'
import { orderGraph, unknownKind, type Kinds, type OrderedGraph } from './graph.ts'
import { slot, type Recorded } from './recorded.ts'
import type { ProjectionContext } from './resolve.ts'

/** What apply would do, in an order that it could be done in. Plain JSON. */
export interface Plan {
  /** Of the state that it was made from; 0 when there is none. */
  readonly stateVersion: number
  /** Over everything that is approved by approving it: actions, changes, edges, desired inputs, cost and exposure. */
  readonly hash: string
  /** Digest of what is wanted, whatever exists of it: keys, kinds, inputs and edges. */
  readonly desired: string
  readonly steps: readonly PlanStep[]
}

export interface PlanStep {
  readonly key: string
  readonly kind: string
  readonly action: 'create' | 'update' | 'replace' | 'delete' | 'keep'
  /** For people, one line. */
  readonly reason: string
  /** Secrets are '(secret changed)', what depends on others '(known after apply)'. */
  readonly changes: readonly Change[]
  /** Per month, of what will be there; of a delete: what is saved. */
  readonly cost: Cost
  readonly exposure: readonly Exposure[]
  /** Of what will be there; of a delete: of what goes. */
  readonly generation: number
  readonly dependsOn: readonly string[]
  /** Older generations that go when this step is done (or before, where the slot is exclusive). */
  readonly removes?: readonly number[]
  /** Holds data: replacing or deleting it needs its key in `confirmProtected`. */
  readonly protected?: boolean
}

export interface PlanInput {
  readonly desired: Graph | OrderedGraph
  readonly recorded: Pick<Recorded, 'all' | 'generations' | 'current' | 'get' | 'nextGeneration' | 'version'>
  /** By `slot(resource)`; a resource that is not in it was not looked at and counts as recorded. */
  readonly live: ReadonlyMap<string, Live | 'absent'>
  readonly kinds: Kinds
  /** The keyed hash of a secret's value. */
  readonly secretHash: (secret: SecretRef) => string
}

/** Pure: equal inputs give equal plans. Throws INTERNAL for a graph that is wrong, KIND_UNKNOWN where it would touch such a resource. */
export function planGraph(input: PlanInput): Plan {
  const { recorded, kinds } = input
  const graph = 'order' in input.desired ? input.desired : orderGraph(input.desired, kinds)
  const planned = new Map<string, PlanStep>()
  const context = planContext(input, planned)
  for (const resource of graph.order) planned.set(resource.key, planResource({ ...input, graph, resource, context }))
  const deletes = recorded.all().filter(({ key }) => !graph.resources.has(key))
  const steps = [...planned.values(), ...deletes.map((resource) => planDelete(resource, kinds)).reverse()]
  const approved = steps.map(({ key, kind, action, changes, dependsOn, cost, exposure }) => ({ key, kind, action, changes, dependsOn, cost, exposure }))
  const inputs = graph.order.map(({ key, inputs }) => [key, inputs])
  const desired = digest(graph.order.map(({ key, kind, inputs }) => ({ key, kind, inputs, dependsOn: graph.dependencies.get(key) })))
  return { stateVersion: recorded.version(), hash: digest({ stateVersion: recorded.version(), approved, inputs }), desired, steps }
}

/** What references resolve to while planning: outputs of what stays; nothing of what is yet to be made. */
function planContext({ recorded, live, secretHash }: PlanInput, planned: ReadonlyMap<string, PlanStep>): ProjectionContext {
  return {
    secretHash,
    output(key, name) {
      const step = planned.get(key)
      if (step === undefined || step.action === 'create' || step.action === 'replace') return undefined
      const resource = recorded.get(key, step.generation)
      const reading = live.get(slot(step))
      const outputs = reading !== undefined && reading !== 'absent' ? reading.outputs : resource?.outputs
      return outputs !== undefined && name in outputs ? { value: outputs[name] } : undefined
    },
  }
}

function planResource({ resource, recorded, live, kinds, graph, context }: PlanInput & { graph: OrderedGraph; resource: Resource; context: ProjectionContext }): PlanStep {
  const kind = kinds.get(resource.kind)!
  const current = recorded.current(resource.key)
  const others = recorded.generations(resource.key).filter(({ generation }) => generation !== current?.generation)
  const reading = current === undefined ? undefined : live.get(slot(current))
  const next = recorded.nextGeneration(resource.key)
  const step = (action: PlanStep['action'], reason: string, { changes = [], generation, gone = others }: { changes?: readonly Change[]; generation: number; gone?: readonly ResourceState[] }): PlanStep => {
    for (const old of gone) if (!kinds.has(old.kind)) throw unknownKind(old.kind, old.key)
    const isProtected = action === 'replace' && gone.some((old) => holdsData(old, kinds))
    return {
      key: resource.key,
      kind: resource.kind,
      action,
      reason,
      changes,
      ...costAndExposure(kind, resource, context),
      generation,
      dependsOn: graph.dependencies.get(resource.key)!,
      ...(gone.length > 0 ? { removes: gone.map((old) => old.generation) } : {}),
      ...(isProtected ? { protected: true } : {}),
    }
  }

  if (current === undefined) {
    const failed = others.find(({ status }) => status === 'tainted')
    if (failed !== undefined) return step('replace', 'its creation failed', { generation: next })
    if (others.length > 0) return step('replace', 'the one before is still being deleted', { generation: next })
    return step('create', 'does not exist yet', { generation: next })
  }
  if (!kinds.has(current.kind)) throw unknownKind(current.kind, current.key)
  if (current.kind !== resource.kind) return step('replace', `was a ${current.kind}`, { generation: next, gone: [...others, current] })
  if (reading === 'absent') return step('create', `${current.id} no longer exists`, { generation: next })

  const { changes, replaces } = diffResource({ desired: resource, recorded: current, live: reading, kind, context })
  if (current.status === 'unknown') {
    // Settled before planning: it does not exist as far as anybody can see, and repeating the same call is safe.
    if (changes.length === 0) return step('create', 'an earlier attempt had no answer: the same call is repeated', { generation: current.generation })
    return step('create', 'an earlier attempt had no answer, and its inputs changed', { changes, generation: next, gone: [...others, current] })
  }
  if (replaces.length > 0) return step('replace', replaceReason(kind, replaces), { changes, generation: next, gone: [...others, current] })
  if (changes.length > 0) return step('update', `${changes.map(({ field }) => field).join(', ')} ${changes.length === 1 ? 'differs' : 'differ'}`, { changes, generation: current.generation })
  if (current.adopted === true) return step('keep', `${current.id} exists with our marks: taken over`, { generation: current.generation })
  if (current.status === 'created' && current.readyAt === undefined) return step('create', 'its creation was accepted before: waits until it is ready', { generation: current.generation })
  if (current.status === 'created' || current.unsettled !== undefined) return step('update', 'an earlier update did not finish', { generation: current.generation })
  return step('keep', 'unchanged', { generation: current.generation })
}

function planDelete(resource: ResourceState, kinds: Kinds): PlanStep {
  const kind = kinds.get(resource.kind)
  if (kind === undefined) throw unknownKind(resource.kind, resource.key)
  return {
    key: resource.key,
    kind: resource.kind,
    action: 'delete',
    reason: deleteReason(resource),
    changes: [],
    cost: costOf(kind, shown(resource.inputs)),
    exposure: [],
    generation: resource.generation,
    dependsOn: resource.dependsOn,
    ...(holdsData(resource, kinds) ? { protected: true } : {}),
  }
}

/** Protected, and was ready once: what never was holds nothing. */
export function holdsData(resource: ResourceState, kinds: Kinds): boolean {
  return resource.readyAt !== undefined && (resource.protect ?? kinds.get(resource.kind)?.protect ?? false)
}

/** What two plans of one graph differ in, for PLAN_STALE. */
export function planDifferences(approved: Plan, now: Plan): readonly string[] {
  const before = new Map(approved.steps.map((step) => [slotOf(step), step]))
  const after = new Map(now.steps.map((step) => [slotOf(step), step]))
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((each) => {
    const was = before.get(each)
    const is = after.get(each)
    if (was === undefined || is === undefined) return [`${(was ?? is)!.key}: ${was?.action ?? 'nothing'} → ${is?.action ?? 'nothing'}`]
    if (was.action !== is.action) return [`${is.key}: ${was.action} → ${is.action} (${is.reason})`]
    return isEqual(was.changes, is.changes) ? [] : [`${is.key}: other changes (${is.reason})`]
  })
}

const slotOf = ({ key, action, generation }: PlanStep) => (action === 'delete' ? `${key}#${generation}` : key)

function replaceReason(kind: AnyKind, fields: readonly string[]): string {
  return kind.update === undefined ? `${fields.join(', ')} changed, and a ${kind.kind} cannot be changed in place` : `${fields.join(', ')} cannot be changed in place`
}

function deleteReason({ status }: ResourceState): string {
  if (status === 'tainted') return 'its creation failed, and it is no longer wanted'
  return status === 'deposed' ? 'its deletion did not finish' : 'no longer wanted'
}

function costAndExposure(kind: AnyKind, resource: Resource, context: ProjectionContext): Pick<PlanStep, 'cost' | 'exposure'> {
  const sketch = Object.fromEntries([...projectFields(resource.inputs, context)].map(([field, { value }]) => [field, shown(value)]))
  const parsed = kind.inputs.safeParse(sketch)
  const inputs = parsed.success ? parsed.data : sketch
  return { cost: costOf(kind, inputs), exposure: attempt(() => kind.exposure(inputs)) ?? [] }
}

function costOf(kind: AnyKind, inputs: unknown): Cost {
  return attempt(() => kind.cost(inputs)) ?? { unpriced: 'depends on values that are known after apply' }
}

/** Cost and exposure are functions of complete inputs; a sketch with unknown values in it may be too little for them. */
function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch {
    return undefined
  }
}
