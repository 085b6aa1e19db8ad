import { lstatSync, type Dirent, type Stats } from 'node:fs'
import { readdir, readlink, realpath, stat } from 'node:fs/promises'
import { join, posix, resolve, sep } from 'node:path'
import { PilotError } from '../errors/pilot-error.ts'
import { formatBytes } from '../manifest/units.ts'
import { ignoreRules, type IgnoreOptions } from './ignore-rules.ts'
import { leavesRoot } from './inside.ts'

/** One thing that goes into a packed source. */
export interface SourceEntry {
  /** Relative to the source, with forward slashes. */
  readonly path: string
  readonly type: 'file' | 'directory' | 'symlink'
  /** 0o644 or 0o755. */
  readonly mode: number
  readonly size: number
  readonly mtime: Date
  /** Where a symlink points, as written. */
  readonly target?: string
}

export interface SourceListing {
  /** The real path of the folder. */
  readonly dir: string
  /** Sorted by path. */
  readonly entries: readonly SourceEntry[]
  readonly bytes: number
  /** What was left out that somebody may expect, in plain words. */
  readonly notices: readonly string[]
}

export interface ListOptions extends IgnoreOptions {
  /** The most that the files may have together. Default 500 MB. */
  readonly maxBytes?: number
  readonly maxEntries?: number
}

const defaultMaxBytes = 500 * 1024 ** 2
const defaultMaxEntries = 200_000

/**
 * The files of a folder that belong to its source, see {@link ignoreRules}. Throws SOURCE_UNREADABLE, naming the path: what
 * cannot be read, a link that leaves the folder, more than `maxBytes` (with the largest files).
 */
export async function listSource(options: ListOptions): Promise<SourceListing> {
  const dir = await openFolder(options.dir)
  const { maxBytes = defaultMaxBytes, maxEntries = defaultMaxEntries } = options
  const rules = await ignoreRules({ ...options, dir })
  const entries: SourceEntry[] = []
  const skipped = { secret: [] as string[], usual: [] as string[], special: [] as string[] }

  /** Returns whether anything below the folder is wanted. */
  const walk = async (folder: string, inherited: boolean): Promise<boolean> => {
    await rules.enter(folder)
    const before = entries.length
    const folders: { path: string; verdict: 'take' | 'look'; broughtBack: boolean }[] = []
    for (const item of await children(dir, folder)) {
      const path = folder === '' ? item.name : `${folder}/${item.name}`
      const { verdict, broughtBack, tell } = rules.judge({ path, directory: item.isDirectory(), broughtBack: inherited })
      if (tell) skipped[tell].push(path)
      if (verdict === 'prune') continue
      if (item.isDirectory()) folders.push({ path, verdict, broughtBack })
      else if (item.isFile()) entries.push(fileEntry(dir, path))
      else if (item.isSymbolicLink()) entries.push(await linkEntry(dir, path))
      else skipped.special.push(path)
    }
    let wanted = entries.length > before
    for (const { path, verdict, broughtBack } of folders) {
      const take = (await walk(path, broughtBack)) || verdict === 'take'
      if (take) entries.push({ path, type: 'directory', mode: 0o755, size: 0, mtime: status(dir, path).mtime })
      wanted ||= take
    }
    if (entries.length > maxEntries) {
      throw new PilotError('SOURCE_UNREADABLE', `The source in ${dir} has more than ${maxEntries} files`, { reason: crowded(entries), suggestion: 'Leave out what the app does not need: write it into .pilotignore.' })
    }
    return wanted
  }
  await walk('', false)

  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0)
  if (bytes > maxBytes) throw tooLarge({ dir, entries, bytes, maxBytes })
  entries.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { dir, entries, bytes, notices: notices(skipped) }
}

async function openFolder(path: string): Promise<string> {
  const dir = resolve(path)
  const found = await stat(dir).catch((error: NodeJS.ErrnoException) => error)
  if (found instanceof Error) throw unreadable(dir, found)
  if (!found.isDirectory()) throw new PilotError('SOURCE_UNREADABLE', `${dir} is not a folder`)
  return realpath(dir)
}

async function children(dir: string, folder: string): Promise<Dirent[]> {
  try {
    return await readdir(join(dir, folder), { withFileTypes: true })
  } catch (error) {
    throw unreadable(folder === '' ? dir : folder, error as Error)
  }
}

