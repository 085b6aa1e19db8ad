import type { AppIdentity } from '../provider/app-identity.ts'
import type { AppAction } from './actions.ts'
import type { LifecycleContext } from './context.ts'
import { isOfShares } from './canary-state.ts'
import { desire } from './desire.ts'
import { liveDeployments, shares } from './live.ts'
import { runPhase } from './phase.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { withApp, type AppSession, type UnwrittenRelease } from './session.ts'
import { keepLive } from './stage.ts'

/** An action that ends in one release, however often it is attempted. */
export const withRelease = (context: LifecycleContext, { app, action, unwritten }: { app: AppIdentity; action: AppAction; unwritten?: UnwrittenRelease }, work: (session: AppSession) => Promise<ReleaseRecord>): Promise<ReleaseRecord> =>
  withApp(context, { app, action, ...(unwritten ? { unwritten } : {}), resume: releasedEarlier }, work)

/** The newest release, if it is of this deployment and it has all of the traffic: there is nothing to do. */
export async function releaseOfLive(session: AppSession, deployment: DeploymentRecord): Promise<ReleaseRecord | undefined> {
  const live = liveDeployments(await session.state())
  if (live.length !== 1 || live[0] !== deployment.id) return undefined
  return runPhase(session.context, { app: session.app, phase: 'release', detail: `v${deployment.number}` }, async () => ({
    result: await keepLive(session, { deployment, desired: await desire(session, deployment) }),
    outcome: 'unchanged',
  }))
}

/** What an earlier attempt of the same operation released: nobody else has worked on the app since that one began. */
async function releasedEarlier(session: AppSession): Promise<ReleaseRecord | undefined> {
  const { resumesSince } = session.context
  const { releases, deployments } = await session.ledger()
  const newest = releases.at(-1)
  if (resumesSince === undefined || newest === undefined || newest.at < resumesSince) return undefined
  if (newest.canary) return isOfShares(newest, shares(await session.state())) ? newest : undefined
  const deployment = deployments.find(({ id }) => id === newest.deployment)
  return deployment && releaseOfLive(session, deployment)
}
