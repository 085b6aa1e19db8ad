import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile, readlink, realpath, lstat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withFileLock } from '@pilot/host'
import Docker from 'dockerode'
import { pack, type Pack } from 'tar-stream'

/**
 * Base images for tests, made of what this machine has, under the names that Dockerfiles use: tests then build what a user
 * would write, where no registry can be reached. An image of that name that is not ours (a real one) is left alone and used.
 */
export interface BaseImages {
  /** Which of the wanted names were made now; the others were there. */
  readonly made: readonly string[]
}

const run = promisify(execFile)
const contentLabel = 'pilot.test-base-image'
/** Raised when the recipe below changes. */
const recipe = 3

interface Recipe {
  /** Files of this machine that the content depends on. */
  readonly sources: () => Promise<readonly string[]>
  readonly write: (image: ImageWriter) => Promise<void>
  /** Dockerfile instructions. */
  readonly changes: readonly string[]
}

const certificates = '/etc/ssl/certs/ca-certificates.crt'
const path = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const busybox: Recipe = { sources: async () => [busyboxFile], write: writeBase, changes: [path, 'CMD ["sh"]'] }

const node: Recipe = {
  sources: async () => [busyboxFile, nodeFile()],
  // Node and npm trust what this machine trusts: it may reach the registry only through a proxy with a certificate of its own.
  changes: [path, 'ENV NODE_VERSION=24', `ENV NODE_EXTRA_CA_CERTS=${certificates}`, 'CMD ["node"]'],
  async write(image) {
    await writeBase(image)
    await run(nodeFile(), ['--version'])
    await image.file(nodeFile(), '/usr/local/bin/node')
    for (const library of await librariesOf(nodeFile())) await image.file(library, library)
    const npm = await npmFolder()
    if (npm === undefined) return
    await image.folder(npm, '/usr/local/lib/node_modules/npm')
    image.link('/usr/local/bin/npm', '../lib/node_modules/npm/bin/npm-cli.js')
    image.link('/usr/local/bin/npx', '../lib/node_modules/npm/bin/npx-cli.js')
  },
}

/** The first pattern that fits a name says how it is made. */
const recipes: readonly (readonly [RegExp, Recipe])[] = [
  [/^node:/, node],
  [/^(busybox|alpine)(:|$)/, busybox],
]

/** Makes the images that are missing; the same content is made once per engine. Throws when a name has no recipe or a part is not installed. */
export async function ensureBaseImages(names: readonly string[], { docker = new Docker() }: { docker?: Docker } = {}): Promise<BaseImages> {
  const made: string[] = []
  // Test files run side by side: one of them makes an image, the others find it.
  await withFileLock(join(tmpdir(), 'pilot-test-base-images.lock'), async () => {
    for (const name of names) if (await ensureBaseImage(docker, name)) made.push(name)
  }, { timeoutMs: 120_000 })
  return { made }
}

async function ensureBaseImage(docker: Docker, name: string): Promise<boolean> {
  const recipe = recipes.find(([pattern]) => pattern.test(name))?.[1]
  if (!recipe) throw new Error(`There is no recipe for the base image ${name}: add one to docker-base-images.ts`)
  const [repository, tag = 'latest'] = name.split(':') as [string, string?]
  const there = await docker.getImage(`${repository}:${tag}`).inspect().catch(absent)
  const hash = await contentHash(recipe)
  const isForeign = there !== undefined && there.Config.Labels?.[contentLabel] === undefined
  if (isForeign || isBaseOf(there, hash)) return false

  const same = await findBase(docker, hash)
  if (same) {
    await docker.getImage(same).tag({ repo: repository, tag })
    return true
  }
  const tar = pack()
  const image = new ImageWriter(tar)
  const written = recipe.write(image).then(() => tar.finalize(), (error: Error) => tar.destroy(error))
  const response = await docker.importImage(tar as unknown as NodeJS.ReadableStream, { repo: repository, tag, changes: [...recipe.changes, `LABEL ${contentLabel}=${hash}`] as never })
  await written
  await new Promise<void>((resolve, reject) => docker.modem.followProgress(response, (error: Error | null) => (error ? reject(error) : resolve())))
  // What an older recipe made, unless an image of somebody stands on it.
  if (there) await docker.getImage(there.Id).remove().catch(() => {})
  return true
}

/** Images that were built upon a base image inherit its label; the base itself has one layer, as it was imported. */
const isBaseOf = (image: Docker.ImageInspectInfo | undefined, hash: string): boolean => image?.Config.Labels?.[contentLabel] === hash && image.RootFS.Layers?.length === 1

