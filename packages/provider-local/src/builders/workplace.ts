import { chown, mkdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PilotError, type AppIdentity } from '@pilot/core'
import { endAll, endAllOf, ensureSystemUser, processesMarked, tryFileLock, type FileLock, type Home, type SystemUser } from '@pilot/host'
import { hasOwnUsers } from '../process/isolation.ts'
import { giveTree, makeFolder, moveAwayAndRemove, removeEmpty, removeTree } from './trees.ts'

export type BuildUser = SystemUser

/**
 * Where one build happens. Its scripts are other people's code: as root on Linux they run as a system user that this build has
 * for itself, so that what they leave running can be told from everything else, and ended.
 */
export interface Workplace {
  /** Ours, so that the build cannot put something else in the place of the folders in it, which are the build's own. */
  readonly dir: string
  readonly source: string
  /** HOME and TMPDIR last as long as the build. */
  readonly home: string
  readonly tmp: string
  /** What package managers download; as root nobody but builds of this app has ever written to it. */
  readonly cache: string
  /** Undefined: the user of the home. */
  readonly user: BuildUser | undefined
  /** In the environment of all that the build starts. */
  readonly mark: Readonly<Record<string, string>>
  /** Gives a folder in `dir` to the build. */
  give(folder: string): Promise<void>
  /** Ends everything that the build started and still runs. Afterwards, and not before, its folders are safe to work in. */
  end(): Promise<void>
}

interface PlaceCall<T> {
  readonly home: Home
  readonly title: string
  /** See `appFolder`. The app's cache rests there. */
  readonly ofApp: string
  /** Whether the app has something that outlives the build: with the last of it goes the cache, so without it none may stay. */
  readonly keepsCache: () => Promise<boolean>
  readonly work: (place: Workplace) => Promise<T>
}

/** One folder per app, the same in each place where something is kept by app: nothing of it is another app's or platform's. */
export const appFolder = (platformId: string, { project, app }: AppIdentity): string => join(platformId, project, app)

/** Gives a place to `work` for itself alone, and leaves nothing of it but the cache. */
export async function withWorkplace<T>({ home, title, ofApp, keepsCache, work }: PlaceCall<T>): Promise<T> {
  const { number, lock } = await takeNumber(home)
  const cacheFolder = join(cachesFolder(home), ofApp)
  try {
    const user = hasOwnUsers() ? await ensureSystemUser(`pilot-build-${number}`) : undefined
    const place = placeOf({ home, number, user, title })
    // A build that was killed left these.
    await place.end()
    await removeTree(place.dir)
    try {
      await makePlace(place)
      await takeCache(place, cacheFolder)
      return await work(place)
    } finally {
      await place.end()
      await keepCache(place, cacheFolder)
      // Asked only now: whoever deletes the app's last artifact at this moment may have looked for a cache before this one lay there.
      if (!(await keepsCache())) await forgetCache({ home, ofApp })
      await removeTree(place.dir)
    }
  } finally {
    await lock.release()
  }
}

/** Deletes what the builds of an app downloaded. Builds that run now keep what they have, and those that begin find nothing. */
export async function forgetCache({ home, ofApp }: { home: Home; ofApp: string }): Promise<void> {
  const cache = join(cachesFolder(home), ofApp)
  await moveAwayAndRemove(cache)
  await removeEmpty(dirname(cache), { top: cachesFolder(home) })
}

const cachesFolder = (home: Home): string => join(home.paths.reachable, 'build-cache')

/** The lowest that is free. All homes of root share the users, so they share the numbers. */
async function takeNumber(home: Home): Promise<{ readonly number: number; readonly lock: FileLock }> {
  const folder = hasOwnUsers() ? join(dirname(home.paths.reachable), 'build-users') : join(home.paths.reachable, 'builds')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (let number = 1; ; number++) {
    const lock = await tryFileLock(join(folder, `${number}.lock`))
    if (!('heldBy' in lock)) return { number, lock }
  }
}

function placeOf({ home, number, user, title }: { home: Home; number: number; user: BuildUser | undefined; title: string }): Workplace {
  const dir = join(home.paths.reachable, 'builds', String(number))
  const mark = { PILOT_BUILD_MARK: `${home.id}/${number}/` }
  return {
    dir,
    source: join(dir, 'source'),
    home: join(dir, 'home'),
    tmp: join(dir, 'tmp'),
    cache: user ? join(dir, 'cache') : cachesFolder(home),
    user,
    mark,
    async give(folder) {
      if (user) await giveTree(folder, user)
    },
    async end() {
      const left = user ? await endAllOf(user) : await endAll(() => processesMarked(`PILOT_BUILD_MARK=${mark.PILOT_BUILD_MARK}`))
      if (left.length > 0) throw new PilotError('BUILD_FAILED', `What the build of ${title} started cannot be ended`, { reason: `These processes are still there: ${left.join(', ')}.`, suggestion: 'End them, then try again.' })
    },
  }
}

async function makePlace({ dir, source, home, tmp, user }: Workplace): Promise<void> {
  const mode = user ? 0o711 : 0o700
  await makeFolder(dirname(dir), mode)
  await makeFolder(dir, mode)
  for (const folder of [source, home, tmp]) await makeFolder(folder, 0o700)
}

/**
 * At rest a cache lies where no build user can pass; it is moved into the place of the build. One per user, so that nothing has
 * to change its owner: builds that follow each other get the same user.
 */
async function takeCache({ cache, user }: Workplace, cacheFolder: string): Promise<void> {
  if (!user) return void (await makeFolder(cache, 0o700))
  await rename(join(cacheFolder, String(user.uid)), cache).catch(() => makeFolder(cache, 0o700))
  await chown(cache, user.uid, user.gid)
}

/** A cache that is lost is downloaded again, so nothing here makes a build fail. */
async function keepCache({ cache, user }: Workplace, cacheFolder: string): Promise<void> {
  if (!user) return
  const kept = join(cacheFolder, String(user.uid))
  // Kept by another build of the app meanwhile, deleted with its last artifact, or never made.
  await mkdir(cacheFolder, { recursive: true, mode: 0o700 }).then(() => rename(cache, kept)).catch(() => {})
}
