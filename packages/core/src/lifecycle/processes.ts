import { mergeGraphs, recordedGraph, withoutDeployment, type DesiredDeployment } from './desired.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import { workersKeyPrefix } from './scope.ts'
import type { AppSession } from './session.ts'

/**
 * What a release does beside moving traffic, in this order: the release command of the new version to its end, its instances until
 * they are healthy, its workers until they keep running, traffic, and at once the end of the old version's workers, while open
 * requests of its instances still end. So two versions of a worker run side by side for as long as it takes to see that the new one
 * stays up. docs/decisions/0044.
 */

/** A rollback, a restart, a start and `scale` bring back what has been released before: its migrations are done. */
export const isPrepared = (kind: ReleaseRecord['kind']): boolean => kind !== 'release' && kind !== 'configuration'

/** With the database and the links that the new version will have, before anything of it starts: it may need the new tables to become healthy. */
export async function runReleaseCommand(session: AppSession, { desired, deployment }: { desired: DesiredDeployment; deployment: DeploymentRecord }): Promise<void> {
  if (desired.releaseTask.length === 0) return
  await session.engine.apply(mergeGraphs(recordedGraph(await session.state()), withoutDeployment(desired.resources, deployment.id), desired.releaseTask), { allowReplace: true })
}

export async function startWorkers(session: AppSession, { desired }: { desired: DesiredDeployment }): Promise<void> {
  if (desired.workers.length === 0) return
  await session.engine.apply(mergeGraphs(recordedGraph(await session.state()), desired.resources, desired.workers), { allowReplace: true })
}

/** They get SIGTERM and the time to end what they work on; their web instances stay. */
export async function stopWorkers(session: AppSession, deployments: readonly DeploymentRecord['id'][]): Promise<void> {
  const recorded = recordedGraph(await session.state())
  const remaining = recorded.filter(({ key }) => !deployments.some((id) => key.startsWith(workersKeyPrefix(id))))
  if (remaining.length < recorded.length) await session.engine.apply(remaining, { allowReplace: true })
}
