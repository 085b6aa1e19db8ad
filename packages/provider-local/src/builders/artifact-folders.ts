import { execFile } from 'node:child_process'
import { chmod, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { PilotError, type AppIdentity, type BuildCall } from '@pilot/core'
import { freeSpace, makeSure, readJson, type Home, type Route } from '@pilot/host'
import tar from 'tar-fs'
import { prepareBuildHome, runStep } from './process-run.ts'
import type { Step } from './process-plan.ts'
import { makeFoldersBelow, removeEmpty, removeTree, sealTree } from './trees.ts'
import { appFolder, forgetCache, withWorkplace, type Workplace } from './workplace.ts'

const leastFreeBytes = 512 * 1024 ** 2
/** Of giving an artifact its lasting place. */
const attempts = 20

/** Of an artifact, below the folder of its platform: project, app, digest. */
const layout = /^[a-z0-9-]+\/[a-z0-9-]+\/[0-9a-f]{64}$/
const digestName = /^[0-9a-f]{64}$/

/** The owner in the tar means nothing here. `chown` is missing in the types. */
export const extractOptions = { dmode: 0o755, fmode: 0o644, chown: false } as tar.ExtractOptions

/**
 * Artifacts that are folders of this home. Each belongs to its platform and app, so that whoever deletes it need not ask anybody
 * else.
 */
export interface ArtifactFolders {
  /** Where an artifact of this digest lies. */
  folderOf(app: AppIdentity, digest: string): string
  /** Runs the steps in the unpacked source, seals what is there, and keeps what `finish` names; nothing when it is there already. */
  make(call: { readonly call: BuildCall; readonly folder: string; readonly steps: readonly Step[]; readonly finish: (place: Workplace) => Promise<string> }): Promise<void>
  /** Whether the app has any. */
  holdsAny(app: AppIdentity): Promise<boolean>
  exists(location: string): Promise<boolean>
  /** Throws BLOCKED while something runs or serves it. Absent is success. */
  remove(location: string): Promise<void>
}

export function artifactFolders({ home, platformId }: { home: Home; platformId: string }): ArtifactFolders {
  const artifacts = join(home.paths.reachable, 'artifacts')
  const ours = `${join(artifacts, platformId)}/`
  const isOurs = (location: string): boolean => location.startsWith(ours) && layout.test(location.slice(ours.length))

  return {
    folderOf: (app, digest) => join(artifacts, appFolder(platformId, app), digest.replace('sha256:', '')),

    async make({ call, folder, steps, finish }) {
      if (await exists(folder)) return
      const title = `${call.app.project}/${call.app.app}`
      await assertSpace(home, title)
      await withWorkplace({
        home,
        title,
        ofApp: appFolder(platformId, call.app),
        keepsCache: () => holdsArtifact(dirname(folder)),
        async work(place) {
          await pipeline(await call.openSource(), tar.extract(place.source, extractOptions), { signal: call.signal })
          await prepareBuildHome(place)
          for (const given of [place.source, place.home, place.tmp]) await place.give(given)
          for (const step of steps) await runStep({ step, call, what: `The build of ${title}`, place, home })
          await place.end()
          await sealTree(place.source, { builder: place.user, title })
          const made = await finish(place)
          call.signal.throwIfAborted()
          await keep(made, folder, home)
        },
      })
    },

    holdsAny: (app) => holdsArtifact(join(artifacts, appFolder(platformId, app))),

    exists: async (location) => isOurs(location) && (await exists(location)),

    async remove(location) {
      if (!isOurs(location)) return
      await assertUnused(home, location)
      // Moved first: half of an artifact is none.
      const removed = `${location}.removed`
      await removeTree(removed)
      if (await exists(location)) await rename(location, removed)
      await removeTree(removed)
      await removeEmpty(dirname(location), { top: artifacts })
      if (!(await holdsArtifact(dirname(location)))) await forgetCache({ home, ofApp: relative(artifacts, dirname(location)) })
    },
  }
}

/** Under its lasting name. The folders above can be passed by the app's user, and not listed. */
async function keep(source: string, folder: string, home: Home): Promise<void> {
  const asRoot = process.getuid?.() === 0
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFoldersBelow(home.paths.reachable, dirname(folder), asRoot ? 0o711 : 0o700)
      await syncFileSystem(source)
      await rename(source, folder)
      makeSure(folder)
      break
    } catch (error) {
      // The same source was built by another job at the same moment.
      if (await exists(folder)) break
      // Another environment deletes the last artifacts of the app, and each of these deletions takes the folders above, one by one.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === attempts) throw error
    }
  }
  if (asRoot) await chmod(folder, 0o555)
}

/**
 * An artifact that is there is never built again, so it must be whole after a power cut too. Flushing each of ten thousand files
 * would take minutes; where there is no such command, the kernel does it in half a minute by itself.
 */
async function syncFileSystem(folder: string): Promise<void> {
  await promisify(execFile)('sync', process.platform === 'linux' ? ['-f', folder] : []).catch(() => {})
}

/** As an engine refuses to delete an image that a container was made of. */
async function assertUnused(home: Home, location: string): Promise<void> {
  for (const file of await readdir(home.paths.services)) {
    const service = await readJson<{ readonly cwd?: string }>(join(home.paths.services, file)).catch(() => undefined)
    if (service?.cwd === location) throw new PilotError('BLOCKED', `The artifact ${location} is used by the service ${file.replace(/\.json$/, '')}`)
  }
  for (const file of await readdir(home.paths.routes)) {
    const route = await readJson<Partial<Route>>(join(home.paths.routes, file)).catch(() => undefined)
    const isServed = route?.weights?.some(({ upstreams }) => upstreams.some((upstream) => 'folder' in upstream && upstream.folder === location))
    if (isServed) throw new PilotError('BLOCKED', `The artifact ${location} is served by the route ${file.replace(/\.json$/, '')}`)
  }
}

async function assertSpace(home: Home, title: string): Promise<void> {
  const free = await freeSpace(home)
  if (free < leastFreeBytes) throw new PilotError('DISK_FULL', `Too little free space to build ${title}`, { reason: `${Math.round(free / 1024 ** 2)} MB are free in ${home.dir}.` })
}

const holdsArtifact = async (ofApp: string): Promise<boolean> => (await readdir(ofApp).catch(() => [])).some((name) => digestName.test(name))
const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined
