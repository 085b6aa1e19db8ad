import type { AppIdentity, Target } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { liveDeployments } from './live.ts'
import type { DeploymentRecord } from './records.ts'
import { appScope } from './scope.ts'

/** What kind of target has the traffic of an app, without asking the provider; undefined when nothing has. */
export async function runningTarget({ store }: Pick<LifecycleContext, 'store'>, app: AppIdentity): Promise<Target | undefined> {
  const scope = store.scope(appScope(app))
  const [live] = liveDeployments(await scope.readState())
  return live === undefined ? undefined : (await scope.getRecord<DeploymentRecord>('deployment', live))?.target
}
