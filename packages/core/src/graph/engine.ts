import { PilotError } from '../errors/pilot-error.ts'
import type { Emit } from '../events/event.ts'
import type { Graph } from '../provider/graph.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import { systemClock, type Clock } from '../store/clock.ts'
import type { Fence, ScopeStore, State } from '../store/store.ts'
import { applyGraph, type ApplyOptions, type ApplyResult } from './apply.ts'
import { readyOutputs, recordedState, type EngineContext } from './context.ts'
import { destroyScope, type DestroyOptions, type DestroyScopeResult } from './destroy.ts'
import { kindsByName, type Kinds } from './graph.ts'
import { identityCache } from './identity.ts'
import { createJournal, type Journal } from './journal.ts'
import type { Plan } from './plan.ts'
import { preparePlan } from './prepare.ts'
import { recover } from './recover.ts'
import type { Recorded } from './recorded.ts'
import { defaultRetryPolicy, type RetryPolicy } from './retry.ts'
import { createGate, shared } from './schedule.ts'

/**
 * Glossary: a *step* of a plan says what happens to one resource; an *operation* is one of its halves (bring, remove); a
 * *call* is one request to a kind's handler; a *fact* is one journal entry; *recorded* is state plus journal.
 */
export interface EngineOptions {
  readonly kinds: readonly AnyKind[]
  readonly scope: ScopeStore
  /** Held by the caller for as long as it uses the engine. */
  readonly lease: EngineLease
  readonly platformId: string
  readonly secrets: SecretStore
  /** Gets events of type `resource`. */
  readonly emit?: Emit
  /** Lines that handlers log, secrets redacted. */
  readonly log?: (line: string) => void
  /** Fires on cancel, or with LEASE_LOST as its reason. */
  readonly signal?: AbortSignal
  /** How many calls to the provider may be under way at once; default 10. */
  readonly width?: number
  readonly clock?: Clock
  /** Stands in the state; a scope that another one manages is refused with MANAGED_BY_SERVER. */
  readonly managedBy?: string
  readonly retry?: Partial<RetryPolicy>
  /** How long a request that has left may be on its way, milliseconds; default 1 000. Waited for only after a crash. */
  readonly lateArrivalMs?: number
  /** How long calls under way may go on after a cancel, milliseconds; default 5 000. */
  readonly cancelGraceMs?: number
}

export interface EngineLease {
  readonly fence: Fence
  checkpoint(): Promise<void>
}

export interface Engine {
  /**
   * Brings the store up to date with what the journal says, so that `readState` of the scope tells the truth after a crash.
   * Calls nothing but the store.
   */
  recover(): Promise<State | undefined>
  /** What is recorded at this moment, from memory. Another owner's state is read from the store. */
  state(): Promise<State | undefined>
  /**
   * What apply would do. Looks at the cloud unless `refresh` is false; finds out about calls that a crash left without a
   * result, and takes over what exists with our marks. Creates, changes and deletes nothing but certain duplicates.
   */
  plan(desired: Graph, options?: { readonly refresh?: boolean }): Promise<Plan>
  /**
   * Makes the scope what `desired` says: what is not in it goes. When it throws, what was done is recorded and kept, and the
   * next apply goes on from there. Throws the error of the first resource that failed, the others in `details.failures`.
   */
  apply(desired: Graph, options?: ApplyOptions): Promise<ApplyResult>
  /** Deletes what is recorded, in reverse of the recorded edges, and sweeps by marks. May be called again after an error. */
  destroy(options?: DestroyOptions): Promise<DestroyScopeResult>
  /** Recorded outputs of everything that is ready. Calls nothing but the store. */
  outputs(): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>>
  /** The same engine under another signal: to clean up after a cancel. */
  withSignal(signal: AbortSignal): Engine
}

export function createEngine(options: EngineOptions): Engine {
  const { scope, lease, platformId, secrets, emit = () => {}, log = () => {}, width = 10, clock = systemClock, managedBy, retry = {}, lateArrivalMs = 1_000, cancelGraceMs = 5_000 } = options
  const kinds: Kinds = kindsByName(options.kinds)
  const gate = createGate(width)
  const checkpoint = shared(() => lease.checkpoint())
  const identity = identityCache({ platformId, scope: scope.name })
  const quietSince = clock.monotonicMs()
  const looked: EngineContext['looked'] = { at: undefined }
  let loaded: Promise<{ recorded: Recorded; journal: Journal }> | undefined
  return withSignal(options.signal ?? new AbortController().signal)

  function withSignal(signal: AbortSignal): Engine {
    const open = async (): Promise<EngineContext> => {
      loaded ??= load().catch((error: unknown) => {
        loaded = undefined
        throw error
      })
      const policy = { ...defaultRetryPolicy, ...retry }
      return { ...(await loaded), kinds, looked, platformId, scope: scope.name, secrets, emit, log, width, clock, policy, gate, signal, lateArrivalMs, cancelGraceMs, quietSince, checkpoint, identity }
    }
    return {
      async recover() {
        const { journal } = await open()
        await journal.close()
        return scope.readState()
      },
      state: async () => recordedState(await open()),
      plan: async (desired, { refresh = true } = {}) => (await preparePlan(await open(), { desired, refresh })).plan,
      apply: async (desired, applyOptions = {}) => applyGraph(await open(), desired, applyOptions),
      destroy: async (destroyOptions = {}) => destroyScope(await open(), destroyOptions),
      async outputs() {
        const { recorded } = await open()
        return readyOutputs(recorded)
      },
      withSignal,
    }
  }

  async function load(): Promise<{ recorded: Recorded; journal: Journal }> {
    const state = await scope.readState()
    if (state?.managedBy !== undefined && managedBy !== undefined && state.managedBy !== managedBy) {
      throw new PilotError('MANAGED_BY_SERVER', `${scope.name} is managed by ${state.managedBy}`, { details: { managedBy: state.managedBy } })
    }
    const { recorded, isEmpty } = await recover({ scope, kinds, fence: lease.fence })
    return { recorded, journal: createJournal({ scope, fence: lease.fence, recorded, isEmpty, clock, managedBy }) }
  }
}
