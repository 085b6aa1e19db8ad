import { PilotError } from '../errors/pilot-error.ts'
import { canaryPlan, type CanaryInput } from './canary-plan.ts'
import { nextPercent, type Canary } from './canary-state.ts'
import { desire } from './desire.ts'
import { restartsOf } from './canary-verdict.ts'
import { mergeGraphs, recordedGraph, trafficTo, type DesiredDeployment } from './desired.ts'
import { hasAddress } from './formation.ts'
import { afterPhase, beforePhase } from './hooks.ts'
import { liveDeployments, urlsOf } from './live.ts'
import { runPhase } from './phase.ts'
import type { CanaryCount, DeploymentRecord, ReleaseRecord } from './records.ts'
import { appTitle, deploymentKeyPrefix } from './scope.ts'
import type { AppSession } from './session.ts'
import { sharesWriter } from './single-writer.ts'
import { announce, inWords, justNow, makeLive, recordRelease, stage, unstageFailed } from './stage.ts'

/**
 * A canary gives a share of the traffic to a new version while the old one, the stable one, keeps the rest and all of the work of its
 * workers. Each step is one release record and one operation; between them nobody holds the app. docs/decisions/0049.
 */

/** Begins a canary or changes its share. Nothing of the stable version is touched. */
export async function stepCanary(session: AppSession, { deployment, stable, canary, staged }: { deployment: DeploymentRecord; stable: DeploymentRecord; canary: CanaryInput; staged?: DesiredDeployment }): Promise<ReleaseRecord> {
  const { context, app } = session
  const { percent, ...plan } = canaryPlan(canary)
  stableFor(deployment, stable)
  const isOn = liveDeployments(await session.state()).includes(deployment.id)
  const desired = staged ?? (isOn ? await desire(session, deployment) : await stageWithHooks(session, deployment))
  const release = await runPhase(context, { app, phase: 'release', detail: `${percent} % to v${deployment.number}` }, async () => {
    try {
      // Once, before anybody is sent to it; `after-release` runs when it has all of the traffic.
      if (!isOn) await beforePhase(session, 'release', deployment)
      const [counted, restarts] = await Promise.all([countedNow(session, [deployment, stable]), restartsNow(session, deployment)])
      const traffic = trafficTo(context.provider, stable, await desire(session, stable), { deployment: deployment.id, percent, desired })
      await session.engine.apply(mergeGraphs(withoutTasks(recordedGraph(await session.state()), deployment), desired.resources, traffic.resources), { allowReplace: true, lookedWithinMs: justNow })
      return { result: await recordRelease(session, { deployment, kind: 'release', canary: { percent, stable: stable.id, ...plan, ...(counted ? { counted } : {}), ...(restarts === undefined ? {} : { restarts }) } }) }
    } catch (error) {
      if (!liveDeployments(await session.state()).includes(deployment.id)) await unstageFailed(session, deployment)
      throw inWords(error, deployment)
    }
  })
  announce(session, { deployment, release, changed: true, urls: urlsOf(await session.state(), stable), share: { percent, stable: `v${stable.number}` } })
  const next = nextPercent({ percent, ...plan })
  const then = next === undefined ? '`release` gives it all, `rollback` none' : `${next} % in ${inWordsOf(plan.everyMs ?? 0)}`
  context.emit({ type: 'notice', app: app.app, level: 'info', text: `v${deployment.number} has ${percent} % of the traffic and v${stable.number} ${100 - percent} %; ${then}.` })
  return release
}

async function stageWithHooks(session: AppSession, deployment: DeploymentRecord): Promise<DesiredDeployment> {
  const { context, app } = session
  await beforePhase(session, 'deploy', deployment)
  const desired = await runPhase(context, { app, phase: 'deploy', detail: `v${deployment.number}` }, async () => ({ result: await stage(session, deployment) }))
  await afterPhase(session, 'deploy', deployment)
  return desired
}

