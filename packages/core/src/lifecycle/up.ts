import type { LifecycleContext } from './context.ts'
import { buildIn } from './build.ts'
import { stableFor, stepCanary } from './canary.ts'
import { canaryPlan, planOf } from './canary-plan.ts'
import { canaryOf } from './canary-state.ts'
import { deployIn, refuseMissingSecrets } from './deploy.ts'
import { refuseHooks, withSource } from './hooks.ts'
import { liveDeployment, liveDeployments, urlsOf } from './live.ts'
import type { UpInput, UpResult } from './phases.ts'
import { push } from './push.ts'
import type { DeploymentRecord } from './records.ts'
import { isCancelled, withApp, type AppSession } from './session.ts'
import { keepLive, makeLive, unstageFailed } from './stage.ts'
import { reportStaged } from './staged-address.ts'

/** From source to a live URL: build, push, deploy, release. A phase that has nothing to do says so. */
export const up = async (given: LifecycleContext, { app, source, release: wantsRelease = true, canary: wanted, force = false }: UpInput): Promise<UpResult> => {
  const context = withSource(given, source)
  const canary = wanted === false ? undefined : (wanted ?? app.canary)
  if (canary) canaryPlan(canary)
  return withApp(context, { app: app.app, action: 'up', staged: !wantsRelease, ...(canary ? { unwritten: { plan: planOf(canary) } } : {}) }, async (session) => {
    await refuseMissingSecrets(context, app)
    refuseHooks(context, app)
    const built = await buildIn(session, { app, source })
    const pushed = await push(context, { app: app.app, build: built })
    const stable = canary && wantsRelease ? liveDeployment(await session.state(), await session.ledger()) : undefined
    let staged: DeploymentRecord | undefined
    try {
      const deployed = await deployIn(session, { app, build: pushed, force }, async (next) => {
        staged = next
        if (stable && stable.id !== next.id) stableFor(next, stable)
      })
      const { deployment, desired, live, waits } = deployed
      const result = { build: pushed, deployment }
      if (!wantsRelease) return { ...result, changed: !live, ...(await reportStaged(session, deployed)) }

      // An earlier attempt of this operation began it.
      const begun = await ownCanary(session)
      if (begun) return { ...result, changed: true, release: begun, ...urlsOf(await session.state(), deployment) }
      if (live) {
        const release = await keepLive(session, { deployment, desired })
        return { ...result, changed: false, ...(release ? { release } : {}), ...urlsOf(await session.state(), deployment) }
      }
      if (canary && !stable) context.emit({ type: 'notice', app: app.app.app, level: 'info', text: 'No other version has the traffic: this one gets all of it.' })
      const release = canary && stable ? await stepCanary(session, { deployment, stable, canary, staged: desired }) : await makeLive(session, { deployment, kind: 'release', ...(waits ? {} : { staged: desired }) })
      return { ...result, changed: true, release, ...urlsOf(await session.state(), deployment) }
    } catch (error) {
      if (staged && wantsRelease && isCancelled(context)) await removeStaged(session, staged)
      throw error
    }
  })
}

/** Staged for a release that nobody wants any more. */
async function removeStaged(session: AppSession, deployment: DeploymentRecord): Promise<void> {
  if (!liveDeployments(await session.state()).includes(deployment.id)) await unstageFailed(session, deployment)
}

const ownCanary = async (session: AppSession) => canaryOf(await session.state(), await session.ledger())?.release
