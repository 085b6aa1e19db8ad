import { toPilotError } from '../errors/pilot-error.ts'
import type { Ledger } from './ledger.ts'
import { liveDeployments } from './live.ts'
import type { AppSession } from './session.ts'

/** So many of the newest releases, deployments, configurations and builds of an app are remembered, and what they were made of. */
const keptRecords = 200

/** Forgets what is older, so that an app that is deployed for years is as fast as a new one. Throws nothing. */
export async function forgetOldRecords(session: AppSession): Promise<void> {
  try {
    const old = oldRecords(await session.ledger(), liveDeployments(await session.state()))
    if (Object.values(old).some((records) => records.length > 0)) await session.write.forget(old)
  } catch (error) {
    session.context.log(`Could not forget old records: ${toPilotError(error).message}`)
  }
}

/** Pure. What something refers to that stays, stays. Artifacts of builds this old were deleted long before (`artifacts.ts`). */
export function oldRecords(ledger: Ledger, live: readonly string[], kept = keptRecords): Ledger {
  const releases = ledger.releases.slice(-kept)
  const deployed = new Set([...live, ...releases.flatMap(({ deployment, previous }) => [deployment, previous])])
  const deployments = ledger.deployments.filter(({ id }, index, all) => deployed.has(id) || index >= all.length - kept)
  const builds = new Set([...deployments.map(({ build }) => build), ...ledger.builds.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1)).slice(-kept).map(({ id }) => id)])
  const configurations = new Set([...deployments.map(({ configuration }) => configuration), ...ledger.configurations.slice(-kept).map(({ version }) => version), ledger.configurations.findLast(({ derivedFrom }) => derivedFrom === undefined)?.version])
  return {
    releases: ledger.releases.slice(0, -kept),
    deployments: ledger.deployments.filter((deployment) => !deployments.includes(deployment)),
    configurations: ledger.configurations.filter(({ version }) => !configurations.has(version)),
    builds: ledger.builds.filter(({ id }) => !builds.has(id)),
  }
}
