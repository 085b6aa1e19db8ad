import { PilotError } from '../errors/pilot-error.ts'
import type { LifecycleContext } from './context.ts'
import { writeDeployment } from './deploy.ts'
import { appItself, countsOf } from './formation.ts'
import { liveDeployment } from './live.ts'
import type { ScaleInput } from './phases.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { refuseWithoutArtifact } from './release.ts'
import { runWithScale } from './scale-carried.ts'
import { appTitle } from './scope.ts'
import { refuseSeveralWriters } from './single-writer.ts'
import { makeLive } from './stage.ts'
import { releaseOfLive, withRelease } from './with-release.ts'

/**
 * More or fewer instances of what runs: the same artifact and configuration released anew with other counts, so that old instances
 * drain as with any release, and a version that does not become healthy changes nothing.
 */
export const scale = (context: LifecycleContext, { app, counts }: ScaleInput): Promise<ReleaseRecord> =>
  withRelease(context, { app, action: 'scale' }, async (session) => {
    const ledger = await session.ledger()
    const current = liveDeployment(await session.state(), ledger)!
    refuseBadCounts(current, counts)
    const { artifact, build, source, configuration, target } = current
    const run = runWithScale(current, { ...current.run.scale, ...counts })
    refuseSeveralWriters({ ...current, run })
    const deployment = await writeDeployment(session, { build: { id: build, artifact, source }, configuration, run, target, force: false })
    const unchanged = await releaseOfLive(session, deployment)
    if (unchanged) return unchanged
    await refuseWithoutArtifact(session, deployment)
    return makeLive(session, { deployment, kind: 'scale' })
  })

/** The most instances of one process, as in the manifest. */
const most = 100

function refuseBadCounts(current: DeploymentRecord, counts: ScaleInput['counts']): void {
  const title = appTitle(current.app)
  if (current.target === 'static') throw new PilotError('USAGE', `${title} is a site, and files have no instances`, { suggestion: 'Scale an app that runs as a container or process.' })
  const now = countsOf(current)
  const known = Object.keys(now)
  const unknown = Object.keys(counts).filter((process) => !known.includes(process))
  if (unknown.length > 0) {
    throw new PilotError('NOT_FOUND', `${title} has no process ${unknown.join(', ')}`, {
      reason: `It has ${known.join(', ')}${known.includes(appItself) ? `; ${appItself} is the app itself` : ''}.`,
      suggestion: known.includes(appItself) ? 'Processes stand in `processes:` of the manifest, or in a Procfile.' : 'This app consists of its processes: scale one of them by name.',
    })
  }
  const wrong = Object.entries(counts).find(([, count]) => !Number.isInteger(count) || count < 0 || count > most)
  if (wrong) throw new PilotError('USAGE', `${wrong[1]} is no number of instances for ${wrong[0]} of ${title}`, { reason: `It takes a whole number from 0 to ${most}.` })
  const next = { ...now, ...counts }
  // Without it the app would have an address that nobody answers; without any process it would be live and do nothing.
  const nothingLeft = known.includes(appItself) ? next[appItself] === 0 : Object.values(next).every((count) => count === 0)
  if (nothingLeft) throw new PilotError('USAGE', `${title} needs at least one instance${known.includes(appItself) ? ` of ${appItself}, which is the app itself` : ''}`, { suggestion: `\`stop ${current.app.app}\` stops all of it and keeps its data.` })
}
