import { toPilotError } from '../errors/pilot-error.ts'
import type { ScopeName } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'
import type { Ledger } from './ledger.ts'
import { liveDeployments } from './live.ts'
import type { BuildRecord } from './records.ts'
import { platformScope } from './scope.ts'
import type { AppSession } from './session.ts'

/** The artifacts of so many releases stay, so that a rollback finds them, and as many of the newest builds, which may still be released. */
export const keptReleases = 10

/** What could not be deleted is tried again by so many further releases, not by all that ever come. */
const triedAgain = 20

/** After a release: deletes the artifacts that no rollback goes back to. Throws nothing, since the release is done. */
export async function removeOldArtifacts(session: AppSession): Promise<void> {
  try {
    const old = oldBuilds(await session.ledger(), liveDeployments(await session.state()))
    if (old.length > 0) await removeArtifacts(session, old.slice(-triedAgain))
  } catch (error) {
    session.context.log(`Could not delete old artifacts: ${toPilotError(error).message}`)
  }
}

/** Oldest first. */
export function oldBuilds({ builds, deployments, releases }: Ledger, live: readonly string[]): readonly BuildRecord[] {
  const byAge = builds.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
  const needed = new Set([...live, ...releases.slice(-keptReleases).map(({ deployment }) => deployment), deployments.at(-1)?.id])
  const neededBuilds = new Set([...deployments.filter(({ id }) => needed.has(id)).map(({ build }) => build), ...byAge.slice(-keptReleases).map(({ id }) => id)])
  const kept = new Set(builds.filter(({ id }) => neededBuilds.has(id)).map(({ artifact }) => artifact.location))
  return byAge.filter(({ artifact }) => !kept.has(artifact.location))
}

/** Returns what was deleted. An artifact that another app or environment has built too stays: it is the same content. */
export async function removeArtifacts({ context, scope }: AppSession, builds: readonly BuildRecord[]): Promise<readonly string[]> {
  const shared = await artifactsElsewhere(context, scope.name)
  const own = [...new Map(builds.map((build) => [build.artifact.location, build])).values()].filter(({ artifact }) => !shared.has(artifact.location))
  const removed = await Promise.all(
    own.map(async ({ builder: name, artifact }) => {
      const builder = context.provider.builders.find((candidate) => candidate.name === name)
      if (!builder?.remove) return []
      try {
        await builder.remove(artifact, context.signal)
        return [`artifact ${artifact.location}`]
      } catch (error) {
        context.log(`Could not delete the artifact ${artifact.location}: ${toPilotError(error).message}`)
        return []
      }
    }),
  )
  return removed.flat()
}

async function artifactsElsewhere({ store }: LifecycleContext, own: ScopeName): Promise<ReadonlySet<string>> {
  const others = (await store.scopes()).filter((name) => name !== own && name !== platformScope)
  const builds = await Promise.all(others.map((name) => store.scope(name).listRecords<BuildRecord>('build')))
  return new Set(builds.flat().map(({ record }) => record.artifact.location))
}
