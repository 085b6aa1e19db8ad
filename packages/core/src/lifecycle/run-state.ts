import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { writeDeployment } from './deploy.ts'
import { mergeGraphs, recordedGraph, trafficTo, withoutDeployment } from './desired.ts'
import { liveDeployment, liveDeployments } from './live.ts'
import { runPhase } from './phase.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { refuseWithoutArtifact } from './release.ts'
import { appTitle } from './scope.ts'
import { withApp, type AppSession } from './session.ts'
import { makeLive } from './stage.ts'

/** The same artifact and configuration anew, released like any deployment: no request fails. */
export const restart = (context: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<ReleaseRecord> =>
  withApp(context, { app, action: 'restart' }, async (session) => {
    const current = liveDeployment(await session.state(), await session.ledger())
    if (!current) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} does not run`, { suggestion: 'Start it with `start`, or deploy it with `up`.' })
    await refuseWithoutArtifact(session, current)
    return makeLive(session, { deployment: await again(session, current), kind: 'restart' })
  })

/** Takes the traffic away and removes what runs; data, records and artifacts stay. */
export const stop = (context: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<{ readonly stopped: boolean }> =>
  withApp(context, { app, action: 'stop' }, async (session) => {
    const live = liveDeployments(await session.state())
    const current = liveDeployment(await session.state(), await session.ledger())
    if (!current) return { stopped: false }
    return runPhase(context, { app, phase: 'drain' }, async () => {
      const traffic = trafficTo(context.provider, current, undefined).resources
      await session.engine.apply(mergeGraphs(recordedGraph(await session.state()), traffic), { allowReplace: true })
      await context.provider.compute[current.target]?.drain?.({ app, deployments: live, timeoutMs: 30_000, signal: context.signal })
      const rest = live.reduce((graph, id) => withoutDeployment(graph, id), recordedGraph(await session.state()))
      await session.engine.apply(rest, { allowReplace: true })
      return { result: { stopped: true } }
    })
  })

/** Brings back what ran last. */
export const start = (context: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<ReleaseRecord> =>
  withApp(context, { app, action: 'start' }, async (session) => {
    const ledger = await session.ledger()
    if (liveDeployment(await session.state(), ledger)) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} runs already`, { suggestion: 'Use `restart` for a fresh start.' })
    const last = ledger.deployments.find(({ id }) => id === ledger.releases.at(-1)?.deployment)
    if (!last) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} was never released`, { suggestion: 'Deploy it with `up`.' })
    await refuseWithoutArtifact(session, last)
    return makeLive(session, { deployment: last, kind: 'restart' })
  })

function again(session: AppSession, { artifact, build, source, configuration, run, target }: DeploymentRecord): Promise<DeploymentRecord> {
  return writeDeployment(session, { build: { id: build, artifact, source }, configuration, run, target, force: true })
}
