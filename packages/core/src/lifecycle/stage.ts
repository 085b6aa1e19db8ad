import { isPilotError, PilotError, toPilotError } from '../errors/pilot-error.ts'
import { removeOldArtifacts } from './artifacts.ts'
import { canaryOf } from './canary-state.ts'
import { desire } from './desire.ts'
import { forgetOldRecords } from './history.ts'
import { afterPhase, beforePhase, bringsNew } from './hooks.ts'
import { mergeGraphs, recordedData, recordedGraph, trafficTo, type DesiredDeployment } from './desired.ts'
import { liveDeployments, urlsOf, type trafficUrls } from './live.ts'
import { runPhase } from './phase.ts'
import { isPrepared, runReleaseCommand, startWorkers, stopWorkers } from './processes.ts'
import { nextNumber } from './ledger.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { deploymentKeyPrefix, workersKeyPrefix } from './scope.ts'
import { isCancelled, type AppSession } from './session.ts'
import { bringBack, endOtherWriters, otherWriters, refuseVolumes } from './single-writer.ts'
import { tellUnusedVolumes } from './volumes.ts'
import { drainMsOf } from './drain.ts'

/**
 * The steps that deploy, release, rollback and all the others are made of. While a deployment is staged nothing that runs is
 * deleted or changed; only `settleRelease` removes what the new release no longer needs.
 */

/** Brings a deployment up beside what runs, healthy and without traffic. When it fails, it is removed again. */
export async function stage(session: AppSession, deployment: DeploymentRecord, { kind = 'release' }: { readonly kind?: ReleaseRecord['kind'] } = {}): Promise<DesiredDeployment> {
  const desired = await desire(session, deployment)
  try {
    if (!isPrepared(kind)) await runReleaseCommand(session, { desired, deployment })
    await session.engine.apply(mergeGraphs(recordedGraph(await session.state()), desired.resources), { allowReplace: true })
  } catch (error) {
    await unstageFailed(session, deployment)
    throw inWords(error, deployment)
  }
  return desired
}

/** Providers know a deployment by its id; people know it by its number. */
export function inWords(error: unknown, { id, number }: DeploymentRecord): unknown {
  if (!isPilotError(error) || !error.message.includes(`deployment ${id}`)) return error
  const { code, message, reason, suggestion, details, cause } = error
  return new PilotError(code, message.replaceAll(`deployment ${id}`, `v${number}`), { suggestion, cause, ...(reason === undefined ? {} : { reason }), ...(details === undefined ? {} : { details }) })
}

/** Switches all traffic to a staged deployment and writes the release down. */
async function switchTraffic(session: AppSession, { deployment, desired, kind, aborted }: Switch): Promise<ReleaseRecord> {
  const { context, state, engine } = session
  const traffic = trafficTo(context.provider, deployment, desired)
  await engine.apply(mergeGraphs(recordedGraph(await state()), desired.resources, desired.workers, traffic.resources), { allowReplace: true, lookedWithinMs: justNow })
  return recordRelease(session, { deployment, kind, ...(aborted ? { aborted } : {}) })
}

interface Switch {
  readonly deployment: DeploymentRecord
  readonly desired: DesiredDeployment
  readonly kind: ReleaseRecord['kind']
  readonly aborted?: NonNullable<ReleaseRecord['aborted']>
}

/** After the traffic was switched. */
export async function recordRelease({ context, app, write, ledger, state }: AppSession, { deployment, kind, ...more }: Pick<ReleaseRecord, 'kind' | 'canary' | 'aborted'> & { readonly deployment: DeploymentRecord }): Promise<ReleaseRecord> {
  const { releases } = await ledger()
  const previous = releases.at(-1)?.deployment
  const { url } = urlsOf(await state(), deployment)
  return write.release({
    number: nextNumber(releases),
    app,
    deployment: deployment.id,
    kind,
    ...more,
    ...(previous === undefined ? {} : { previous }),
    at: new Date().toISOString(),
    by: context.by,
    ...(url === undefined ? {} : { url }),
  })
}

/** Lets open requests of the old deployments end, then stops and removes all that the release does not need. */
async function settleRelease(session: AppSession, { deployment, desired, previous }: { deployment: DeploymentRecord; desired: DesiredDeployment; previous: readonly string[] }): Promise<void> {
  const { context, app, engine } = session
  const old = previous.filter((id) => id !== deployment.id)
  const data = recordedData(await session.state(), context.provider.kinds)
  const exact = mergeGraphs(data, desired.resources, desired.workers, trafficTo(context.provider, deployment, desired).resources)
  if (old.length === 0) {
    await engine.apply(exact, { allowReplace: true })
    return
  }
  await runPhase(context, { app, phase: 'drain' }, async () => {
    await stopWorkers(session, old)
    const drained = await context.provider.compute[deployment.target]?.drain?.({ app, deployments: old, timeoutMs: drainMsOf(deployment), signal: context.signal }).catch(async (error: unknown) => {
      // Nobody waits any longer for what is open: without the traffic the old version has nothing more to do.
      if (isCancelled(context)) await engine.withSignal(session.lease.signal).apply(exact, { allowReplace: true, lookedWithinMs: justNow })
      throw error
    })
    await engine.apply(exact, { allowReplace: true, lookedWithinMs: justNow })
    return { result: undefined, ...(drained?.open ? { detail: `${drained.open} requests were still open after ${drainMsOf(deployment) / 1000} s` } : {}) }
  })
}

