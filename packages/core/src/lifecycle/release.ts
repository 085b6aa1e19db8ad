import { isDeepStrictEqual } from 'node:util'
import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { abortCanary, releaseDuringCanary, stableFor, stepCanary } from './canary.ts'
import { planOf } from './canary-plan.ts'
import { canaryOf } from './canary-state.ts'
import { currentSecrets } from './configuration.ts'
import type { LifecycleContext } from './context.ts'
import { writeConfiguration, writeDeployment } from './deploy.ts'
import { findDeployment, type Ledger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ReleaseInput, RollbackInput } from './phases.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { currentScale, runWithScale } from './scale-carried.ts'
import { appTitle } from './scope.ts'
import type { AppSession } from './session.ts'
import { makeLive } from './stage.ts'
import { releaseOfLive, withRelease } from './with-release.ts'

/** Points public traffic at a deployment; by default at the newest one. Staged again if it is no longer there; what is live already makes no new release. */
export const release = async (context: LifecycleContext, { app, deployment: wanted, canary, after }: ReleaseInput): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'release', ...(canary ? { unwritten: { plan: planOf(canary) } } : {}) }, async (session) => {
    const ledger = await session.ledger()
    refuseOvertaken(ledger, app, after)
    const on = canaryOf(await session.state(), ledger)
    const deployment = wanted === undefined ? (on?.deployment ?? ledger.deployments.at(-1)!) : findDeployment(ledger, app, wanted)
    if (on) return releaseDuringCanary(session, { on, deployment, isCanary: isSameContent(deployment, on.deployment) && deployment.id !== on.stable.id, canary })
    const unchanged = await releaseOfLive(session, deployment)
    if (unchanged) return unchanged
    await refuseWithoutArtifact(session, deployment)
    const next = await withCurrentScale(session, deployment)
    const already = await releaseOfLive(session, next)
    if (already) return already
    if (canary === undefined) return makeLive(session, { deployment: next, kind: 'release' })
    const stable = stableFor(next, liveDeployment(await session.state(), ledger))
    return stepCanary(session, { deployment: next, stable, canary })
  })

