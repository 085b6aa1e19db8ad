import { isPilotError, PilotError } from '../errors/pilot-error.ts'
import { createRecorded, type Recorded } from '../graph/recorded.ts'
import { acquireLease } from '../store/lease.ts'
import type { Fence, RetiredGenerations, ScopeName, ScopeStore, State, UnansweredCreation } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'
import { refuseForeignManager, throwIfCancelled } from './session.ts'

/**
 * The recorded state itself, for when something went wrong with it. What a crash left in the journal is written as a version of
 * its own before the change, so that it is neither replayed over the change nor lost. Changes records only, never a resource.
 */
export interface StateChange {
  readonly scope: ScopeName
  /** Of the state, as written. */
  readonly version: number
}

/**
 * Makes an earlier version the newest; also when the newest one cannot be read. What came after that version counts as made by
 * us all the same: the next operation takes over what it wants, and a destroy removes the rest, or shows it where only the version
 * that cannot be read knew of it. Throws NOT_FOUND, and
 * STATE_CORRUPT when that version itself is damaged.
 */
export const restoreState = (context: LifecycleContext, { scope, version }: { readonly scope: ScopeName; readonly version: number }): Promise<StateChange> =>
  changeState(context, { scope, what: 'state restore', mayBeDamaged: true }, async (known, store) => {
    const wanted = await store.readStateVersion(version)
    return { resources: wanted.resources, retired: stillUsed(wanted, known), unanswered: mayBeThere(wanted, known) }
  })

/**
 * Forgets every generation of a key: it lives on without Pilot, or was deleted by hand. No later generation takes its name, and
 * no sweep deletes it. Throws NOT_FOUND.
 */
export const forgetResource = (context: LifecycleContext, { scope, key }: { readonly scope: ScopeName; readonly key: string }): Promise<StateChange> =>
  changeState(context, { scope, what: 'state forget', mayBeDamaged: false }, async ({ resources, retired, unanswered = [] }) => {
    const forgotten = resources.filter((resource) => resource.key === key)
    if (forgotten.length === 0) {
      const keys = [...new Set(resources.map((resource) => resource.key))]
      throw new PilotError('NOT_FOUND', `The state of ${scope} holds no resource ${key}`, { reason: `It holds ${keys.join(', ') || 'nothing'}.` })
    }
    const { [key]: used = 0, ...generations } = retired?.generations ?? {}
    const floor = Math.max(retired?.floor ?? 0, used, ...forgotten.map(({ generation }) => generation))
    return { resources: resources.filter((resource) => resource.key !== key), retired: { floor, generations }, unanswered: unanswered.filter((creation) => creation.key !== key) }
  })

/** What is known of a scope without owning it: the newest state, and what a crash left in the journal. Throws STATE_CORRUPT. */
export async function readRecordedState(scope: ScopeStore): Promise<State | undefined> {
  const state = await scope.readState()
  const recorded = await withJournal(scope, state)
  return recorded.isChanged() ? recorded.toState({ at: new Date().toISOString(), managedBy: state?.managedBy }) : state
}

type Change = Required<Pick<State, 'resources' | 'retired' | 'unanswered'>>

async function changeState(context: LifecycleContext, { scope: name, what, mayBeDamaged }: { scope: ScopeName; what: string; mayBeDamaged: boolean }, change: (known: State, scope: ScopeStore) => Promise<Change>): Promise<StateChange> {
  throwIfCancelled(context.signal)
  const scope = context.store.scope(name)
  await using lease = await acquireLease({ store: scope, title: `${what} of ${name} by ${context.by}`, waitMs: context.waitForLeaseMs ?? 0, signal: context.signal })
  const { state, newest } = mayBeDamaged ? await newestReadable(scope) : await newestState(scope)
  refuseForeignManager(context, { scope: name, managedBy: state?.managedBy })
  const recorded = await withJournal(scope, state, lease.fence)
  const known = recorded.toState({ at: new Date().toISOString(), managedBy: state?.managedBy ?? context.managedBy })
  const changed = await change(known, scope)
  let version = newest
  if (recorded.isChanged()) await scope.writeState({ ...known, version: ++version }, lease.fence)
  await scope.writeState({ ...known, version: ++version, ...changed }, lease.fence)
  await scope.truncateJournal(lease.fence)
  return { scope: name, version }
}

interface Newest {
  readonly state: State | undefined
  /** Of the newest version, readable or not; 0 when there is none. */
  readonly newest: number
}

async function newestState(scope: ScopeStore): Promise<Newest> {
  const state = await scope.readState()
  return { state, newest: state?.version ?? 0 }
}

async function newestReadable(scope: ScopeStore): Promise<Newest> {
  const versions = await scope.stateHistory()
  const newest = versions[0]?.version ?? 0
  for (const { version } of versions) {
    try {
      return { state: await scope.readStateVersion(version), newest }
    } catch (error) {
      if (!isPilotError(error) || error.code !== 'STATE_CORRUPT') throw error
    }
  }
  return { state: undefined, newest }
}

async function withJournal(scope: ScopeStore, state: State | undefined, fence?: Fence): Promise<Recorded> {
  const recorded = createRecorded(state, fence === undefined ? 0 : fence.token - 1)
  for (const entry of await scope.readJournal()) recorded.apply(entry)
  return recorded
}

/** What was made after that version carries our marks, and no other record says that it is ours. */
function mayBeThere({ resources }: State, known: State): readonly UnansweredCreation[] {
  const lost = known.resources.filter(({ key, generation }) => !resources.some((kept) => kept.key === key && kept.generation === generation))
  return [...(known.unanswered ?? []), ...lost.map(({ key, kind, generation }) => ({ key, kind, generation, calls: 1 }))]
}

/** A generation is never used twice, also by those who no longer know of it. */
function stillUsed({ resources, retired }: State, known: State): RetiredGenerations {
  const highest = new Map<string, number>()
  for (const { key, generation } of resources) highest.set(key, Math.max(generation, highest.get(key) ?? 0))
  const generations = new Map<string, number>()
  const lost = known.resources.filter(({ key, generation }) => generation > (highest.get(key) ?? 0)).map(({ key, generation }) => [key, generation] as const)
  for (const [key, generation] of [...Object.entries(retired?.generations ?? {}), ...Object.entries(known.retired?.generations ?? {}), ...lost]) generations.set(key, Math.max(generation, generations.get(key) ?? 0))
  return { floor: Math.max(retired?.floor ?? 0, known.retired?.floor ?? 0), generations: Object.fromEntries(generations) }
}
