import { PilotError } from '../errors/pilot-error.ts'
import type { AnyKind, Listed } from '../provider/kind.ts'
import type { Resource } from '../provider/graph.ts'
import type { ResourceState } from '../store/store.ts'
import { callHandler, listKind, type CallContext } from './calls.ts'
import { diffResource, takenOver } from './diff.ts'
import { resourceName } from './identity.ts'
import type { Kinds } from './graph.ts'
import type { Journal } from './journal.ts'
import { readOne, recordedInputs } from './live.ts'
import { isRefusal, pauses } from './retry.ts'
import type { Recorded } from './recorded.ts'
import type { ProjectionContext } from './resolve.ts'

/** What finding out needs. `quietSince`: since when (monotonic) the process before this one can have sent nothing more. */
export interface FindContext extends CallContext {
  readonly recorded: Recorded
  readonly journal: Journal
  readonly kinds: Kinds
  readonly quietSince: number
  /** How long a request that has left may be on its way. */
  readonly lateArrivalMs: number
}

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
      await context.journal.append(found === undefined ? { type: 'failed', ...facts, reason: 'nothing was found', certain: true } : { type: 'accepted', ...facts, id: found.id })
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

/** By its marks; where the provider has room for a name only, by the hash in the name. */
export function isCreationOf(context: Pick<CallContext, 'platformId' | 'scope'>, { owner, id, title, retained }: Listed, { key, generation }: Pick<ResourceState, 'key' | 'generation'>): boolean {
  if (retained === true) return false
  if (owner.scope !== undefined && owner.scope !== context.scope) return false
  if (owner.key !== undefined && owner.generation !== undefined) return owner.key === key && owner.generation === generation
  const name = resourceName({ platformId: context.platformId, scope: context.scope, key, generation })
  return id.includes(name) || title.includes(name)
}

/**
 * Several answer to one identity. The recorded one is kept, else the first by id that is in use. The others go only if the
 * intent is in our journal (the caller says so by having a resource), the kind holds no data, nothing recorded refers to them
 * and the provider says that they are empty; else DUPLICATE.
 */
async function keepOne(context: FindContext, { kind, resource, matches }: { kind: AnyKind; resource: ResourceState; matches: readonly Listed[] }): Promise<Listed> {
  const sorted = matches.toSorted((a, b) => Number(b.id === resource.id) - Number(a.id === resource.id) || Number(b.inUse ?? false) - Number(a.inUse ?? false) || (a.id < b.id ? -1 : 1))
  const [kept, ...others] = sorted as [Listed, ...Listed[]]
  for (const other of others) {
    if (other.inUse === true || kind.protect === true || resource.protect === true || isReferredTo(context.recorded, other.id)) throw duplicate(kind, resource, sorted)
    await deleteDuplicate(context, { kind, resource, other }).catch((error: unknown) => {
      throw isRefusal(error) ? duplicate(kind, resource, sorted, error) : error
    })
  }
  return kept
}

function deleteDuplicate(context: FindContext, { kind, resource, other }: { kind: AnyKind; resource: ResourceState; other: Listed }): Promise<unknown> {
  return callHandler(context, { kind, resource, what: 'deletion of a duplicate', mutates: true, isRepeatable: true }, (call) => kind.delete({ ...call, id: other.id, recorded: recordedInputs(resource, context.recorded) }))
}

export function duplicate(kind: AnyKind, resource: Pick<ResourceState, 'key'>, matches: readonly Listed[], cause?: unknown): PilotError {
  const names = matches.map(({ id, title }) => (title === id ? id : `${id} (${title})`))
  return new PilotError('DUPLICATE', `${matches.length} resources answer to ${resource.key} (${kind.kind}): ${names.join(', ')}`, { details: { key: resource.key, kind: kind.kind, ids: matches.map(({ id }) => id) }, ...(cause === undefined ? {} : { cause }) })
}

function isReferredTo(recorded: Recorded, id: string): boolean {
  const text = JSON.stringify(id)
  return recorded.all().some((resource) => JSON.stringify([resource.inputs, resource.outputs]).includes(text))
}

/**
 * Looks by marks at the kinds that can be made twice: a call of a dead owner may have arrived after we looked for it. What
 * answers to the identity of a recorded resource is a duplicate of it.
 */
export async function settleDuplicates(context: FindContext): Promise<void> {
  const recorded = context.recorded.all().filter(({ id, kind, status }) => id !== '' && status !== 'deposed' && context.kinds.get(kind)?.identity === 'search')
  await Promise.all(
    [...Map.groupBy(recorded, ({ kind }) => kind)].map(async ([name, resources]) => {
      const kind = context.kinds.get(name)!
      const listed = await listKind(context, kind)
      for (const resource of resources) {
        const matches = listed.filter((each) => isCreationOf(context, each, resource))
        const strays = matches.filter(({ id }) => id !== resource.id)
        if (strays.length === 0) continue
        // The list may lag: the recorded one counts although it is not shown, and a stray may be gone already.
        const own = matches.find(({ id }) => id === resource.id) ?? { id: resource.id, title: resource.id, owner: {} }
        const there = await Promise.all(strays.map(async (stray) => ((await readOne(context, { kind, resource: { ...resource, id: stray.id }, recorded: context.recorded })) === undefined ? [] : [stray])))
        await keepOne(context, { kind, resource, matches: [own, ...there.flat()] })
      }
    }),
  )
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
    const ours = (lists.get(desired.kind) ?? []).filter(({ owner, retained }) => retained !== true && owner.platformId === context.platformId && owner.scope === context.scope && owner.key === desired.key && owner.generation !== undefined)
    const unrecorded = ours.filter(({ owner }) => context.recorded.get(desired.key, owner.generation!) === undefined)
    const generation = Math.max(0, ...unrecorded.map(({ owner }) => owner.generation!))
    const newest = unrecorded.filter(({ owner }) => owner.generation === generation)
    if (newest.length === 0 || generation < context.recorded.nextGeneration(desired.key) - 1) continue
    if (newest.length > 1) throw duplicate(kind, desired, newest)
    await adopt(context, { kind, desired, listed: newest[0]!, generation })
  }
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
