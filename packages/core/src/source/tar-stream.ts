import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'
import { PilotError } from '../errors/pilot-error.ts'
import type { SourceEntry } from './list-source.ts'

/**
 * The time of every entry in the tar that is hashed, stored and sent: equal content gives equal bytes on every machine.
 * What a build sees has real times instead, since browsers and web servers decide by them what is stale.
 */
export const canonicalTime = new Date('2000-01-01T00:00:00Z')

/** Read without the thread pool: on a busy machine its hops cost ten times what the reading of a small file does. */
const readAtOnce = 256 * 1024
const latestTime = 2 ** 31 - 1

/**
 * A listing as an uncompressed tar, in constant memory. A file that cannot be read any more, or changes its size while it is
 * read, fails the stream with SOURCE_UNREADABLE.
 */
export function tarOf({ dir, entries, canonical }: { dir: string; entries: readonly SourceEntry[]; canonical: boolean }): Readable {
  const tar = pack()
  const write = async (): Promise<void> => {
    for (const entry of entries) await addEntry({ tar, dir, entry, mtime: canonical ? canonicalTime : entry.mtime })
    tar.finalize()
  }
  write().catch((error: unknown) => tar.destroy(error as Error))
  return nodeReadable(tar)
}

/** tar-stream speaks streamx; what leaves this folder is Node's own. */
export function nodeReadable(tar: Pack): Readable {
  return Readable.from(tar as unknown as AsyncIterable<Buffer>, { objectMode: false, highWaterMark: 256 * 1024 })
}

/** Numbers and times as they stand in every tar that Pilot writes. */
function headerOf({ path, type, mode, mtime, size, target }: SourceEntry): Partial<Header> & Pick<Header, 'name'> {
  const seconds = Math.min(latestTime, Math.max(0, Math.floor(mtime.getTime() / 1000)))
  return { name: path, type, mode, size, mtime: new Date(seconds * 1000), uid: 0, gid: 0, uname: '', gname: '', ...(target === undefined ? {} : { linkname: target }) }
}

/** Ends when the reader has taken it. */
export function addWhole(tar: Pack, entry: SourceEntry, content: Buffer = Buffer.alloc(0)): Promise<void> {
  return new Promise((done, fail) => {
    const ended = (error?: Error | null): void => (error ? fail(error) : done())
    if (entry.type === 'file') tar.entry(headerOf({ ...entry, size: content.length }), content, ended)
    else tar.entry(headerOf(entry), ended)
  })
}

/** The same for content that does not fit into memory. */
export async function addStreamed(tar: Pack, entry: SourceEntry, content: AsyncIterable<Buffer>): Promise<void> {
  const ended = Promise.withResolvers<void>()
  ended.promise.catch(() => undefined)
  const sink = tar.entry(headerOf(entry), (error) => (error ? ended.reject(error) : ended.resolve()))
  sink.on('error', () => undefined)
  let missing = entry.size
  for await (const chunk of content) {
    missing -= chunk.length
    if (sink.write(chunk)) continue
    const drained = Promise.withResolvers<void>()
    sink.once('drain', drained.resolve)
    await Promise.race([drained.promise, ended.promise])
  }
  if (missing !== 0) throw new Error('It changed while it was read.')
  sink.end(undefined)
  await ended.promise
}

async function addEntry({ tar, dir, entry, mtime }: { tar: Pack; dir: string; entry: SourceEntry; mtime: Date }): Promise<void> {
  if (entry.type !== 'file') return addWhole(tar, { ...entry, mtime })
  const file = join(dir, entry.path)
  try {
    if (entry.size <= readAtOnce) await addWhole(tar, { ...entry, mtime }, readFileSync(file))
    else await addStreamed(tar, { ...entry, mtime }, createReadStream(file, { end: entry.size - 1, highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>)
  } catch (error) {
    throw new PilotError('SOURCE_UNREADABLE', `${entry.path} cannot be read`, { reason: (error as Error).message, cause: error })
  }
}
