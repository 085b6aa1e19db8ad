import { isUtf8 } from 'node:buffer'
import { lstat, open, readlink, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { PilotError } from '../errors/pilot-error.ts'
import { parseManifest, type ParsedManifest } from './parse-manifest.ts'
import { maxManifestBytes } from './yaml-document.ts'

export const manifestName = 'pilot.yaml'

export interface Project extends ParsedManifest {
  readonly name: string
  /** The folder of the manifest: relative paths in it start here. */
  readonly dir: string
  readonly file: string
  readonly apps: readonly ProjectApp[]
}

export interface ProjectApp {
  readonly name: string
  readonly source: AppSource
}

export type AppSource =
  | { readonly type: 'directory'; readonly dir: string }
  | { readonly type: 'git'; readonly url: string; readonly ref?: string; readonly path?: string }
  | { readonly type: 'image'; readonly image: string }

/**
 * The project that a folder belongs to: the nearest pilot.yaml upwards. Throws MANIFEST_MISSING, MANIFEST_INVALID, and
 * SOURCE_UNREADABLE when the file is there but cannot be read.
 */
export async function loadProject({ dir }: { dir: string }): Promise<Project> {
  const start = resolve(dir)
  const file = await nearestManifest(start)
  if (!file) throw await missing(start)
  return projectOf({ text: await readManifest(file), file, shownAs: shortPath(file) })
}

/** The same from a text that is at hand. `shownAs` is how messages name the file. */
export function projectOf({ text, file, shownAs = file }: { text: string; file: string; shownAs?: string }): Project {
  const parsed = parseManifest({ text, file: shownAs })
  const dir = dirname(resolve(file))
  const apps = Object.entries(parsed.manifest.apps).map(([name, { source, image }]): ProjectApp => {
    if (image !== undefined) return { name, source: { type: 'image', image } }
    if (typeof source === 'object') return { name, source: { type: 'git', url: source.git, ...(source.ref === undefined ? {} : { ref: source.ref }), ...(source.path === undefined ? {} : { path: source.path }) } }
    return { name, source: { type: 'directory', dir: resolve(dir, source ?? '.') } }
  })
  return { ...parsed, name: parsed.manifest.project, dir, file: resolve(file), apps }
}

/** The path of the nearest pilot.yaml, in `dir` or above it; also where it is no file, so that nobody is given the manifest of another project instead. */
export async function nearestManifest(dir: string): Promise<string | undefined> {
  for (let folder = resolve(dir); ; folder = dirname(folder)) {
    const file = join(folder, manifestName)
    if (await isThere(file)) return file
    if (dirname(folder) === folder) return undefined
  }
}

/** Never waits (a fifo would), and reads no more of a large file than it takes to refuse it. */
async function readManifest(file: string): Promise<string> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) {
    const target = await readlink(file).catch(() => undefined)
    const reason = found === undefined && target !== undefined ? `It is a link to ${target}, which is not there.` : found?.isDirectory() ? 'It is a folder.' : 'It is no file.'
    throw new PilotError('SOURCE_UNREADABLE', `${file} cannot be read`, { reason, suggestion: `Rename it or remove it: ${manifestName} is the name of the manifest.` })
  }
  let content: Buffer
  try {
    await using handle = await open(file, 'r')
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(Math.min(found.size + 1, maxManifestBytes + 1)), position: 0 })
    content = buffer.subarray(0, bytesRead)
  } catch (error) {
    throw new PilotError('SOURCE_UNREADABLE', `${file} cannot be read`, { reason: (error as Error).message, suggestion: 'Check who may read it.', cause: error })
  }
  // Cut in the middle of a character it would be no text.
  if (content.length > maxManifestBytes) return ' '.repeat(content.length)
  if (isUtf8(content)) return content.toString('utf8')
  const isUtf16 = (content[0] === 0xff && content[1] === 0xfe) || (content[0] === 0xfe && content[1] === 0xff)
  throw new PilotError('MANIFEST_INVALID', `${shortPath(file)} is not UTF-8`, { reason: isUtf16 ? 'It begins like UTF-16, as some editors and shells on Windows write it.' : `Line ${lineOfFirstBadByte(content)} holds bytes that are no text.`, suggestion: 'Save it as UTF-8.' })
}

function lineOfFirstBadByte(content: Buffer): number {
  const lines = content.toString('latin1').split('\n')
  return lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1'))) + 1
}

async function missing(dir: string): Promise<PilotError> {
  const folder = await stat(dir).catch(() => undefined)
  if (!folder?.isDirectory()) return new PilotError('SOURCE_UNREADABLE', `There is no folder ${dir}`, { suggestion: 'Check the path; relative paths start in the folder you are in.' })
  const other = (await isFile(join(dir, 'pilot.yml'))) ? { reason: `${join(dir, 'pilot.yml')} is there, but the name must be ${manifestName}.` } : {}
  return new PilotError('MANIFEST_MISSING', `There is no ${manifestName} in ${dir} or above it`, other)
}

function shortPath(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') ? file : path
}

const isThere = (path: string): Promise<boolean> => lstat(path).then(
  () => true,
  () => false,
)

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}
