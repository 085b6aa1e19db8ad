import { randomUUID } from 'node:crypto'
import { PilotError } from '../errors/pilot-error.ts'
import { systemClock, type Clock } from './clock.ts'
import { leaseLost } from './lease-files.ts'
import { hostIdentity, livenessOf, processIdentity, type HostIdentity, type ProcessIdentity } from './process-identity.ts'
import type { Fence, LeaseHolder, LeaseRecord, ScopeStore } from './store.ts'

export interface AcquireLeaseOptions {
  readonly store: ScopeStore
  /** For people who wait: "deploy of shop/api by ada on laptop". */
  readonly title: string
  /** How long the owner may be silent before it counts as dead; default 15 000. Heartbeats come three times as often. */
  readonly ttlMs?: number
  /** The longest deadline of one call to a provider; a taker waits this much longer, since such a call may still be under way. Default 60 000. */
  readonly maxCallMs?: number
  /** How long to wait for an owner that lives, milliseconds; default 0. */
  readonly waitMs?: number
  readonly signal?: AbortSignal
  /** Default: this process. */
  readonly identity?: ProcessIdentity & HostIdentity
  readonly clock?: Clock
  /** Called once when somebody else holds the scope and this call waits. */
  readonly onWait?: (holder: LeaseHolder) => void
}

/** The right to change one scope, kept alive in the background until it is released or lost. */
export interface Lease extends AsyncDisposable {
  /** Goes with every write to the store. */
  readonly fence: Fence
  /** Fires, with LEASE_LOST as its reason, as soon as the lease is known to be lost. */
  readonly signal: AbortSignal
  /**
   * Await right before a request that changes something leaves: looks at the stored record and at the time that passed
   * since the last heartbeat, and renews the lease when that is late. Throws LEASE_LOST.
   */
  checkpoint(): Promise<void>
  /** May be called twice, and after a loss. The scope is free when it returns. */
  release(): Promise<void>
}

/**
 * Takes the lease of a scope. Throws HELD, naming the owner, when it lives and does not let go within `waitMs`; NOT_FOUND when
 * the store is removed while it waits.
 *
 * An owner whose process is known to be gone (same machine) is replaced at once. One that cannot be looked at is watched:
 * it is replaced when its heartbeat stood still for its ttl plus `maxCallMs` on this process's own clock, however short
 * `waitMs` is, and it counts as living as soon as its heartbeat moves.
 */
export async function acquireLease(options: AcquireLeaseOptions): Promise<Lease> {
  const { store, title, ttlMs = 15_000, maxCallMs = 60_000, waitMs = 0, signal, identity = ownIdentity(), clock = systemClock } = options
  const started = clock.monotonicMs()
  let seen: { readonly record: LeaseRecord; readonly since: number; readonly moved: boolean } | undefined
  let waited = false

  for (;;) {
    throwIfCancelled(signal, store.name)
    const stored = await store.lease.read()
    const now = clock.monotonicMs()
    // A lease stays where its scope is: this one went with its whole store.
    if (stored === undefined && seen !== undefined) throw new PilotError('NOT_FOUND', `${store.name} no longer exists`, { reason: 'Its platform was destroyed in the meantime.' })
    if (stored?.holder === undefined || mayReplace(stored, now)) {
      const holder: LeaseHolder = { id: randomUUID(), title, ...identity, since: clock.date().toISOString() }
      const record: LeaseRecord = { token: (stored?.token ?? 0) + 1, beat: 0, holder, ttlMs }
      if (await store.lease.swap(stored, record)) return heldLease({ store, record, ttlMs, clock, takenAt: now })
      continue
    }
    if (seen === undefined || seen.record.token !== stored.token || seen.record.beat !== stored.beat) {
      seen = { record: stored, since: now, moved: seen?.record.token === stored.token }
    }
    const lives = seen.moved || livenessOf(stored.holder) === 'alive'
    if (lives && now - started >= waitMs) throw held(store.name, stored.holder)
    if (!waited) options.onWait?.(stored.holder)
    waited = true
    await pause(Math.min(250, Math.max(5, ttlMs / 10)))
  }

  function mayReplace(stored: LeaseRecord, now: number): boolean {
    if (livenessOf(stored.holder!) === 'gone') return true
    const isStill = seen?.record.token === stored.token && seen.record.beat === stored.beat
    return isStill && now - seen!.since > stored.ttlMs + maxCallMs
  }

  async function pause(ms: number): Promise<void> {
    await clock.sleep(ms, signal === undefined ? {} : { signal }).catch(() => throwIfCancelled(signal, store.name))
  }
}

