import { PilotError, toPilotError } from '../errors/pilot-error.ts'
import type { State } from '../store/store.ts'
import { desire } from './desire.ts'
import { mergeGraphs, recordedGraph, trafficTo, volumeBlueprint, computeFor, withoutDeployment } from './desired.ts'
import { countsOf } from './formation.ts'
import { liveDeployment } from './live.ts'
import type { DeploymentRecord, RunSpec } from './records.ts'
import { appTitle, deploymentsKeyPrefix, hostLabel, volumeKeyPrefix } from './scope.ts'
import type { AppSession } from './session.ts'
import { drainMsOf } from './drain.ts'

/**
 * A volume has one writer at a time unless it is `shared`: two versions that have a Redis or SQLite open at once destroy it. So a
 * release first ends everything of the version before it, requests waiting meanwhile, and only then starts the next one. What was
 * live stays the one that the traffic names until the next one is healthy: whoever finds the app half way (the next attempt after a
 * crash, the next `up`) knows what to bring back. docs/decisions/0047.
 */

/** Whether two versions would write to one volume at the same time. */
export function sharesWriter(a: RunSpec, b: RunSpec): boolean {
  return Object.entries(a.volumes ?? {}).some(([name, use]) => b.volumes !== undefined && Object.hasOwn(b.volumes, name) && !(use.shared && b.volumes[name]!.shared))
}

/** Throws USAGE: what a volume cannot be used for, before anything changes. */
export function refuseVolumes(session: AppSession, deployment: Pick<DeploymentRecord, 'app' | 'artifact' | 'run' | 'target'>, state: State | undefined): void {
  refuseSeveralWriters(deployment)
  const { app, run, target } = deployment
  const compute = computeFor(session.context.provider, target)
  const appOutputs = run.volumes ? compute.app({ app, hostLabel: hostLabel(app) }).outputs : {}
  for (const [volume, { path }] of Object.entries(run.volumes ?? {})) {
    const wanted = volumeBlueprint({ compute, deployment, volume, path, appOutputs }).resources.find(({ key }) => key === `${volumeKeyPrefix}${volume}`)
    const recorded = state?.resources.find(({ key, status }) => key === `${volumeKeyPrefix}${volume}` && status !== 'deposed')
    if (!wanted || !recorded || recorded.kind === wanted.kind) continue
    throw new PilotError('USAGE', `The volume ${volume} of ${appTitle(app)} was made for another way to run than as ${target}`, {
      reason: `It is ${recorded.kind} ${recorded.id}, and as ${target} the app would find an empty one instead.`,
      suggestion: `Let the app run as before, or give the new volume another name and copy the data over; \`volumes delete\` deletes the old one.`,
    })
  }
}

/** Throws USAGE. */
export function refuseSeveralWriters({ app, artifact, run }: Pick<DeploymentRecord, 'app' | 'artifact' | 'run'>): void {
  const volume = Object.entries(run.volumes ?? {}).find(([, { shared }]) => !shared)
  const [process, count] = Object.entries(countsOf({ artifact, run })).find(([, count]) => count > 1) ?? []
  if (volume === undefined || process === undefined) return
  const [name, { path }] = volume
  throw new PilotError('USAGE', `${appTitle(app)} is to run ${count} times as ${process}, and its volume ${name} takes one writer at a time`, {
    suggestion: `Scale ${process} to 1. If what writes there is made for several writers at once, say so in pilot.yaml: \`volumes: { ${name}: { ${path === undefined ? '' : `path: ${path}, `}shared: true } }\`.`,
  })
}

/** Whether it can only start after what is live has ended. */
export async function waitsForLive(session: AppSession, deployment: DeploymentRecord): Promise<boolean> {
  const live = liveDeployment(await session.state(), await session.ledger())
  return live !== undefined && live.id !== deployment.id && sharesWriter(deployment.run, live.run)
}

/** Deployments of which something is there, in part or whole, and that would write beside this one. */
export async function otherWriters(session: AppSession, deployment: DeploymentRecord): Promise<readonly string[]> {
  if (!deployment.run.volumes) return []
  const { deployments } = await session.ledger()
  const others = new Set(recordedGraph(await session.state()).flatMap(({ key }) => (key.startsWith(deploymentsKeyPrefix) ? [key.split('/')[1]!] : [])))
  others.delete(deployment.id)
  return [...others].filter((id) => {
    // Without its record nobody knows what it has.
    const run = deployments.find((other) => other.id === id)?.run ?? deployment.run
    return sharesWriter(deployment.run, run)
  })
}

/** Ends them with all that they run. Requests to what was live wait from here on, and those under way end first. */
export async function endOtherWriters(session: AppSession, { others }: { others: readonly string[] }): Promise<void> {
  if (others.length === 0) return
  const { context, app, engine, state } = session
  const live = liveDeployment(await state(), await session.ledger())
  if (live && others.includes(live.id)) {
    await engine.apply(mergeGraphs(recordedGraph(await state()), trafficTo(context.provider, live, 'paused').resources), { allowReplace: true })
    await context.provider.compute[live.target]?.drain?.({ app, deployments: [live.id], timeoutMs: drainMsOf(live), signal: context.signal })
  }
  await engine.apply(others.reduce(withoutDeployment, recordedGraph(await state())), { allowReplace: true })
}

/**
 * After a release that failed or was cancelled: what was live before runs again, if it had to make room. Throws nothing. Goes on although the operation was
 * cancelled; nothing starts while anything of the failed one is left.
 */
export async function bringBack(session: AppSession, { failed }: { failed: DeploymentRecord }): Promise<void> {
  const { context, app, state } = session
  const live = liveDeployment(await state(), await session.ledger())
  if (!live || live.id === failed.id || !sharesWriter(live.run, failed.run)) return
  const engine = session.engine.withSignal(session.lease.signal)
  try {
    await endOtherWriters({ ...session, engine }, { others: await otherWriters(session, live) })
    const desired = await desire(session, live)
    const { steps } = await engine.apply(mergeGraphs(recordedGraph(await state()), desired.resources), { allowReplace: true })
    await engine.apply(mergeGraphs(recordedGraph(await state()), desired.resources, desired.workers, trafficTo(context.provider, live, desired).resources), { allowReplace: true })
    // A hook or a check that failed before it had to make room changed nothing.
    if (steps.every(({ action }) => action === 'keep')) return
    context.emit({ type: 'notice', app: app.app, level: 'info', text: `v${live.number} runs again, with the data as v${failed.number} left it.` })
  } catch (error) {
    context.emit({ type: 'notice', app: app.app, level: 'warning', text: `v${live.number} could not be started again: ${toPilotError(error).message}. Try \`release v${live.number}\`.` })
  }
}
