import type { AppIdentity } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { recordedData } from './desired.ts'
import { appOfScope } from './scope.ts'
import { withScope } from './session.ts'

/**
 * Apps that have more on the platform than data that a destroy kept. Reads each scope as its owner, so that what a crash left
 * in a journal counts. Throws HELD while an operation on one of them runs.
 */
export async function deployedApps(context: LifecycleContext): Promise<readonly AppIdentity[]> {
  const deployed: AppIdentity[] = []
  for (const scope of await context.store.scopes()) {
    const app = appOfScope(scope)
    if (app === undefined) continue
    const state = await withScope(context, { scope, title: `a look by ${context.by}` }, ({ scope: opened }) => opened.readState())
    const data = new Set(recordedData(state, context.provider.kinds).map(({ key }) => key))
    if (state?.resources.some(({ key }) => !data.has(key)) === true) deployed.push(app)
  }
  return deployed
}
