import { isPilotError } from '../errors/pilot-error.ts'
import type { AnyKind, Listed } from '../provider/kind.ts'
import type { ResourceState } from '../store/store.ts'
import { callHandler, listKind } from './calls.ts'
import { isCreationOf, type FindContext } from './unknown.ts'
import { readOne, recordedInputs } from './live.ts'
import { assertInTime } from './settle.ts'
import { pauses } from './retry.ts'

/** What carries our marks in this scope (of the platform's: in any scope) and is not deleted by Pilot: someone has to look at it. */
export interface Foreign extends Listed {
  readonly kind: string
  readonly reason: string
}

export interface SweepResult {
  readonly deleted: readonly { readonly kind: string; readonly id: string; readonly key: string }[]
  readonly foreign: readonly Foreign[]
}

/**
 * Asks every kind what carries the marks of this scope, and deletes what is of this scope, is not `kept` and whose (kind, key, generation) is
 * in state or journal: duplicates and late arrivals. Everything else is returned, retained backups among it.
 */
export async function sweep(context: FindContext, { kept, mayDelete, patient }: { kept: readonly ResourceState[]; mayDelete: (key: string, kind: AnyKind) => boolean; /** Wait for what blocks; else leave it for later. */ patient: boolean }): Promise<SweepResult> {
  const deleted: { kind: string; id: string; key: string }[] = []
  const foreign: Foreign[] = []
  const keptIds = new Set(kept.map(({ kind, id }) => `${kind} ${id}`))
  const recordedIds = new Set(context.recorded.all().map(({ kind, id }) => `${kind} ${id}`))
  for (const kind of context.kinds.values()) {
    for (const listed of await listKind(context, kind)) {
      if (!isLookedFor(context, listed) || keptIds.has(`${kind.kind} ${listed.id}`)) continue
      if (!patient && recordedIds.has(`${kind.kind} ${listed.id}`)) continue
      const elsewhere = listed.owner.scope !== undefined && listed.owner.scope !== context.scope ? listed.owner.scope : undefined
      const owner = elsewhere === undefined ? ownerOf(context, listed, kind) : undefined
      const reason = listed.retained === true ? 'kept on purpose' : elsewhere !== undefined ? `it belongs to ${elsewhere}` : owner === undefined ? 'Pilot has no record of having made it' : mayDelete(owner.key, kind) ? undefined : 'it may hold data'
      if (owner === undefined || reason !== undefined) {
        if (patient && (await isThere(context, kind, listed, owner))) foreign.push({ ...listed, kind: kind.kind, reason: reason! })
        continue
      }
      if (await deleteStray(context, { kind, listed, owner, patient })) deleted.push({ kind: kind.kind, id: listed.id, key: owner.key })
    }
  }
  return { deleted, foreign }
}

type Owner = Pick<ResourceState, 'key' | 'generation'>

/** The platform goes last: its sweep looks for what is left in any scope, children without a scope of their own among it. */
function isLookedFor({ platformId, scope }: FindContext, { owner }: Listed): boolean {
  if (owner.platformId !== undefined && owner.platformId !== platformId) return false
  return scope === 'platform' || owner.scope === scope
}

function ownerOf(context: FindContext, listed: Listed, kind: AnyKind): Owner | undefined {
  const { key, generation } = listed.owner
  if (key !== undefined && generation !== undefined) return context.recorded.isOurs({ key, generation }) ? { key, generation } : undefined
  return context.recorded.all().find((resource) => resource.kind === kind.kind && isCreationOf(context, listed, resource))
}

/** A list may still show what was deleted a moment ago. */
async function isThere(context: FindContext, kind: AnyKind, { id }: Listed, owner: Owner | undefined): Promise<boolean> {
  if (kind.consistencyMs === 0) return true
  return (await readOne(context, { kind, resource: stray(kind, id, owner ?? { key: 'foreign', generation: 1 }), recorded: context.recorded })) !== undefined
}

async function deleteStray(context: FindContext, { kind, listed, owner, patient }: { kind: AnyKind; listed: Listed; owner: Owner; patient: boolean }): Promise<boolean> {
  const resource = context.recorded.get(owner.key, owner.generation) ?? stray(kind, listed.id, owner)
  const target = { ...resource, id: listed.id }
  if (kind.consistencyMs > 0 && (await readOne(context, { kind, resource: target, recorded: context.recorded })) === undefined) return false
  const started = context.clock.monotonicMs()
  const pause = pauses(context.policy)
  let earlier: { readonly operation?: string } = {}
  for (;;) {
    try {
      const { operation, again } = await callHandler(context, { kind, resource: owner, what: 'deletion', mutates: true, isRepeatable: true }, (call) => kind.delete({ ...call, ...earlier, id: listed.id, recorded: recordedInputs(resource, context.recorded) }))
      if (again === undefined) break
      assertInTime(context, { kind, resource: target, started })
      await context.clock.sleep(again.afterMs, { signal: context.signal })
      earlier = operation === undefined ? earlier : { operation }
    } catch (error) {
      if (!isPilotError(error) || error.code !== 'BLOCKED') throw error
      if (!patient) return false
      if (context.clock.monotonicMs() - started > context.policy.blockedMs) throw error
      await context.clock.sleep(pause(), { signal: context.signal })
    }
  }
  const wait = pauses({ firstPauseMs: 20, longestPauseMs: 5_000 })
  while ((await readOne(context, { kind, resource: target, recorded: context.recorded })) !== undefined) await context.clock.sleep(wait(), { signal: context.signal })
  return true
}

function stray(kind: AnyKind, id: string, { key, generation }: Owner): ResourceState {
  return { key, generation, kind: kind.kind, kindVersion: kind.version, id, inputs: {}, outputs: {}, dependsOn: [], status: 'deposed', createdAt: '' }
}