/** Stage, switch, settle, tidy up: what makes a deployment record the live one. */
export async function makeLive(session: AppSession, { deployment, kind, staged, aborted }: { deployment: DeploymentRecord; kind: ReleaseRecord['kind']; staged?: DesiredDeployment; aborted?: NonNullable<ReleaseRecord['aborted']> }): Promise<ReleaseRecord> {
  const { context, app } = session
  refuseVolumes(session, deployment, await session.state())
  const live = liveDeployments(await session.state())
  const stageAndSwitch = async () => {
    // A canary that does badly ends at once: no hook holds that up, or keeps it from happening.
    if (kind === 'rollback' && aborted?.because === undefined) await beforePhase(session, 'rollback', deployment)
    const deploys = staged === undefined && bringsNew(kind)
    if (deploys) await beforePhase(session, 'deploy', deployment)
    const ended = await giveWay(session, deployment)
    const desired = staged ?? (await runPhase(context, { app, phase: 'deploy', detail: `v${deployment.number}` }, async () => ({ result: await stage(session, deployment, { kind }) })))
    if (deploys) await afterPhase(session, 'deploy', deployment)
    const release = await runPhase(context, { app, phase: 'release' }, async () => ({ result: await releaseStaged(session, { deployment, desired, kind, ...(aborted ? { aborted } : {}) }) }))
    return { desired, release, previous: live.filter((id) => !ended.includes(id)) }
  }
  const { desired, release, previous } = await stageAndSwitch().catch(async (error: unknown) => {
    await bringBack(session, { failed: deployment })
    throw error
  })
  announce(session, { deployment, release, changed: true, urls: urlsOf(await session.state(), deployment) })
  await tellUnusedVolumes(session, deployment)
  // What is old enough to go is neither the new release's nor the one's that is being stopped.
  const tidying = removeOldArtifacts(session).then(() => forgetOldRecords(session))
  await settleRelease(session, { deployment, desired, previous }).finally(() => tidying)
  if (bringsNew(kind)) await afterPhase(session, 'release', deployment)
  if (kind === 'rollback') await afterPhase(session, 'rollback', deployment)
  return release
}

/** Ends what would write to a volume beside the deployment; nothing does when no volume of it has one writer only. */
async function giveWay(session: AppSession, deployment: DeploymentRecord): Promise<readonly string[]> {
  const others = await otherWriters(session, deployment)
  if (others.length === 0) return []
  return runPhase(session.context, { app: session.app, phase: 'drain', detail: 'a volume takes one writer at a time' }, async () => {
    await endOtherWriters(session, { others })
    return { result: others }
  })
}

/** When a worker or the switch fails before traffic has moved, what was staged goes: its workers would share the work with the old ones. */
async function releaseStaged(session: AppSession, change: Switch): Promise<ReleaseRecord> {
  const { deployment, desired } = change
  const isCanary = canaryOf(await session.state(), await session.ledger())?.deployment.id === deployment.id
  try {
    // That of a canary has run before its first share.
    if (bringsNew(change.kind) && !isCanary) await beforePhase(session, 'release', deployment)
    await startWorkers(session, { desired })
    return await switchTraffic(session, change)
  } catch (error) {
    if ((desired.workers.length > 0 || toPilotError(error).code === 'HOOK_FAILED') && !liveDeployments(await session.state()).includes(deployment.id)) await unstageFailed(session, deployment)
    // A canary keeps its share, and the version before keeps the work.
    else if (isCanary && canaryOf(await session.state(), await session.ledger()) !== undefined) await unstageFailed(session, deployment, workersKeyPrefix(deployment.id))
    throw inWords(error, deployment)
  }
}

/** What is live already stays so, without a new release: what drifted is mended, and what the release does not need goes. */
export async function keepLive(session: AppSession, { deployment, desired }: { deployment: DeploymentRecord; desired: DesiredDeployment }): Promise<ReleaseRecord | undefined> {
  await giveWay(session, deployment)
  await settleRelease(session, { deployment, desired, previous: [deployment.id] })
  const release = (await session.ledger()).releases.at(-1)
  if (release) announce(session, { deployment, release, changed: false, urls: urlsOf(await session.state(), deployment) })
  return release
}

export function announce({ context, app }: AppSession, { deployment, release, changed, urls, share }: { deployment: DeploymentRecord; release: ReleaseRecord; changed: boolean; urls: ReturnType<typeof trafficUrls>; /** Of a canary. */ share?: { readonly percent: number; readonly stable: string } }): void {
  context.emit({
    type: 'app.released',
    app: app.app,
    release: release.number,
    deployment: `v${deployment.number}`,
    url: urls.url ?? release.url ?? '',
    ...(urls.fallbackUrl === undefined ? {} : { fallbackUrl: urls.fallbackUrl }),
    changed,
    ...(share === undefined ? {} : { canary: share }),
  })
}

/** The steps of one release follow each other so soon that the next one need not look again at what the last one made. */
export const justNow = 1_000

export async function unstageFailed(session: AppSession, deployment: DeploymentRecord, prefix = deploymentKeyPrefix(deployment.id)): Promise<void> {
  await unstage(session, prefix).catch((also: unknown) => session.context.log(`Could not remove the failed deployment: ${toPilotError(also).message}`))
}

/** Cleaning up goes on although the operation was cancelled: the engine made for it ends by its own deadlines. */
async function unstage(session: AppSession, prefix: string): Promise<void> {
  const engine = session.engine.withSignal(session.lease.signal)
  await engine.apply(recordedGraph(await session.state()).filter(({ key }) => !key.startsWith(prefix)), { allowReplace: true })
}
