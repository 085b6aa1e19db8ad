import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { link, mkdir, open, readFile, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isPilotError, PilotError } from '../errors/pilot-error.ts'

/**
 * Files that are either wholly there or not at all, also after a power cut: content is written to a temporary name,
 * flushed, given its final name, and the folder is flushed. Files are 0600, folders 0700.
 */

/** Creates `path` with this content; of several creators exactly one gets `true`, and nobody ever sees half a file. */
export async function createExclusive(path: string, content: string | Uint8Array): Promise<boolean> {
  return guarded(path, async () => {
    const temporary = await writeTemporary(path, content)
    try {
      await link(temporary, path)
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      throw error
    } finally {
      await unlink(temporary)
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
      await rename(temporary, path)
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    }
    await syncFolder(dirname(path))
  })
}

/** `undefined` when there is no such file. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await guarded(path, () => readFile(path, 'utf8'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
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

/** Creates the folder and its parents; each is durable when this returns. */
export async function ensureFolder(path: string): Promise<void> {
  await guarded(path, async () => {
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    for (let folder = path; folder.length >= first.length; folder = dirname(folder)) await syncFolder(dirname(folder))
  })
}

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
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
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(temporary, 'wx', 0o600)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    await ensureFolder(dirname(path))
    handle = await open(temporary, 'wx', 0o600)
  }
  try {
    await handle.writeFile(content)
    await handle.sync()
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  } finally {
    await handle.close()
  }
  return temporary
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
