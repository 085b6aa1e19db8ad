import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { QueueAdministration, QueueState } from '../provider/functions.ts'
import type { LifecycleContext } from './context.ts'
import { readLedger } from './ledger.ts'
import { appScope, appTitle } from './scope.ts'

/** The queue of a function: what is in it, and what a person does with messages that failed. None takes a lease. */
type QueueContext = Pick<LifecycleContext, 'store' | 'provider' | 'signal'>
interface OfApp {
  readonly app: AppIdentity
}

export const queueState = async (context: QueueContext, { app }: OfApp): Promise<QueueState> => (await queueOf(context, app)).state({ app, signal: context.signal })

/** Messages that were put aside are tried again. Returns how many. */
export const retryQueue = async (context: QueueContext, { app }: OfApp): Promise<number> => (await queueOf(context, app)).retry({ app, signal: context.signal })

export const purgeQueue = async (context: QueueContext, { app, which }: OfApp & { readonly which: 'dead' | 'all' }): Promise<number> => (await queueOf(context, app)).purge({ app, which, signal: context.signal })

async function queueOf({ store, provider }: QueueContext, app: AppIdentity): Promise<QueueAdministration> {
  const newest = (await readLedger(store.scope(appScope(app)))).deployments.at(-1)
  const queue = newest && provider.compute[newest.target]?.queue
  if (queue) return queue
  throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no queue`, { suggestion: 'Write `function: { handler: …, queue: true }` into pilot.yaml and run `up`.' })
}
