import type { AppIdentity } from '../provider/app-identity.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { State } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'
import { recordedData } from './desired.ts'
import { readLedger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import { appOfScope, appScope } from './scope.ts'
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
    if (isDeployed(state, context.provider.kinds)) deployed.push(app)
  }
  return deployed
}

/** Apps of the same project and environment that work with this app's database, those that are stopped among them. */
export async function usersOfDatabase({ store, provider }: LifecycleContext, { project, app, environment }: AppIdentity): Promise<readonly AppIdentity[]> {
  const users: AppIdentity[] = []
  for (const other of (await store.scopes()).map(appOfScope)) {
    if (other === undefined || other.project !== project || other.environment !== environment || other.app === app) continue
    const scope = store.scope(appScope(other))
    const state = await scope.readState()
    if (!isDeployed(state, provider.kinds)) continue
    const ledger = await readLedger(scope)
    const database = (liveDeployment(state, ledger) ?? ledger.deployments.at(-1))?.run.database
    if (database && 'from' in database && database.from === app) users.push(other)
  }
  return users
}

function isDeployed(state: State | undefined, kinds: readonly AnyKind[]): boolean {
  const data = new Set(recordedData(state, kinds).map(({ key }) => key))
  return state?.resources.some(({ key }) => !data.has(key)) === true
}
