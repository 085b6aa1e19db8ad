import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { InvokeResult } from '../provider/functions.ts'
import type { LifecycleContext } from './context.ts'
import { readLiveDeployment } from './cron.ts'
import { invokeDeployment } from './invoke.ts'
import { appTitle } from './scope.ts'

/** Calls the live version of a function with an event and waits for its result. Takes no lease. Throws NOT_ALLOWED_NOW. */
export async function invokeFunction(context: Pick<LifecycleContext, 'store' | 'provider' | 'signal'>, { app, event }: { readonly app: AppIdentity; readonly event: string }): Promise<InvokeResult> {
  const deployment = await readLiveDeployment(context.store, app)
  if (deployment === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} is not live`, { reason: 'What is called is the live version.', suggestion: 'Deploy it with `up`, or start it.' })
  return invokeDeployment(context, { deployment, event })
}