/** Without the thread pool: its hops cost more than the call. */
function status(dir: string, path: string): Stats {
  try {
    return lstatSync(join(dir, path))
  } catch (error) {
    throw unreadable(path, error as Error)
  }
}

function fileEntry(dir: string, path: string): SourceEntry {
  const { mode, size, mtime } = status(dir, path)
  return { path, type: 'file', mode: mode & 0o100 ? 0o755 : 0o644, size, mtime }
}

/** A link goes as a link when it points inside the source, also by way of others; a dangling one may be filled by the build. */
async function linkEntry(dir: string, path: string): Promise<SourceEntry> {
  const { mtime } = status(dir, path)
  const target = await readlink(join(dir, path))
  const real = await realpath(join(dir, path)).catch(() => undefined)
  const outside = leavesRoot(posix.join(posix.dirname(path), target.replaceAll(sep, '/'))) || posix.isAbsolute(target) || (real !== undefined && real !== dir && !real.startsWith(dir + sep))
  if (outside) {
    throw new PilotError('SOURCE_UNREADABLE', `${shown(path)} is a link to ${shown(target)}, outside the source`, {
      reason: 'A source is packed and built elsewhere, where the target of the link does not exist.',
      suggestion: `Put the file itself there, or write ${shown(path)} into .pilotignore.`,
      details: { path, target },
    })
  }
  return { path, type: 'symlink', mode: 0o755, size: 0, mtime, target: target.replaceAll(sep, '/') }
}

function unreadable(path: string, error: Error): PilotError {
  // Node puts this character where bytes of a name are no text, and then finds no such file.
  if (path.includes('\ufffd')) return new PilotError('SOURCE_UNREADABLE', `The name of ${shown(path)} is not UTF-8`, { reason: 'An archive that is built elsewhere has names of text only.', suggestion: 'Rename it, or move it out of the source.', cause: error })
  return new PilotError('SOURCE_UNREADABLE', `${shown(path)} cannot be read`, { reason: error.message, suggestion: 'Check that it exists and its permissions, or write it into .pilotignore.', cause: error })
}

function tooLarge({ dir, entries, bytes, maxBytes }: { dir: string; entries: readonly SourceEntry[]; bytes: number; maxBytes: number }): PilotError {
  const largest = entries.filter(({ size }) => size > 0).toSorted((a, b) => b.size - a.size).slice(0, 5)
  return new PilotError('SOURCE_UNREADABLE', `The source in ${dir} is ${formatBytes(bytes)}, more than ${formatBytes(maxBytes)}`, {
    reason: `The largest files: ${largest.map(({ path, size }) => `${shown(path)} (${formatBytes(size)})`).join(', ')}.`,
    suggestion: 'Leave out what the app does not need: write it into .pilotignore.',
    details: { bytes, maxBytes, largest: largest.map(({ path, size }) => ({ path, size })) },
  })
}

function crowded(entries: readonly SourceEntry[]): string {
  const counts = new Map<string, number>()
  for (const { path } of entries) {
    const top = path.split('/', 1)[0] as string
    counts.set(top, (counts.get(top) ?? 0) + 1)
  }
  const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3)
  return `Most are in ${most.map(([name, count]) => `${shown(name)} (${count})`).join(', ')}.`
}

function notices({ secret, usual, special }: { secret: readonly string[]; usual: readonly string[]; special: readonly string[] }): string[] {
  return [
    ...(secret.length > 0 ? [`Left out, since .env files never go: ${some(secret)}. Set values with \`env set\` or \`secret set\`.`] : []),
    ...(usual.length > 0 ? [`Left out as usual: ${some(usual)}. A .gitignore or .pilotignore says otherwise.`] : []),
    ...(special.length > 0 ? [`Left out, since they are no files: ${some(special)}.`] : []),
  ]
}

const some = (paths: readonly string[]): string => `${paths.slice(0, 3).map(shown).join(', ')}${paths.length > 3 ? ` and ${paths.length - 3} more` : ''}`

/** A name may hold line breaks and worse. */
const shown = (path: string): string => (/[\u0000-\u001f\u007f-\u009f]/.test(path) ? JSON.stringify(path) : path)
