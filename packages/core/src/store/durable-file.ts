import { randomBytes } from 'node:crypto'
import { closeSync, fsync, linkSync, openSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { isPilotError, PilotError } from '../errors/pilot-error.ts'

/**
 * Files that are either wholly there or not at all, also after a power cut: content is written to a temporary name,
 * flushed, given its final name, and the folder is flushed. Files are 0600, folders 0700.
 *
 * They are small (a few KB), so all but flushing is synchronous: a hop to the thread pool costs ten times as much as such a call.
 */

/**
 * Creates `path` with this content; of several creators exactly one gets `true`, and nobody ever sees half a file. Who gets
 * `false` and goes on with what is there asks {@link makeSure} first. `counts` is asked in
 * the same step in which the file got its name: when it says no, the file goes again.
 */
export async function createExclusive(path: string, content: string | Uint8Array, counts: () => boolean = () => true): Promise<boolean> {
  return guarded(path, async () => {
    const temporary = await writeTemporary(path, content)
    try {
      linkSync(temporary, path)
      if (!counts()) {
        removeQuietly(path)
        return false
      }
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      throw error
    } finally {
      unlinkSync(temporary)
    }
    await syncFolder(dirname(path))
    return true
  })
}

/** Replaces `path`, or creates it: readers see the old content or the new one. */
export async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  await guarded(path, async () => {
    const temporary = await writeTemporary(path, content)
    try {
      renameSync(temporary, path)
    } catch (error) {
      removeQuietly(temporary)
      throw error
    }
    await syncFolder(dirname(path))
  })
}

/** `undefined` when there is no such file. */
export const readIfThere = async (path: string): Promise<string | undefined> => (await readBytesIfThere(path))?.toString('utf8')

/** The same, as it is on the disk. */
export async function readBytesIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return readFileSync(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw convert(error, path)
  }
}

/** One short synchronous call, so that the listing is a single look: an interleaved one could miss names that move on. Absent is empty. */
export function listNames(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw convert(error, folder)
  }
}

/** Deletes a folder in one step: it vanishes under its name at once, whatever happens while its files go. */
export async function removeFolder(path: string): Promise<void> {
  await guarded(path, async () => {
    const hidden = join(dirname(path), `${temporaryPrefix}removed-${randomBytes(8).toString('hex')}`)
    try {
      await rename(path, hidden)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return
      throw error
    }
    await syncFolder(dirname(path))
    await rm(hidden, { recursive: true, force: true })
  })
}

/** Deletes a file for good: it does not come back after a power cut. Absent is success. */
export async function removeFile(path: string): Promise<void> {
  await guarded(path, async () => {
    try {
      unlinkSync(path)
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
    // Also when it was absent: who deleted it may have been killed before that was safe.
    await syncFolder(dirname(path)).catch(ignoreAbsent)
  })
}

/** For who counts on a file that another process may have made a moment ago: its name is durable when this returns. */
export async function makeSure(path: string): Promise<void> {
  await ensureFolder(dirname(path))
  await syncFolder(dirname(path))
}

/** Folders whose names this process has seen safe on the disk, with those of all their parents. */
const sureFolders = new Set<string>()

/**
 * Creates the folder and its parents; each is durable when this returns. That a folder is there does not say that it is durable:
 * who made it may be about to flush it, or have been killed before it could.
 */
export async function ensureFolder(path: string): Promise<void> {
  await guarded(path, async () => {
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first !== undefined) for (let folder = path; folder.length >= first.length; folder = dirname(folder)) sureFolders.delete(folder)
    const unsure: string[] = []
    for (let folder = path; !sureFolders.has(folder) && dirname(folder) !== folder; folder = dirname(folder)) unsure.push(folder)
    for (const folder of unsure.toReversed()) {
      // What lies above, and is not ours to open, was there before us.
      await syncFolder(dirname(folder)).catch((error: unknown) => {
        if (errorCode(error) !== 'EACCES' && errorCode(error) !== 'EPERM') throw error
      })
      sureFolders.add(folder)
    }
  })
}

export async function syncFolder(path: string): Promise<void> {
  const file = openSync(path, 'r')
  try {
    await flush(file)
  } finally {
    closeSync(file)
  }
}

/** Removes what killed writers left behind; an hour is longer than any write. */
export async function removeStaleTemporaries(folder: string, olderThanMs = 3_600_000): Promise<void> {
  for (const name of listNames(folder)) {
    if (!name.startsWith(temporaryPrefix)) continue
    const path = join(folder, name)
    const age = await stat(path).then((found) => Date.now() - found.mtimeMs, () => 0)
    if (age > olderThanMs) await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}

/** Runs file operations and converts what the file system refuses: DISK_FULL, HOME_UNUSABLE. */
export async function guarded<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw convert(error, path)
  }
}

export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code

const temporaryPrefix = '.new-'

async function writeTemporary(path: string, content: string | Uint8Array): Promise<string> {
  const temporary = join(dirname(path), `${temporaryPrefix}${process.pid}-${randomBytes(8).toString('hex')}`)
  let file: number
  if (!sureFolders.has(dirname(path))) await ensureFolder(dirname(path))
  try {
    file = openSync(temporary, 'wx', 0o600)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    await ensureFolder(dirname(path))
    file = openSync(temporary, 'wx', 0o600)
  }
  try {
    writeFileSync(file, content)
    await flush(file)
  } catch (error) {
    removeQuietly(temporary)
    throw error
  } finally {
    closeSync(file)
  }
  return temporary
}

const flush = promisify(fsync)

function ignoreAbsent(error: unknown): void {
  if (errorCode(error) !== 'ENOENT') throw error
}

/** Nothing depends on whether it worked. */
export function removeQuietly(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It is gone already, or stays as a leftover that nobody reads.
  }
}

function convert(error: unknown, path: string): unknown {
  if (isPilotError(error)) return error
  switch (errorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new PilotError('DISK_FULL', `No space left to write ${path}`, { reason: String((error as Error).message), cause: error })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTSUP':
    case 'EIO':
      return new PilotError('HOME_UNUSABLE', `Cannot use ${path}`, { reason: String((error as Error).message), cause: error })
    default:
      return error
  }
}
