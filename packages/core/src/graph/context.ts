import type { Emit } from '../events/event.ts'
import type { ResourceState, State } from '../store/store.ts'
import type { Recorded } from './recorded.ts'
import type { CallContext } from './calls.ts'
import type { Kinds } from './graph.ts'
import type { Journal } from './journal.ts'

/** What finding out needs. `quietSince`: since when (monotonic) the process before this one can have sent nothing more. */
export interface FindContext extends CallContext {
  readonly recorded: Recorded
  readonly journal: Journal
  readonly kinds: Kinds
  readonly quietSince: number
  /** How long a request that has left may be on its way. */
  readonly lateArrivalMs: number
}

/** What all parts of one engine share. */
export interface EngineContext extends FindContext {
  readonly emit: Emit
  readonly width: number
  /** When the last apply ended well: everything recorded was as it should be. */
  readonly looked: { at: number | undefined }
}

/** Outputs of everything that is ready, by key. */
export function readyOutputs(recorded: Recorded): ReadonlyMap<string, ResourceState['outputs']> {
  const ready = recorded.all().filter((resource) => resource.status === 'ready' && recorded.current(resource.key) === resource)
  return new Map(ready.map(({ key, outputs }) => [key, outputs]))
}

/** As the store would give it, with what is not written yet. */
export function recordedState({ recorded, clock }: Pick<EngineContext, 'recorded' | 'clock'>): State | undefined {
  if (recorded.version() === 0) return undefined
  return { ...recorded.toState({ at: clock.date().toISOString(), managedBy: undefined }), version: recorded.version() }
}
