import { toPilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { Builder } from '../provider/builder.ts'
import type { LifecycleContext } from './context.ts'
import type { Ledger } from './ledger.ts'
import { liveDeployments } from './live.ts'
import type { BuildRecord } from './records.ts'
import { appScope } from './scope.ts'
import type { AppSession } from './session.ts'
import { listApps } from './status.ts'

/** The artifacts of so many releases stay, so that a rollback finds them, and as many of the newest builds, which may still be released. */
export const keptReleases = 10

/** So many artifacts one release deletes; what remains waits for the next one. */
const deletedPerRelease = 20
const askedAtOnce = 10

/** After a release: deletes the artifacts that no rollback goes back to. Throws nothing, since the release is done. */
export async function removeOldArtifacts(session: AppSession): Promise<void> {
  try {
    const inUse = (await session.context.deploymentsInUse?.(session.app)) ?? []
    const there = await thoseThere(session, oldBuilds(await session.ledger(), [...liveDeployments(await session.state()), ...inUse]))
    if (there.length > 0) await removeArtifacts(session, there, { atMost: deletedPerRelease })
  } catch (error) {
    session.context.log(`Could not delete old artifacts: ${toPilotError(error).message}`)
  }
}

/** Oldest first. */
function oldBuilds({ builds, deployments, releases }: Ledger, live: readonly string[]): readonly BuildRecord[] {
  const byAge = builds.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
  const needed = new Set([...live, ...releases.slice(-keptReleases).map(({ deployment }) => deployment), deployments.at(-1)?.id])
  const neededBuilds = new Set([...deployments.filter(({ id }) => needed.has(id)).map(({ build }) => build), ...byAge.slice(-keptReleases).map(({ id }) => id)])
  const kept = new Set(builds.filter(({ id }) => neededBuilds.has(id)).map(({ artifact }) => artifact.location))
  return byAge.filter(({ artifact }) => !kept.has(artifact.location))
}

/** Returns what was deleted. An artifact that another environment of the app has built too stays: it is the same content. */
export async function removeArtifacts({ context, app }: AppSession, builds: readonly BuildRecord[], { atMost }: { readonly atMost?: number } = {}): Promise<readonly string[]> {
  const shared = await artifactsElsewhere(context, app)
  const own = oncePerLocation(builds).filter(({ artifact }) => !shared.has(artifact.location))
  const removed = await Promise.all(
    own.slice(0, atMost).map(async (build) => {
      const { artifact } = build
      const builder = builderOf(context, build)
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

/**
 * Records outlive their artifacts, so most of the old ones are gone: those that an earlier release deleted, oldest first. So it
 * looks from the newest on, and no further than where all are gone. One that cannot be asked for counts as there.
 */
async function thoseThere({ context }: AppSession, oldestFirst: readonly BuildRecord[]): Promise<readonly BuildRecord[]> {
  const builds = oncePerLocation(oldestFirst)
  const found: BuildRecord[] = []
  for (let end = builds.length; end > 0; end -= askedAtOnce) {
    const there = (await Promise.all(builds.slice(Math.max(0, end - askedAtOnce), end).map(ifThere))).flat()
    if (there.length === 0) break
    found.unshift(...there)
  }
  return found

  async function ifThere(build: BuildRecord): Promise<readonly BuildRecord[]> {
    const builder = builderOf(context, build)
    const isThere = builder?.remove !== undefined && (await builder.exists(build.artifact, context.signal).catch(() => true))
    return isThere ? [build] : []
  }
}

/** A location belongs to its platform, project and app. */
async function artifactsElsewhere({ store }: LifecycleContext, { project, app, environment }: AppIdentity): Promise<ReadonlySet<string>> {
  const others = (await listApps({ store }, { project, app })).filter((other) => other.environment !== environment)
  const builds = await Promise.all(others.map((other) => store.scope(appScope(other)).listRecords<BuildRecord>('build')))
  return new Set(builds.flat().map(({ record }) => record.artifact.location))
}

const oncePerLocation = (builds: readonly BuildRecord[]): readonly BuildRecord[] => [...new Map(builds.map((build) => [build.artifact.location, build])).values()]

const builderOf = ({ provider }: LifecycleContext, { builder: name }: BuildRecord): Builder | undefined => provider.builders.find((builder) => builder.name === name)