/** What `release` does while a canary is on: its next share, all of the traffic, or none. Another version has to wait. */
export async function releaseDuringCanary(session: AppSession, { on, deployment, isCanary, canary }: { on: Canary; deployment: DeploymentRecord; isCanary: boolean; canary: CanaryInput | undefined }): Promise<ReleaseRecord> {
  const { app } = session
  if (isCanary) return canary === undefined ? promote(session, on) : stepCanary(session, { deployment: on.deployment, stable: on.stable, canary })
  if (deployment.id === on.stable.id && canary === undefined) return abortCanary(session, { on })
  throw new PilotError('NOT_ALLOWED_NOW', `v${deployment.number} of ${appTitle(app)} cannot be released now`, {
    reason: `v${on.deployment.number} has ${on.percent} % of the traffic as a canary, and v${on.stable.number} the rest.`,
    suggestion: `\`release v${on.deployment.number}\` gives it all of the traffic, \`rollback\` none.`,
  })
}

/** All of the traffic goes to the canary, and its workers take over. */
async function promote(session: AppSession, { deployment }: Canary): Promise<ReleaseRecord> {
  return makeLive(session, { deployment, kind: 'release', staged: await desire(session, deployment) })
}

/** All of the traffic goes back to the stable version, at once; the canary ends its open requests and is removed. */
export async function abortCanary(session: AppSession, { on: { deployment, stable }, because }: { on: Canary; because?: string }): Promise<ReleaseRecord> {
  if (because !== undefined) session.context.emit({ type: 'notice', app: session.app.app, level: 'warning', text: `The canary ends: ${because}.` })
  return makeLive(session, { deployment: stable, kind: 'rollback', staged: await desire(session, stable), aborted: { deployment: deployment.id, ...(because === undefined ? {} : { because }) } })
}

/** The version that a canary is measured by. Throws where a share of requests says nothing. */
export function stableFor(deployment: DeploymentRecord, stable: DeploymentRecord | undefined): DeploymentRecord {
  const title = `v${deployment.number} of ${appTitle(deployment.app)}`
  const suggestion = 'Release it at once: leave out `--canary`, or say `--no-canary` where the manifest has one.'
  if (stable === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${title} cannot be a canary`, { reason: 'No other version has the traffic.', suggestion })
  if (stable.id === deployment.id) throw new PilotError('NOT_ALLOWED_NOW', `${title} cannot be a canary`, { reason: 'It has all of the traffic.', suggestion: 'Deploy a new version first.' })
  if (!hasAddress(deployment) || !hasAddress(stable)) throw new PilotError('NOT_ALLOWED_NOW', `${title} cannot be a canary`, { reason: 'It consists of workers, and no requests come to it.', suggestion })
  if (stable.target !== deployment.target) throw new PilotError('NOT_ALLOWED_NOW', `${title} cannot be a canary`, { reason: `It runs as ${deployment.target} and v${stable.number} as ${stable.target}, which cannot share the traffic.`, suggestion })
  if (sharesWriter(deployment.run, stable.run)) throw new PilotError('NOT_ALLOWED_NOW', `${title} cannot be a canary`, { reason: 'Its volume takes one writer at a time, and a canary runs beside the version before.', suggestion })
  return stable
}

/** Undefined where the target does not count, or cannot say now. */
async function countedNow({ context, app }: AppSession, deployments: readonly DeploymentRecord[]): Promise<readonly CanaryCount[] | undefined> {
  const counters = await context.provider.compute[deployments[0]!.target]?.counters?.({ app, signal: context.signal }).catch(() => undefined)
  return counters?.filter(({ deployment }) => deployments.some(({ id }) => id === deployment)).map(({ deployment, life, requests, errors }) => ({ deployment, life, requests, errors }))
}

async function restartsNow({ context, app }: AppSession, { id, target }: DeploymentRecord): Promise<number | undefined> {
  const all = await context.provider.compute[target]?.status({ app, signal: context.signal }).catch(() => undefined)
  return all && restartsOf({ instances: all.filter(({ deployment }) => deployment === id) })
}

/** The release command has run. */
const withoutTasks = (graph: ReturnType<typeof recordedGraph>, { id }: DeploymentRecord): ReturnType<typeof recordedGraph> => graph.filter(({ key }) => !key.startsWith(`${deploymentKeyPrefix(id)}task/`))

const inWordsOf = (ms: number): string => (ms >= 60_000 ? `${Number((ms / 60_000).toFixed(1))} min` : `${Number((ms / 1000).toFixed(1))} s`)
