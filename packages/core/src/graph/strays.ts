import { isPilotError, PilotError } from '../errors/pilot-error.ts'
import type { AnyKind, Listed } from '../provider/kind.ts'
import type { ResourceState, UnansweredCreation } from '../store/store.ts'
import { callHandler, listKind } from './calls.ts'
import type { FindContext } from './context.ts'
import { isCreationOf } from './identity.ts'
import { readOne, recordedInputs } from './live.ts'
import type { Recorded } from './recorded.ts'
import { isRefusal, pauses } from './retry.ts'
import { assertInTime } from './settle.ts'

/**
 * A *stray* carries our marks and is not recorded. It is ours only if some creation under those marks had no answer: marks can be
 * copied, by a person or by a provider, and what carries a copy belongs to somebody else.
 */

type Owner = Pick<ResourceState, 'key' | 'generation'>

/**
 * Looks for what creations without an answer have made: a call of a dead or frozen owner may have arrived after we looked for it.
 * What answers to a recorded resource is a duplicate of it; what answers to a generation that was given up goes too, unless it is
 * wanted (`adoptExisting`).
 */
export async function settleStrays(context: FindContext): Promise<void> {
  const creations = context.recorded.unanswered().filter(({ key, kind, generation }) => context.kinds.has(kind) && context.recorded.get(key, generation)?.id !== '')
  await Promise.all(
    [...Map.groupBy(creations, ({ kind }) => kind)].map(async ([name, owners]) => {
      const kind = context.kinds.get(name)!
      const listed = await listKind(context, kind)
      for (const owner of owners) await settleStraysOf(context, { kind, owner, matches: listed.filter((each) => isCreationOf(context, each, owner)) })
    }),
  )
}

async function settleStraysOf(context: FindContext, { kind, owner, matches }: { kind: AnyKind; owner: UnansweredCreation; matches: readonly Listed[] }): Promise<void> {
  const known = context.recorded.get(owner.key, owner.generation)
  const resource = known ?? strayOf(kind, owner)
  const others = matches.filter(({ id }) => id !== known?.id)
  // The list may lag: the recorded one counts although it is not shown, and a stray may be gone already.
  const strays = (await Promise.all(others.map(async (stray) => ((await readOne(context, { kind, resource: { ...resource, id: stray.id }, recorded: context.recorded })) === undefined ? [] : [stray])))).flat()
  if (strays.length === 0) return
  const own = known === undefined ? [] : [matches.find(({ id }) => id === known.id) ?? { id: known.id, title: known.id, owner: {} }]
  await removeStrays(context, { kind, resource, all: [...own, ...strays], strays })
}

/** Deletes those that nothing refers to and that are empty, as far as the provider knows. Throws DUPLICATE, naming `all`, for one that is not. */
export async function removeStrays(context: FindContext, { kind, resource, all, strays }: { kind: AnyKind; resource: ResourceState; all: readonly Listed[]; strays: readonly Listed[] }): Promise<void> {
  // What was given up before anybody knew its id holds nothing.
  const holdsData = resource.id !== '' && (kind.protect === true || resource.protect === true)
  for (const stray of strays) {
    if (stray.inUse === true || holdsData || isReferredTo(context.recorded, stray.id)) throw duplicate(kind, resource, all)
    await deleteStray(context, { kind, id: stray.id, owner: resource, patient: false }).catch((error: unknown) => {
      throw isRefusal(error) ? duplicate(kind, resource, all, error) : error
    })
  }
}

/** Deletes it and waits until it is gone. Throws BLOCKED, at once or, when `patient`, after a while. */
export async function deleteStray(context: FindContext, { kind, id, owner: { key, generation }, patient }: { kind: AnyKind; id: string; owner: Owner; patient: boolean }): Promise<void> {
  const resource = { ...(context.recorded.get(key, generation) ?? strayOf(kind, { key, generation })), id }
  const started = context.clock.monotonicMs()
  const pause = pauses(context.policy)
  let earlier: { readonly operation?: string } = {}
  for (;;) {
    try {
      const { operation, again } = await callHandler(context, { kind, resource, what: 'deletion of a duplicate', mutates: true, isRepeatable: true }, (call) => kind.delete({ ...call, ...earlier, id, recorded: recordedInputs(resource, context.recorded) }))
      if (again === undefined) break
      assertInTime(context, { kind, resource, started })
      await context.clock.sleep(again.afterMs, { signal: context.signal })
      earlier = operation === undefined ? earlier : { operation }
    } catch (error) {
      const isBlocked = isPilotError(error) && error.code === 'BLOCKED'
      if (!isBlocked || !patient || context.clock.monotonicMs() - started > context.policy.blockedMs) throw error
      await context.clock.sleep(pause(), { signal: context.signal })
    }
  }
  const wait = pauses({ firstPauseMs: 20, longestPauseMs: 5_000 })
  while ((await readOne(context, { kind, resource, recorded: context.recorded })) !== undefined) {
    assertInTime(context, { kind, resource, started })
    await context.clock.sleep(wait(), { signal: context.signal })
  }
  await context.journal.append({ type: 'stray', key, generation, id })
}

export function strayOf(kind: AnyKind, { key, generation }: Owner, id = ''): ResourceState {
  return { key, generation, kind: kind.kind, kindVersion: kind.version, id, inputs: {}, outputs: {}, dependsOn: [], status: 'deposed', createdAt: '' }
}

export function duplicate(kind: AnyKind, resource: Pick<ResourceState, 'key'>, matches: readonly Listed[], cause?: unknown): PilotError {
  const names = matches.map(({ id, title }) => (title === id ? id : `${id} (${title})`))
  return new PilotError('DUPLICATE', `${matches.length} resources answer to ${resource.key} (${kind.kind}): ${names.join(', ')}`, { details: { key: resource.key, kind: kind.kind, ids: matches.map(({ id }) => id) }, ...(cause === undefined ? {} : { cause }) })
}

function isReferredTo(recorded: Recorded, id: string): boolean {
  const text = JSON.stringify(id)
  return recorded.all().some((resource) => JSON.stringify([resource.inputs, resource.outputs]).includes(text))
}