/** A new release of an older deployment; by default of the one that was live before the current one. While a canary is on, it ends that. */
export const rollback = (context: LifecycleContext, { app, to, because, after }: RollbackInput): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'rollback', ...(because === undefined ? {} : { unwritten: { because } }) }, async (session) => {
    const ledger = await session.ledger()
    refuseOvertaken(ledger, app, after)
    const on = canaryOf(await session.state(), ledger)
    if (on && (to === undefined || to === on.stable.number)) return abortCanary(session, { on, ...(because === undefined ? {} : { because }) })
    if (to !== undefined && to === on?.deployment.number) throw new PilotError('NOT_ALLOWED_NOW', `v${to} of ${appTitle(app)} is the canary`, { suggestion: `\`release v${to}\` gives it all of the traffic, \`rollback\` none.` })
    const current = liveDeployment(await session.state(), ledger)
    const deployment = to === undefined ? deploymentBefore(ledger, current) : findDeployment(ledger, app, to)
    if (!deployment) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no earlier release to go back to`, { ...(current ? { reason: current.number === 1 ? 'v1 is its first.' : `Before v${current.number} there is nothing else: a restart and other numbers of instances are no version to go back to.` } : {}), suggestion: '`releases` lists what had the traffic; `rollback vN` goes to a certain version.' })
    if (deployment.id === current?.id) throw new PilotError('NOT_ALLOWED_NOW', `v${deployment.number} of ${appTitle(app)} is live already`)
    await refuseWithoutArtifact(session, deployment)
    const next = await withCurrentScale(session, await withCurrentSecrets(session, deployment))
    if (next.id === current?.id) throw new PilotError('NOT_ALLOWED_NOW', `v${deployment.number} of ${appTitle(app)} is live already`, { reason: `v${next.number} is the same with other numbers of instances.`, suggestion: '`scale` changes those.' })
    return makeLive(session, { deployment: next, kind: 'rollback' })
  })

/** What was decided by looking at one release says nothing about a newer one. */
function refuseOvertaken({ releases }: Ledger, app: AppIdentity, after: number | undefined): void {
  const newest = releases.at(-1)?.number
  if (after === undefined || newest === after) return
  throw new PilotError('NOT_ALLOWED_NOW', `Release ${after} of ${appTitle(app)} is no longer the newest`, { reason: `Release ${newest} came after it.` })
}

/** Throws ARTIFACT_GONE before anything changes when the artifact was deleted. */
export async function refuseWithoutArtifact({ context, app, ledger }: AppSession, deployment: DeploymentRecord): Promise<void> {
  const build = (await ledger()).builds.find(({ id }) => id === deployment.build)
  const builder = context.provider.builders.find(({ name }) => name === build?.builder)
  if (!builder || (await builder.exists(deployment.artifact, context.signal))) return
  throw new PilotError('ARTIFACT_GONE', `The artifact of v${deployment.number} of ${appTitle(app)} no longer exists`, { reason: `${deployment.artifact.location} was deleted.` })
}

/** The newest release of another content than the current one tells what was live before: a restart and a `scale` are no version to go back from, and a canary that did not get all of the traffic none to go back to. */
function deploymentBefore({ releases, deployments }: Ledger, current: DeploymentRecord | undefined): DeploymentRecord | undefined {
  const full = releases.filter(({ canary }) => canary === undefined)
  const currentRelease = full.findLastIndex(({ deployment }) => deployment === current?.id)
  const before = full.slice(0, currentRelease === -1 ? undefined : currentRelease).map(({ deployment }) => deployments.find(({ id }) => id === deployment))
  return before.findLast((deployment) => deployment !== undefined && !(current && isSameContent(deployment, current)))
}

const isSameContent = (a: DeploymentRecord, b: DeploymentRecord): boolean => a.artifact.digest === b.artifact.digest && a.configuration === b.configuration && isDeepStrictEqual({ ...a.run, scale: undefined }, { ...b.run, scale: undefined })

/**
 * Secrets that were rotated since are given in their newest version, since the older one is usually revoked: that makes a new
 * deployment of the same artifact. Without a rotation it is the older deployment itself.
 */
async function withCurrentSecrets(session: AppSession, deployment: DeploymentRecord): Promise<DeploymentRecord> {
  const { context, app } = session
  const ledger = await session.ledger()
  const configuration = ledger.configurations.find(({ version }) => version === deployment.configuration)
  const current = await currentSecrets(context.secrets, app)
  const rotated = Object.entries(configuration?.secrets ?? {}).filter(([name, { $secret }]) => current[name] && current[name].$secret.version !== $secret.version)
  if (!configuration || rotated.length === 0) return deployment
  context.emit({ type: 'notice', app: app.app, level: 'warning', text: `${rotated.map(([name]) => name).join(', ')} changed since v${deployment.number}: this rollback runs with the newest value.` })
  const { manifest, set } = configuration
  const secrets = { ...configuration.secrets, ...Object.fromEntries(rotated.map(([name]) => [name, current[name]!])) }
  const derived = await writeConfiguration(session, { manifest, set, secrets }, { derivedFrom: configuration.version })
  const { artifact, build, source, run, target } = deployment
  return writeDeployment(session, { build: { id: build, artifact, source }, configuration: derived.version, run, target, force: false })
}

/** With the instances of today: going back at a peak of load must not go back to the one instance of before it. */
async function withCurrentScale(session: AppSession, deployment: DeploymentRecord): Promise<DeploymentRecord> {
  const { artifact, build, source, configuration, target } = deployment
  const run = target === 'static' ? deployment.run : runWithScale(deployment, await currentScale(session))
  if (isDeepStrictEqual(run, deployment.run)) return deployment
  session.context.emit({ type: 'notice', app: session.app.app, level: 'info', text: `Instances stay as they are now: v${deployment.number} ran in other numbers.` })
  return writeDeployment(session, { build: { id: build, artifact, source }, configuration, run, target, force: false })
}
