import { countsOf } from './formation.ts'
import { lastFullRelease, liveDeployment } from './live.ts'
import type { DeploymentRecord, RunSpec } from './records.ts'
import type { AppSession } from './session.ts'

/**
 * How many instances run is decided by today's load, not by the version: what `scale` said goes over from release to release, to a
 * rollback too. It stands in the deployment that was released last, so that a change that failed leaves nothing behind.
 */
export async function currentScale({ ledger, state }: AppSession): Promise<RunSpec['scale']> {
  const records = await ledger()
  const last = liveDeployment(await state(), records) ?? records.deployments.find(({ id }) => id === lastFullRelease(records)?.deployment)
  return last?.run.scale
}

/** How a version runs with these counts. What it says itself, and processes that it does not have, need no entry: then its own numbers count again. */
export function runWithScale({ artifact, run }: Pick<DeploymentRecord, 'artifact' | 'run'>, wanted: RunSpec['scale'] = {}): RunSpec {
  const { scale: _, ...own } = run
  const counts = countsOf({ artifact, run: own })
  const scale = Object.fromEntries(Object.entries(wanted).filter(([process, count]) => Object.hasOwn(counts, process) && counts[process] !== count).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  if (Object.keys(scale).length === 0) return own
  const result = { ...own, scale }
  // A version of workers alone, none of which would run: rather its own numbers.
  return Object.values(countsOf({ artifact, run: result })).some((count) => count > 0) ? result : own
}
