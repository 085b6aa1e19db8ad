import type { AnyKind } from '../provider/kind.ts'
import type { ResourceState } from '../store/store.ts'
import { refuseUnapproved, throwFailures, writeDown } from './apply.ts'
import { throwIfStopped } from './calls.ts'
import type { EngineContext } from './context.ts'
import { execute } from './execute.ts'
import { outputContext } from './live.ts'
import { holdsData, planGraph, type Plan } from './plan.ts'
import { sweep, type Foreign } from './sweep.ts'
import { settleUnknown } from './unknown.ts'

export interface DestroyOptions {
  /** What stays, and with it everything that it depends on. */
  readonly keep?: (resource: ResourceState) => boolean
  /** Keys whose data may go: typed by a person. */
  readonly confirmProtected?: readonly string[]
}

export interface DestroyScopeResult {
  /** Keys; strays that the sweep found as `key (id)`. */
  readonly deleted: readonly string[]
  readonly kept: readonly ResourceState[]
  /** Carries our marks, but is not ours to delete: printed for a person. Retained backups among it. */
  readonly foreign: readonly Foreign[]
}

/** Throws PROTECTED before anything is deleted, BLOCKED naming the blocker, KIND_UNKNOWN. */
export async function destroyScope(context: EngineContext, { keep = () => false, confirmProtected = [] }: DestroyOptions): Promise<DestroyScopeResult> {
  throwIfStopped(context.signal)
  const { recorded, kinds } = context
  await settleUnknown(context, { wanted: new Map(), projection: outputContext(recorded, () => '') })
  const kept = withDependencies(recorded.all().filter((resource) => resource.status !== 'deposed' && keep(resource)), recorded.all())
  const going = recorded.all().filter((resource) => !kept.includes(resource))
  const view = { ...recorded, all: () => going }
  const plan: Plan = planGraph({ desired: [], recorded: view, live: new Map(), kinds, secretHash: () => '' })
  refuseUnapproved(plan, { isApproved: true, allowReplace: true, confirmProtected })

  const mayDelete = (key: string, kind: AnyKind) =>
    !kept.some((resource) => resource.key === key) && (confirmProtected.includes(key) || !going.some((resource) => resource.key === key ? holdsData(resource, kinds) : false)) && (kind.protect !== true || confirmProtected.includes(key) || going.some((resource) => resource.key === key))
  const before = await sweep(context, { kept, mayDelete, patient: false })
  const result = await execute({ ...context, graph: { order: [], resources: new Map(), dependencies: new Map() }, live: new Map(), secretHash: () => '' }, plan)
  await writeDown(context.journal, result)
  throwFailures(context, result)
  const after = await sweep(context, { kept, mayDelete, patient: true })
  await writeDown(context.journal, result)
  const strays = [...before.deleted, ...after.deleted].map(({ key, id }) => `${key} (${id})`)
  return { deleted: [...new Set(plan.steps.map(({ key }) => key)), ...strays], kept, foreign: after.foreign }
}

function withDependencies(roots: readonly ResourceState[], all: readonly ResourceState[]): readonly ResourceState[] {
  const kept = new Set<ResourceState>()
  const pending = [...roots]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (kept.has(next)) continue
    kept.add(next)
    pending.push(...all.filter(({ key, status }) => status !== 'deposed' && next!.dependsOn.includes(key)))
  }
  return [...kept]
}
