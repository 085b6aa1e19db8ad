import { createHash } from 'node:crypto'
import { chmod, readdir, rename, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { PilotError, type BuildCall, type Builder } from '@pilot/core'
import { freeSpace, readJson, type Home } from '@pilot/host'
import tar from 'tar-fs'
import { hasOwnUsers, isolationNotice } from '../process/isolation.ts'
import { prepareBuildHome, runStep } from './process-run.ts'
import { planProcess, type ProcessPlan } from './process-plan.ts'
import { makeFoldersBelow, relocate, removeEmpty, removeTree, sealTree } from './trees.ts'
import { appFolder, forgetCache, withWorkplace, type Workplace } from './workplace.ts'

/** Raised when the same source would be built to something else. */
const recipe = 3
const leastFreeBytes = 512 * 1024 ** 2
/** Of giving an artifact its lasting place. */
const attempts = 20

/** Of an artifact, below the folder of its platform: project, app, digest. */
const layout = /^[a-z0-9-]+\/[a-z0-9-]+\/[0-9a-f]{64}$/
const digestName = /^[0-9a-f]{64}$/

/** The owner in the tar means nothing here. `chown` is missing in the types. */
const extractOptions = { dmode: 0o755, fmode: 0o644, chown: false } as tar.ExtractOptions

/**
 * Installs and builds a source in a folder of its own, which is the artifact. The same source and arguments are built once per
 * app: an artifact belongs to its platform and app, so that whoever deletes it need not ask anybody else.
 */
export function processBuilder({ home, platformId }: { home: Home; platformId: string }): Builder {
  const artifacts = join(home.paths.reachable, 'artifacts')
  const ours = `${join(artifacts, platformId)}/`
  const isOurs = (location: string): boolean => location.startsWith(ours) && layout.test(location.slice(ours.length))

  return {
    name: 'process',
    target: 'process',
    runsHere: true,
    recipe,

    fits: (facts) => {
      const plan = planProcess(facts)
      return plan && { reason: `${plan.reason}; it runs as a process, without the isolation of a container` }
    },

    async build(call) {
      const title = `${call.app.project}/${call.app.app}`
      const plan = planProcess(call.facts)
      if (!plan) throw new PilotError('NOTHING_DETECTED', `Pilot did not recognise how to run ${title}`)
      const digest = digestOf(call)
      const ofApp = appFolder(platformId, call.app)
      const folder = join(artifacts, ofApp, digest.replace('sha256:', ''))
      const artifact = { digest, type: 'directory' as const, location: folder, command: plan.start }
      if (await exists(folder)) return artifact
      call.log(isolationNotice(hasOwnUsers()))
      await assertSpace(home, title)

      await withWorkplace({
        home,
        title,
        ofApp,
        keepsCache: () => holdsArtifact(dirname(folder)),
        async work(place) {
          await runBuild({ call, plan, place, home, title })
          await place.end()
          await sealTree(place.source, { builder: place.user, title })
          await relocate({ source: place.source, folder })
          call.signal.throwIfAborted()
          await keep(place.source, folder, home)
        },
      })
      return artifact
    },

    exists: async ({ location }) => isOurs(location) && (await exists(location)),

    async remove({ location }) {
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

async function runBuild({ call, plan, place, home, title }: { call: BuildCall; plan: ProcessPlan; place: Workplace; home: Home; title: string }): Promise<void> {
  await pipeline(await call.openSource(), tar.extract(place.source, extractOptions), { signal: call.signal })
  await prepareBuildHome(place)
  for (const folder of [place.source, place.home, place.tmp]) await place.give(folder)
  for (const step of plan.steps) await runStep({ step, call, title, place, home })
}

/** Under its lasting name. The folders above can be passed by the app's user, and not listed. */
async function keep(source: string, folder: string, home: Home): Promise<void> {
  const asRoot = process.getuid?.() === 0
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFoldersBelow(home.paths.reachable, dirname(folder), asRoot ? 0o711 : 0o700)
      await rename(source, folder)
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

/** As an engine refuses to delete an image that a container was made of. */
async function assertUnused(home: Home, location: string): Promise<void> {
  for (const file of await readdir(home.paths.services)) {
    const service = await readJson<{ readonly cwd?: string }>(join(home.paths.services, file)).catch(() => undefined)
    if (service?.cwd === location) throw new PilotError('BLOCKED', `The artifact ${location} is used by the service ${file.replace(/\.json$/, '')}`)
  }
}

/** Node's major version and the machine belong to it: installed packages may hold programs for both. */
function digestOf({ sourceDigest, args, facts }: BuildCall): string {
  const parts = [recipe, sourceDigest, Object.entries(args).sort(), facts.build ?? null, process.platform, process.arch, process.versions.modules]
  return `sha256:${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`
}

async function assertSpace(home: Home, title: string): Promise<void> {
  const free = await freeSpace(home)
  if (free < leastFreeBytes) throw new PilotError('DISK_FULL', `Too little free space to build ${title}`, { reason: `${Math.round(free / 1024 ** 2)} MB are free in ${home.dir}.` })
}

const holdsArtifact = async (ofApp: string): Promise<boolean> => (await readdir(ofApp).catch(() => [])).some((name) => digestName.test(name))
const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined
