import type { ResourceState } from '../store/store.ts'
import { topologicalOrder, type Kinds } from './graph.ts'
import type { PlanStep } from './plan.ts'
import { slot } from './recorded.ts'

/**
 * The smallest steps of a plan and what each waits for. `bring` makes one desired resource what it should be; `remove`
 * deletes one recorded generation.
 */
export type Operation = { readonly id: string; readonly key: string; readonly after: readonly string[] } & (
  | { readonly type: 'bring'; readonly step: PlanStep }
  | { readonly type: 'remove'; readonly resource: ResourceState; readonly step: PlanStep }
)

/**
 * - A resource is brought after what it depends on.
 * - A generation is removed after everything that was recorded as depending on it is removed or has moved away.
 * - A replaced generation goes after its successor is there, or before, where the slot holds one at a time. Then what was
 *   recorded as depending on it and is replaced too also goes first.
 */
export function operationsOf({ steps, all, kinds }: { steps: readonly PlanStep[]; all: readonly ResourceState[]; kinds: Kinds }): readonly Operation[] {
  const bySlot = new Map(all.map((resource) => [slot(resource), resource]))
  const brought = new Map(steps.filter(({ action }) => action !== 'delete').map((step) => [step.key, step]))
  const removed = new Map<string, { resource: ResourceState; step: PlanStep }>()
  for (const step of steps) {
    const generations = step.action === 'delete' ? [step.generation] : (step.removes ?? [])
    for (const generation of generations) {
      const resource = bySlot.get(slot({ key: step.key, generation }))
      if (resource !== undefined) removed.set(slot(resource), { resource, step })
    }
  }
  const recordedDependents = new Map<string, ResourceState[]>()
  for (const resource of all) for (const key of resource.dependsOn) append(recordedDependents, key, resource)
  const desiredDependents = new Map<string, string[]>()
  for (const step of brought.values()) for (const key of step.dependsOn) append(desiredDependents, key, step.key)
  const goesFirst = deleteFirst({ removed, brought, kinds, recordedDependents })

  const operations: Operation[] = []
  for (const step of brought.values()) {
    const own = (step.removes ?? []).map((generation) => slot({ key: step.key, generation })).filter((each) => removed.has(each))
    const after = [...step.dependsOn.map(bringId), ...(goesFirst.has(step.key) ? own.map(removeId) : [])]
    operations.push({ type: 'bring', id: bringId(step.key), key: step.key, step, after })
  }
  for (const [id, { resource, step }] of removed) {
    const after = new Set<string>()
    for (const dependent of recordedDependents.get(resource.key) ?? []) {
      if (dependent.key === resource.key) continue
      if (removed.has(slot(dependent))) after.add(removeId(slot(dependent)))
      else if (brought.has(dependent.key) && !goesFirst.has(resource.key)) after.add(bringId(dependent.key))
    }
    if (brought.has(resource.key) && !goesFirst.has(resource.key)) {
      after.add(bringId(resource.key))
      for (const dependent of desiredDependents.get(resource.key) ?? []) after.add(bringId(dependent))
    }
    operations.push({ type: 'remove', id: removeId(id), key: resource.key, resource, step, after: [...after] })
  }
  const byId = new Map(operations.map((operation) => [operation.id, operation]))
  return topologicalOrder([...byId.keys()], (id) => byId.get(id)!.after).map((id) => byId.get(id)!)
}

/** Keys whose old generation goes before the new one comes. */
function deleteFirst({ removed, brought, kinds, recordedDependents }: { removed: ReadonlyMap<string, { resource: ResourceState }>; brought: ReadonlyMap<string, PlanStep>; kinds: Kinds; recordedDependents: ReadonlyMap<string, readonly ResourceState[]> }): ReadonlySet<string> {
  const keys = new Set<string>()
  const pending: string[] = []
  const add = (key: string) => {
    if (keys.has(key)) return
    keys.add(key)
    pending.push(key)
  }
  for (const { resource } of removed.values()) {
    const step = brought.get(resource.key)
    if (step !== undefined && (kinds.get(resource.kind)?.exclusive === true || kinds.get(step.kind)?.exclusive === true)) add(resource.key)
  }
  for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
    for (const dependent of recordedDependents.get(key) ?? []) if (removed.has(slot(dependent)) && brought.has(dependent.key)) add(dependent.key)
  }
  return keys
}

const bringId = (key: string) => `bring ${key}`
const removeId = (each: string) => `remove ${each}`

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
