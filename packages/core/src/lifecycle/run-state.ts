import type { AppIdentity } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { writeDeployment } from './deploy.ts'
import { mergeGraphs, recordedGraph, trafficTo, withoutDeployments } from './desired.ts'
import { findDeployment } from './ledger.ts'
import { lastFullRelease, liveDeployment, liveDeployments } from './live.ts'
import { runPhase } from './phase.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { refuseWithoutArtifact } from './release.ts'
import { withApp, type AppSession } from './session.ts'
import { makeLive } from './stage.ts'
import { withRelease } from './with-release.ts'
import { drainMsOf } from './drain.ts'

/** The same artifact and configuration anew, released like any deployment: no request fails. */
export const restart = (context: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'restart' }, async (session) => {
    const current = liveDeployment(await session.state(), await session.ledger())!
    await refuseWithoutArtifact(session, current)
    return makeLive(session, { deployment: await again(session, current), kind: 'restart' })
  })

/** Takes the traffic away and removes what runs; data, records and artifacts stay. */
export const stop = (context: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<{ readonly stopped: true }> =>
  withApp(context, { app, action: 'stop', resume: async (session) => (liveDeployments(await session.state()).length === 0 ? stopIn(session) : undefined) }, stopIn)

/** When an earlier attempt took the traffic away, removes what that one left. */
function stopIn(session: AppSession): Promise<{ readonly stopped: true }> {
  const { context, app, engine } = session
  return runPhase(context, { app, phase: 'drain' }, async () => {
    const deployments = liveDeployments(await session.state())
    const current = liveDeployment(await session.state(), await session.ledger())
    if (current) {
      const traffic = trafficTo(context.provider, current, undefined).resources
      await engine.apply(mergeGraphs(recordedGraph(await session.state()), traffic), { allowReplace: true })
      await context.provider.compute[current.target]?.drain?.({ app, deployments, timeoutMs: drainMsOf(current), signal: context.signal })
    }
    await engine.apply(withoutDeployments(recordedGraph(await session.state())), { allowReplace: true })
    return { result: { stopped: true } }
  })
}

/** Brings back what ran last. */
export const start = (context: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'start' }, async (session) => {
    const ledger = await session.ledger()
    const last = findDeployment(ledger, app, (lastFullRelease(ledger) ?? ledger.releases.at(-1)!).deployment)
    await refuseWithoutArtifact(session, last)
    return makeLive(session, { deployment: last, kind: 'restart' })
  })

function again(session: AppSession, { artifact, build, source, configuration, run, target }: DeploymentRecord): Promise<DeploymentRecord> {
  return writeDeployment(session, { build: { id: build, artifact, source }, configuration, run, target, force: true })
}
