import { isPilotError } from '../errors/pilot-error.ts'
import type { AnyKind, Listed } from '../provider/kind.ts'
import type { ResourceState } from '../store/store.ts'
import { listKind } from './calls.ts'
import type { FindContext } from './context.ts'
import { isCreationOf } from './identity.ts'
import { readOne } from './live.ts'
import { deleteStray, strayOf } from './strays.ts'

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
 * Asks every kind what carries the marks of this scope, and deletes what is of this scope, is not `kept` and was
 * made by a creation that had no answer: duplicates and late arrivals. Everything else is returned, retained backups among it.
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
      if (!(await isThere(context, kind, listed, owner))) continue
      const isGone = await deleteStray(context, { kind, id: listed.id, owner, patient }).then(() => true, (error: unknown) => {
        if (!patient && isPilotError(error) && error.code === 'BLOCKED') return false
        throw error
      })
      if (isGone) deleted.push({ kind: kind.kind, id: listed.id, key: owner.key })
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
  const recorded = context.recorded.all().filter((resource) => resource.kind === kind.kind)
  const known = recorded.find(({ id }) => id === listed.id) ?? recorded.find((resource) => isCreationOf(context, listed, resource) && context.recorded.mayHaveMade(resource))
  if (known !== undefined || key === undefined || generation === undefined) return known
  const isOurs = listed.isChild === true ? context.recorded.isOurs({ key, generation }) : context.recorded.mayHaveMade({ key, generation })
  return isOurs ? { key, generation } : undefined
}

/** A list may still show what was deleted a moment ago. */
async function isThere(context: FindContext, kind: AnyKind, { id, retained }: Listed, owner: Owner | undefined): Promise<boolean> {
  // What is kept on purpose is often of another nature than the resource, and cannot be read as one.
  if (kind.consistencyMs === 0 || retained === true) return true
  return (await readOne(context, { kind, resource: strayOf(kind, owner ?? { key: 'foreign', generation: 1 }, id), recorded: context.recorded })) !== undefined
}
