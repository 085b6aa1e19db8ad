import type { AnyKind, Listed } from '../provider/kind.ts'
import type { Resource } from '../provider/graph.ts'
import type { ResourceState } from '../store/store.ts'
import { listKind } from './calls.ts'
import type { FindContext } from './context.ts'
import { diffResource, takenOver } from './diff.ts'
import { isCreationOf } from './identity.ts'
import { pauses } from './retry.ts'
import type { ProjectionContext } from './resolve.ts'
import { duplicate, removeStrays } from './strays.ts'

/**
 * Finds out about every create call that has no result:
 *
 * - still wanted with the same inputs, and the provider tells two equal calls by name or token: left `unknown`, since
 *   apply repeats the same call, which is safe and certain;
 * - otherwise `list` is asked until it would show what was created. Found: its id is recorded. Not found: it does not exist.
 */
export async function settleUnknown(context: FindContext, { wanted, projection }: { wanted: ReadonlyMap<string, Resource>; projection: ProjectionContext }): Promise<void> {
  const unknown = context.recorded.all().filter(({ id, status }) => id === '' && status !== 'tainted')
  await Promise.all(
    unknown.map(async (resource) => {
      const kind = context.kinds.get(resource.kind)
      if (kind === undefined) return
      const desired = wanted.get(resource.key)
      const isSame = desired !== undefined && desired.kind === resource.kind && context.recorded.current(resource.key) === resource && diffResource({ desired, recorded: resource, live: undefined, kind, context: projection }).changes.length === 0
      if (isSame && kind.identity !== 'search') return
      const found = await findCreated(context, { kind, resource, quietSince: context.quietSince })
      const facts = { key: resource.key, generation: resource.generation, action: 'create' as const }
      await context.journal.append(found === undefined ? { type: 'failed', ...facts, reason: 'nothing was found', certain: true, mayArrive: true } : { type: 'accepted', ...facts, id: found.id })
    }),
  )
}

/** Asks `list` until `consistencyMs` has passed since the last call that could have been sent. Removes duplicates where that is safe. */
export async function findCreated(context: FindContext, { kind, resource, quietSince }: { kind: AnyKind; resource: ResourceState; quietSince: number }): Promise<Listed | undefined> {
  const deadline = quietSince + kind.consistencyMs + context.lateArrivalMs
  const pause = pauses({ firstPauseMs: 25, longestPauseMs: 2_000 })
  for (;;) {
    const isLast = context.clock.monotonicMs() >= deadline
    const matches = (await listKind(context, kind)).filter((listed) => isCreationOf(context, listed, resource))
    if (matches.length > 0) return keepOne(context, { kind, resource, matches })
    if (isLast) return undefined
    await context.clock.sleep(Math.min(pause(), Math.max(1, deadline - context.clock.monotonicMs())), { signal: context.signal })
  }
}

/**
 * Several answer to one identity. The recorded one is kept, else the first by id that is in use. The others go only if the
 * intent is in our journal (the caller says so by having a resource), the kind holds no data, nothing recorded refers to them
 * and the provider says that they are empty; else DUPLICATE.
 */
async function keepOne(context: FindContext, { kind, resource, matches }: { kind: AnyKind; resource: ResourceState; matches: readonly Listed[] }): Promise<Listed> {
  const sorted = matches.toSorted((a, b) => Number(b.id === resource.id) - Number(a.id === resource.id) || Number(b.inUse ?? false) - Number(a.inUse ?? false) || (a.id < b.id ? -1 : 1))
  const [kept, ...others] = sorted as [Listed, ...Listed[]]
  await removeStrays(context, { kind, resource, all: sorted, strays: others })
  return kept
}

/**
 * Wanted resources that nothing is recorded of, but that exist with our marks: the state was lost, or a call arrived late.
 * They are recorded, so that the plan compares them instead of making a second one. Only where platform, scope and key match.
 */
export async function adoptExisting(context: FindContext, { wanted }: { wanted: ReadonlyMap<string, Resource> }): Promise<void> {
  const missing = [...wanted.values()].filter(({ key }) => context.recorded.current(key) === undefined)
  const lists = new Map<string, readonly Listed[]>()
  await Promise.all(
    [...new Set(missing.map(({ kind }) => kind))].map(async (name) => {
      const kind = context.kinds.get(name)
      if (kind !== undefined) lists.set(name, await listKind(context, kind))
    }),
  )
  for (const desired of missing) {
    const kind = context.kinds.get(desired.kind)
    if (kind === undefined) continue
    const ours = (lists.get(desired.kind) ?? []).filter((listed) => mayBeOurs(context, { desired, listed }))
    const generation = Math.max(0, ...ours.map(({ owner }) => owner.generation!))
    const newest = ours.filter(({ owner }) => owner.generation === generation)
    if (newest.length === 0) continue
    if (newest.length > 1) throw duplicate(kind, desired, newest)
    await adopt(context, { kind, desired, listed: newest[0]!, generation })
  }
}

/**
 * Made by a life of this scope that nothing is recorded of, or by a call that had no answer. Else its marks are a copy of those of
 * something that is gone.
 */
function mayBeOurs({ recorded, platformId, scope }: FindContext, { desired: { key }, listed: { owner, retained } }: { desired: Resource; listed: Listed }): boolean {
  const { generation } = owner
  if (retained === true || owner.platformId !== platformId || owner.scope !== scope || owner.key !== key || generation === undefined) return false
  return generation >= recorded.nextGeneration(key) || (recorded.get(key, generation) === undefined && recorded.mayHaveMade({ key, generation }))
}

/** Fields that cannot be read back are unknown: those that can be changed are set again, the others are taken as they are. */
async function adopt({ journal }: FindContext, { kind, desired, listed, generation }: { kind: AnyKind; desired: Resource; listed: Listed; generation: number }): Promise<void> {
  const immutable = (kind.fields?.immutable ?? []) as readonly string[]
  const inputs = kind.update === undefined ? desired.inputs : Object.fromEntries(Object.entries(desired.inputs).filter(([field]) => immutable.includes(field)))
  const fingerprints = Object.fromEntries(Object.keys(inputs).map((field) => [field, takenOver]))
  void journal.append({
    type: 'intent',
    action: 'create',
    resource: { key: desired.key, kind: desired.kind, kindVersion: kind.version, generation, inputs, fingerprints, dependsOn: desired.dependsOn ?? [], ...(desired.protect === undefined ? {} : { protect: desired.protect }) },
  })
  await journal.append({ type: 'accepted', key: desired.key, generation, action: 'create', id: listed.id, adopted: true })
}