async function findBase(docker: Docker, hash: string): Promise<string | undefined> {
  for (const { Id } of await docker.listImages({ filters: { label: [`${contentLabel}=${hash}`] } })) {
    if (isBaseOf(await docker.getImage(Id).inspect().catch(absent), hash)) return Id
  }
  return undefined
}

const busyboxFile = '/bin/busybox'

/** The pinned Node of the workspace, so that the image does not depend on which Node runs the tests. */
function nodeFile(): string {
  const pinned = join(import.meta.dirname, `../../node_modules/node-linux-${process.arch}/bin/node`)
  return existsSync(pinned) ? pinned : process.execPath
}

async function npmFolder(): Promise<string | undefined> {
  const candidates = ['/usr/lib/node_modules/npm', '/usr/local/lib/node_modules/npm', join(process.execPath, '../../lib/node_modules/npm'), '/usr/share/nodejs/npm']
  return candidates.find((folder) => existsSync(join(folder, 'bin/npm-cli.js')))
}

async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await run('ldd', [program])
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, library]) => library!)
}

/** A shell, the usual users, a name service and certificates. */
async function writeBase(image: ImageWriter): Promise<void> {
  if (!existsSync(busyboxFile)) throw new Error(`${busyboxFile} is missing: install busybox-static`)
  await image.file(busyboxFile, '/bin/busybox')
  const { stdout } = await run(busyboxFile, ['--list'])
  for (const applet of stdout.trim().split('\n').sort()) if (applet !== 'busybox') image.link(`/bin/${applet}`, 'busybox')
  image.link('/usr/bin/env', '/bin/busybox')
  image.text('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\nnode:x:1000:1000::/home/node:/bin/sh\n')
  image.text('/etc/group', 'root:x:0:\nnogroup:x:65534:\nnode:x:1000:\n')
  image.text('/etc/nsswitch.conf', 'hosts: files dns\n')
  image.directory('/root', { mode: 0o700 })
  image.directory('/home/node', { owner: 1000 })
  image.directory('/tmp', { mode: 0o1777 })
  if (existsSync(certificates)) await image.file(await realpath(certificates), certificates)
}

async function contentHash({ sources, changes }: Recipe): Promise<string> {
  const files = await Promise.all((await sources()).map(async (file) => [file, (await lstat(await realpath(file))).size]))
  return createHash('sha256').update(JSON.stringify([recipe, changes, files])).digest('hex').slice(0, 16)
}

/** Entries with one fixed time and owner, so that the same files give the same layer. */
class ImageWriter {
  readonly #tar: Pack

  constructor(tar: Pack) {
    this.#tar = tar
  }

  text(name: string, content: string | Buffer, { mode = 0o644 }: { mode?: number } = {}): void {
    this.#tar.entry({ ...common(name), mode }, content)
  }

  link(name: string, target: string): void {
    this.#tar.entry({ ...common(name), type: 'symlink', linkname: target })
  }

  directory(name: string, { mode = 0o755, owner = 0 }: { mode?: number; owner?: number } = {}): void {
    this.#tar.entry({ ...common(name), type: 'directory', mode, uid: owner, gid: owner })
  }

  /** Waits until the engine has taken it, so that a large file is not held in memory twice. */
  async file(from: string, name: string): Promise<void> {
    const { mode, size } = await lstat(await realpath(from))
    const content = await readFile(from)
    // An installation beside the tests replaces files, and half a program would be an image that starts nothing.
    if (content.length !== size) throw new Error(`${from} changed while it was read: run the tests again`)
    await new Promise<void>((resolve, reject) => this.#tar.entry({ ...common(name), mode: mode & 0o777 }, content, (error) => (error ? reject(error) : resolve())))
  }

  async folder(from: string, name: string): Promise<void> {
    for (const entry of (await readdir(from, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const [source, target] = [join(from, entry.name), `${name}/${entry.name}`]
      if (entry.isDirectory()) await this.folder(source, target)
      else if (entry.isSymbolicLink()) this.link(target, await readlink(source))
      else await this.file(source, target)
    }
  }
}

const common = (name: string): { name: string; mtime: Date; uid: number; gid: number } => ({ name: name.replace(/^\//, ''), mtime: new Date(0), uid: 0, gid: 0 })

function absent(error: unknown): undefined {
  if ((error as { statusCode?: number }).statusCode === 404) return undefined
  throw error
}
