import { createHash, randomBytes } from 'node:crypto'
import { chmod, lchown, lstat, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { PilotError, type BuildCall, type Builder } from '@pilot/core'
import { freeSpace, type Home } from '@pilot/host'
import tar from 'tar-fs'
import { hasOwnUsers, isolationNotice } from '../process/isolation.ts'
import { findBuildUser, prepareBuildHome, runStep, type BuildUser } from './process-run.ts'
import { planProcess } from './process-plan.ts'

/** Raised when the same source would be built to something else. */
const recipe = 2
const leastFreeBytes = 512 * 1024 ** 2

/** The owner in the tar means nothing here. `chown` is missing in the types. */
const extractOptions = { dmode: 0o755, fmode: 0o644, chown: false } as tar.ExtractOptions

/** Installs and builds a source in a folder of its own, which is the artifact. The same source and arguments are built once. */
export function processBuilder(home: Home): Builder {
  const artifacts = join(home.paths.reachable, 'artifacts')
  const folderOf = (digest: string): string => join(artifacts, digest.replace('sha256:', ''))

  return {
    name: 'process',
    target: 'process',
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
      const folder = folderOf(digest)
      const artifact = { digest, type: 'directory' as const, location: folder, command: plan.start }
      if (await exists(folder)) return artifact
      call.log(isolationNotice(hasOwnUsers()))
      await assertSpace(home, title)

      const work = join(home.paths.reachable, 'builds', randomBytes(6).toString('hex'))
      try {
        const user = await findBuildUser(home)
        await makeWork(home, work, user)
        const source = join(work, 'source')
        await pipeline(await call.openSource(), tar.extract(source, extractOptions), { signal: call.signal })
        if (user) await give(source, user)
        await prepareBuildHome(work, user)
        for (const step of plan.steps) await runStep({ step, call, title, work, user, home })
        await relocate({ source, folder })
        await seal(source)
        await mkdir(artifacts, { recursive: true })
        await chmod(artifacts, user ? 0o711 : 0o700)
        call.signal.throwIfAborted()
        await rename(source, folder).catch(async (error: unknown) => {
          // The same source was built by another job at the same moment.
          if (!(await exists(folder))) throw error
        })
        if (process.getuid?.() === 0) await chmod(folder, 0o555)
        return artifact
      } finally {
        await rm(work, { recursive: true, force: true })
      }
    },

    exists: ({ location }) => exists(location),

    async remove({ digest }) {
      await rm(folderOf(digest), { recursive: true, force: true })
    },
  }
}

/** Node's major version and the machine belong to it: installed packages may hold programs for both. */
function digestOf({ sourceDigest, args, facts }: BuildCall): string {
  const parts = [recipe, sourceDigest, Object.entries(args).sort(), facts.build ?? null, process.platform, process.arch, process.versions.modules]
  return `sha256:${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`
}

async function makeWork(home: Home, work: string, user: BuildUser | undefined): Promise<void> {
  const builds = join(home.paths.reachable, 'builds')
  await mkdir(builds, { recursive: true })
  await chmod(builds, user ? 0o711 : 0o700)
  await mkdir(work, { mode: 0o700 })
  await mkdir(join(work, 'source'), { mode: 0o755 })
  if (user) await give(work, user)
}

/** Programs of a Python environment carry the path of the folder they were made in, in their first line and a few small files. */
async function relocate({ source, folder }: { source: string; folder: string }): Promise<void> {
  const bin = join(source, '.venv/bin')
  const files = [join(source, '.venv/pyvenv.cfg'), ...(await readdir(bin).catch(() => [])).map((name) => join(bin, name))]
  for (const file of files) {
    const info = await lstat(file).catch(() => undefined)
    if (!info?.isFile() || info.size > 1024 ** 2) continue
    const text = await readFile(file, 'latin1')
    if (text.includes(source) && !text.includes('\u0000')) await writeFile(file, text.replaceAll(source, folder), 'latin1')
  }
}

/**
 * Readable for the app's user and changed by nobody. As root all of it is given back to root; else folders stay as they are,
 * since the app runs as their owner anyway, and a folder that cannot be written cannot be deleted either.
 */
async function seal(folder: string): Promise<void> {
  const asRoot = process.getuid?.() === 0
  await walk(folder, async (path, { isLink, isDirectory, mode }) => {
    if (asRoot) await lchown(path, 0, 0)
    if (isLink || (isDirectory && !asRoot)) return
    // The folder itself is still to be moved, which takes the right to write in it.
    if (path !== folder) await chmod(path, (mode | 0o444 | (mode & 0o100 ? 0o111 : 0)) & 0o555)
  })
}

interface Entry {
  readonly isLink: boolean
  readonly isDirectory: boolean
  readonly mode: number
}

/** Parents first; links are not followed. */
async function walk(path: string, visit: (path: string, entry: Entry) => Promise<unknown>): Promise<void> {
  const info = await lstat(path)
  const entry = { isLink: info.isSymbolicLink(), isDirectory: info.isDirectory(), mode: info.mode & 0o777 }
  await visit(path, entry)
  if (!entry.isDirectory) return
  const names = await readdir(path)
  for (let i = 0; i < names.length; i += 32) await Promise.all(names.slice(i, i + 32).map((name) => walk(join(path, name), visit)))
}

async function give(folder: string, { uid, gid }: BuildUser): Promise<void> {
  await walk(folder, (path) => lchown(path, uid, gid))
}

async function assertSpace(home: Home, title: string): Promise<void> {
  const free = await freeSpace(home)
  if (free < leastFreeBytes) throw new PilotError('DISK_FULL', `Too little free space to build ${title}`, { reason: `${Math.round(free / 1024 ** 2)} MB are free in ${home.dir}.` })
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined
