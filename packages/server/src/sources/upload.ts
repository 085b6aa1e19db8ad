import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isPilotError, openPackedSource, PilotError } from '@pilot/core'
import { makeSure } from '@pilot/host'
import type { SourceHeld } from '../contract/definition.ts'

/** Larger sources are almost always something that should be ignored. */
const maxUploadBytes = 1024 ** 3

export const sourcePath = (folder: string, digest: string): string => join(folder, `${digest.replace(':', '-')}.tar.gz`)

/** Whether it is there; asking keeps it for another {@link keptMs}. */
export async function hasSource(folder: string, digest: string): Promise<boolean> {
  const now = new Date()
  return utimes(sourcePath(folder, digest), now, now).then(
    () => true,
    () => false,
  )
}

/** A rollback needs the artifact, not the source: sources are kept for builds that are asked for again soon. */
export const keptMs = 7 * 24 * 3600_000

/** Deletes sources that nobody asked for in a while, and what broken uploads left. */
export async function forgetOldSources(folder: string, { now = Date.now() }: { now?: number } = {}): Promise<number> {
  const names = await readdir(folder).catch(() => [])
  const old = (await Promise.all(names.map(async (name) => ((await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? now) < now - keptMs ? name : undefined))).filter((name) => name !== undefined)
  await Promise.all(old.map((name) => rm(join(folder, name), { force: true })))
  return old.length
}

/**
 * Keeps a gzipped tar under the SHA-256 of the uncompressed tar. It is read through first, so what stands there is whole, has
 * that digest and leads nowhere out of itself. The same one twice is one. Throws SOURCE_UNREADABLE, DISK_FULL.
 */
export async function putSource({ folder, digest, body, maxBytes = maxUploadBytes, signal }: { folder: string; digest: string; body: Readable; maxBytes?: number; signal?: AbortSignal }): Promise<SourceHeld> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = join(folder, `.${randomBytes(8).toString('hex')}.tmp`)
  const limit = limiter(maxBytes)
  try {
    await pipeline(body, limit.stream, createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }), { ...(signal ? { signal } : {}) })
    await openPackedSource({ tarGzFile: temporary, record: { digest } })
    await rename(temporary, sourcePath(folder, digest))
    makeSure(sourcePath(folder, digest))
    return { digest, bytes: limit.seen() }
  } catch (error) {
    throw asSourceError(error, folder)
  } finally {
    await rm(temporary, { force: true })
  }
}

function limiter(maxBytes: number): { readonly stream: Transform; seen(): number } {
  let bytes = 0
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.byteLength
      if (bytes <= maxBytes) done(null, chunk)
      else done(new PilotError('SOURCE_UNREADABLE', `The source is larger than ${Math.round(maxBytes / 1024 ** 2)} MB`, { suggestion: 'Leave out what the build does not need with .pilotignore.' }))
    },
  })
  return { stream, seen: () => bytes }
}

function asSourceError(error: unknown, folder: string): unknown {
  if (isPilotError(error)) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return new PilotError('DISK_FULL', `There is no space left for the source in ${folder}`, { reason: message, suggestion: `Free some space on the disk of ${folder} (\`df -h ${folder}\` shows it).`, cause: error })
  return new PilotError('SOURCE_UNREADABLE', 'The source could not be received', { reason: message, suggestion: 'Run the command again.', cause: error })
}
