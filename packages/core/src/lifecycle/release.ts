import { isDeepStrictEqual } from 'node:util'
import { PilotError } from '../errors/pilot-error.ts'
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
export const release = (context: LifecycleContext, { app, deployment: wanted }: ReleaseInput): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'release' }, async (session) => {
    const ledger = await session.ledger()
    const deployment = wanted === undefined ? ledger.deployments.at(-1)! : findDeployment(ledger, app, wanted)
    const unchanged = await releaseOfLive(session, deployment)
    if (unchanged) return unchanged
    await refuseWithoutArtifact(session, deployment)
    const next = await withCurrentScale(session, deployment)
    return (await releaseOfLive(session, next)) ?? makeLive(session, { deployment: next, kind: 'release' })
  })

/** A new release of an older deployment; by default of the one that was live before the current one. */
export const rollback = (context: LifecycleContext, { app, to }: RollbackInput): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'rollback' }, async (session) => {
    const ledger = await session.ledger()
    const current = liveDeployment(await session.state(), ledger)
    const deployment = to === undefined ? deploymentBefore(ledger, current) : findDeployment(ledger, app, to)
    if (!deployment) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no earlier release to go back to`, { ...(current ? { reason: current.number === 1 ? 'v1 is its first.' : `Before v${current.number} there is nothing else: a restart and other numbers of instances are no version to go back to.` } : {}), suggestion: '`releases` lists what had the traffic; `rollback vN` goes to a certain version.' })
    if (deployment.id === current?.id) throw new PilotError('NOT_ALLOWED_NOW', `v${deployment.number} of ${appTitle(app)} is live already`)
    await refuseWithoutArtifact(session, deployment)
    const next = await withCurrentScale(session, await withCurrentSecrets(session, deployment))
    if (next.id === current?.id) throw new PilotError('NOT_ALLOWED_NOW', `v${deployment.number} of ${appTitle(app)} is live already`, { reason: `v${next.number} is the same with other numbers of instances.`, suggestion: '`scale` changes those.' })
    return makeLive(session, { deployment: next, kind: 'rollback' })
  })

/** Throws ARTIFACT_GONE before anything changes when the artifact was deleted. */
export async function refuseWithoutArtifact({ context, app, ledger }: AppSession, deployment: DeploymentRecord): Promise<void> {
  const build = (await ledger()).builds.find(({ id }) => id === deployment.build)
  const builder = context.provider.builders.find(({ name }) => name === build?.builder)
  if (!builder || (await builder.exists(deployment.artifact, context.signal))) return
  throw new PilotError('ARTIFACT_GONE', `The artifact of v${deployment.number} of ${appTitle(app)} no longer exists`, { reason: `${deployment.artifact.location} was deleted.` })
}

/** The newest release of another content than the current one tells what was live before: a restart and a `scale` are no version to go back from. */
function deploymentBefore({ releases, deployments }: Ledger, current: DeploymentRecord | undefined): DeploymentRecord | undefined {
  const currentRelease = releases.findLastIndex(({ deployment }) => deployment === current?.id)
  const before = releases.slice(0, currentRelease === -1 ? undefined : currentRelease).map(({ deployment }) => deployments.find(({ id }) => id === deployment))
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
