import type { AppIdentity, Target } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { countsOf } from './formation.ts'
import { liveDeployments } from './live.ts'
import type { DeploymentRecord } from './records.ts'
import { appScope } from './scope.ts'

/** What has the traffic of an app, without asking the provider. */
export interface Running {
  readonly target: Target
  /** Those that have traffic. */
  readonly deployments: readonly string[]
  /** Whether instances of it run all the time: not of a site, and not of what was scaled to none. */
  readonly hasInstances: boolean
}

/** Undefined when nothing has traffic. */
export async function runningDeployments({ store }: Pick<LifecycleContext, 'store'>, app: AppIdentity): Promise<Running | undefined> {
  const scope = store.scope(appScope(app))
  const deployments = liveDeployments(await scope.readState())
  const [live] = deployments
  const record = live === undefined ? undefined : await scope.getRecord<DeploymentRecord>('deployment', live)
  if (record === undefined) return undefined
  const hasInstances = (record.target === 'container' || record.target === 'process') && Object.values(countsOf(record)).some((count) => count > 0)
  return { target: record.target, deployments, hasInstances }
}