function heldLease({ store, record, ttlMs, clock, takenAt }: { store: ScopeStore; record: LeaseRecord; ttlMs: number; clock: Clock; takenAt: number }): Lease {
  const lost = new AbortController()
  const stopped = new AbortController()
  let current = record
  // When the last heartbeat that is surely stored was sent: whoever watches saw it no earlier.
  let provenAt = takenAt
  let chain: Promise<unknown> = Promise.resolve()
  void beat()

  return {
    fence: { token: record.token },
    signal: lost.signal,
    checkpoint: () => inTurn(checkpoint),
    release,
    [Symbol.asyncDispose]: release,
  }

  async function beat(): Promise<void> {
    let pauseMs = ttlMs / 3
    let failingSince: number | undefined
    while (!stopped.signal.aborted && !lost.signal.aborted) {
      await clock.sleep(pauseMs, { signal: stopped.signal, background: true }).catch(() => {})
      if (stopped.signal.aborted) return
      try {
        await inTurn(renew)
        pauseMs = ttlMs / 3
        failingSince = undefined
      } catch (error) {
        // Unreachable storage: try again soon, and give up when nobody could know any more that this owner lives.
        failingSince ??= clock.monotonicMs()
        if (clock.monotonicMs() - failingSince > ttlMs) lose(unrenewed(error))
        pauseMs = ttlMs / 10
      }
    }
  }

  /** What cannot be looked at within the ttl counts as lost: nothing leaves unproven. */
  async function checkpoint(): Promise<void> {
    const started = clock.monotonicMs()
    for (;;) {
      throwIfLost()
      try {
        await prove()
        return throwIfLost()
      } catch (error) {
        throwIfLost()
        if (clock.monotonicMs() - started > ttlMs) lose(unrenewed(error))
        else await clock.sleep(ttlMs / 20)
      }
    }
  }

  async function prove(): Promise<void> {
    if (clock.monotonicMs() - provenAt > ttlMs / 2) return renew()
    const stored = await store.lease.read()
    if (!isOurs(stored)) lose(leaseLost(store.name, stored))
  }

  /** A swap that succeeds proves that nobody took the lease before, however long this process slept. */
  async function renew(): Promise<void> {
    if (stopped.signal.aborted || lost.signal.aborted) return
    const sentAt = clock.monotonicMs()
    const next = { ...current, beat: current.beat + 1 }
    if (!(await store.lease.swap(current, next))) {
      const stored = await store.lease.read()
      // The answer to an earlier swap may have been lost on the way although it was stored.
      if (!isOurs(stored)) return lose(leaseLost(store.name, stored))
      current = stored!
      return
    }
    current = next
    provenAt = sentAt
  }

  async function release(): Promise<void> {
    if (stopped.signal.aborted) return void (await chain.catch(() => {}))
    stopped.abort()
    await inTurn(async () => {
      if (lost.signal.aborted) return
      const { holder: _, ...free } = current
      if (await store.lease.swap(current, free)) return
      const stored = await store.lease.read()
      if (isOurs(stored)) await store.lease.swap(stored, { token: stored!.token, beat: stored!.beat, ttlMs })
    })
  }

  function isOurs(stored: LeaseRecord | undefined): boolean {
    return stored?.token === record.token && stored.holder?.id === record.holder!.id
  }

  function lose(error: PilotError): void {
    if (!stopped.signal.aborted && !lost.signal.aborted) lost.abort(error)
  }

  function unrenewed(cause: unknown): PilotError {
    return new PilotError('LEASE_LOST', `The lease of ${store.name} could not be renewed for ${ttlMs} ms`, { reason: cause instanceof Error ? cause.message : String(cause), cause })
  }

  function throwIfLost(): void {
    if (lost.signal.aborted) throw lost.signal.reason
    if (stopped.signal.aborted) throw new PilotError('LEASE_LOST', `The lease of ${store.name} was released`)
  }

  /** One operation on the record at a time. */
  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = chain.then(run)
    chain = result.catch(() => {})
    return result
  }
}

function ownIdentity(): ProcessIdentity & HostIdentity {
  const identity = processIdentity()
  if (identity === undefined) throw new Error('The kernel does not tell when this process started')
  return { ...identity, ...hostIdentity() }
}

function held(scope: string, holder: LeaseHolder): PilotError {
  return new PilotError('HELD', `${scope} is held by "${holder.title}" since ${holder.since}`, {
    reason: `process ${holder.pid} on ${holder.host}`,
    details: { scope, holder },
  })
}

function throwIfCancelled(signal: AbortSignal | undefined, scope: string): void {
  if (signal?.aborted === true) throw new PilotError('CANCELLED', `Cancelled while waiting for ${scope}`, { cause: signal.reason })
}
