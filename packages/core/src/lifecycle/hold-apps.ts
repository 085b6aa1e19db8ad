import { kindsByName } from '../graph/graph.ts'
import { recover } from '../graph/recover.ts'
import { acquireLease, type Lease } from '../store/lease.ts'
import type { ScopeName } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'
import { platformScope } from './scope.ts'

/** Every app of a platform, held so that no operation on one can go on or begin. */
export interface HeldApps extends AsyncDisposable {
  /** Fires, with LEASE_LOST as its reason, as soon as one of them is known to be held no more. */
  readonly signal: AbortSignal
  /** Takes those that came since; throws HELD, naming the owner, when an operation runs. */
  hold(): Promise<void>
  /** What each still has, by scope, with what a crash left in its journal only. */
  resources(): Promise<ReadonlyMap<ScopeName, number>>
}

export function holdApps({ store, provider, signal }: LifecycleContext, title: string): HeldApps {
  const leases = new Map<ScopeName, Lease>()
  const lost = new AbortController()
  return {
    signal: lost.signal,
    async hold() {
      for (const name of await store.leasedScopes()) {
        if (name === platformScope || leases.has(name)) continue
        const lease = await acquireLease({ store: store.scope(name), title, signal })
        leases.set(name, lease)
        lease.signal.addEventListener('abort', () => lost.abort(lease.signal.reason), { once: true })
      }
    },
    async resources() {
      const kinds = kindsByName(provider.kinds)
      const counted = [...leases].map(async ([name, { fence }]) => [name, (await recover({ scope: store.scope(name), kinds, fence })).recorded.all().length] as const)
      return new Map(await Promise.all(counted))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...leases.values()].map((lease) => lease.release()))
    },
  }
}
