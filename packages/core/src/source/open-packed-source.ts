import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { posix } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract, pack, type Header } from 'tar-stream'
import { isPilotError, PilotError } from '../errors/pilot-error.ts'
import type { PackedSource } from '../lifecycle/app-definition.ts'
import type { SourceRecord } from '../lifecycle/records.ts'
import { formatBytes } from '../manifest/units.ts'
import { asText, isTelling, maxTextBytes } from './facts.ts'
import { leavesRoot, staysInside } from './inside.ts'
import type { SourceEntry } from './list-source.ts'
import { addStreamed, addWhole, nodeReadable } from './tar-stream.ts'

export interface OpenOptions {
  /** A gzipped tar as {@link packSource} makes it; it may come from anybody. */
  readonly tarGzFile: string
  /** What the client says about it; the digest is compared when it is there. */
  readonly record?: Partial<SourceRecord>
  /** The most that it may hold uncompressed. Default 1 GB. */
  readonly maxBytes?: number
  readonly maxEntries?: number
}

const defaultMaxBytes = 1024 ** 3
const defaultMaxEntries = 250_000
const maxTelling = 16 * 1024 ** 2

/**
 * A stored source, checked while it is read once in constant memory. Throws SOURCE_UNREADABLE for a damaged or foreign
 * archive, another digest than the record says, a path or link that leads out of it, and more than `maxBytes`.
 */
export async function openPackedSource({ tarGzFile, record = {}, maxBytes = defaultMaxBytes, maxEntries = defaultMaxEntries }: OpenOptions): Promise<PackedSource> {
  const hash = createHash('sha256')
  const checker = contentChecker({ maxEntries })
  const storedAt = await stat(tarGzFile).then(({ mtime }) => mtime, (error: unknown) => Promise.reject(damaged(tarGzFile, error)))
  try {
    await pipeline(createReadStream(tarGzFile), createGunzip(), limit(maxBytes), async (tar: AsyncIterable<Buffer>) => {
      await readEntries(tee(tar, (chunk) => hash.update(chunk)), (header, content) => checker.add(header, content))
    })
  } catch (error) {
    throw damaged(tarGzFile, error)
  }
  const facts = checker.finish()
  const digest = `sha256:${hash.digest('hex')}`
  if (record.digest !== undefined && record.digest !== digest) throw new PilotError('SOURCE_UNREADABLE', `The source is not the one that was announced: ${digest} instead of ${record.digest}`, { suggestion: 'Send it again.' })
  return { record: { ...record, digest }, facts, open: () => Promise.resolve(retimed(tarGzFile, storedAt)) }
}

/** The tar with the time at which it was stored, see `canonicalTime`. */
function retimed(tarGzFile: string, mtime: Date): Readable {
  const tar = pack()
  const copy = async (): Promise<void> => {
    await pipeline(createReadStream(tarGzFile), createGunzip(), async (source: AsyncIterable<Buffer>) => {
      await readEntries(source, async (header, content) => {
        const entry = { ...entryOf(header), mtime }
        if (entry.type === 'file' && entry.size > 0) await addStreamed(tar, entry, content)
        else await addWhole(tar, entry)
      })
    })
    tar.finalize()
  }
  copy().catch((error: unknown) => tar.destroy(damaged(tarGzFile, error) as Error))
  return nodeReadable(tar)
}

/** Calls `each` for one entry after the other; what it does not read of the content is skipped. */
async function readEntries(tar: AsyncIterable<Buffer>, each: (header: Header, content: AsyncIterable<Buffer>) => Promise<void>): Promise<void> {
  const entries = extract()
  const fed = pipeline(tar, entries as unknown as NodeJS.WritableStream)
  fed.catch(() => undefined)
  for await (const entry of entries) {
    await each(entry.header, entry as unknown as AsyncIterable<Buffer>)
    entry.resume()
  }
  await fed
}

/** Judges each entry, and keeps the paths and the few texts that builders look at. */
function contentChecker({ maxEntries }: { maxEntries: number }): { add(header: Header, content: AsyncIterable<Buffer>): Promise<void>; finish(): PackedSource['facts'] } {
  const files: string[] = []
  const texts = new Map<string, string>()
  const links = new Map<string, string>()
  const paths = new Set<string>()
  let kept = 0
  return {
    async add(header, content) {
      const { path, type, size, target } = entryOf(header)
      if (paths.has(path)) throw foreign(`${path} stands in it twice`)
      paths.add(path)
      if (paths.size > maxEntries) throw foreign(`it holds more than ${maxEntries} files`)
      if (type === 'directory') return
      files.push(path)
      if (type === 'symlink') links.set(path, target as string)
      if (type !== 'file' || !isTelling(path) || size > maxTextBytes || kept + size > maxTelling) return
      const chunks: Buffer[] = []
      for await (const chunk of content) chunks.push(chunk)
      const text = asText(Buffer.concat(chunks))
      if (text === undefined) return
      kept += size
      texts.set(path, text)
    },
    finish() {
      for (const path of paths) if (passesLink(path, links)) throw foreign(`${path} stands below a link`)
      for (const [path, target] of links) if (!staysInside(path, links)) throw foreign(`${path} is a link to ${target}, which leads out of it`)
      return { files: files.sort(), text: (path) => texts.get(path) }
    },
  }
}

/** An extractor would write through the link. */
function passesLink(path: string, links: ReadonlyMap<string, string>): boolean {
  for (let parent = posix.dirname(path); parent !== '.'; parent = posix.dirname(parent)) if (links.has(parent)) return true
  return false
}

function entryOf({ name, type, mode, size, linkname, mtime }: Header): SourceEntry {
  const path = name.replace(/^(?:\.\/)+/, '').replace(/\/+$/, '')
  if (path === '' || leavesRoot(path) || path !== posix.normalize(path) || path.includes('\0')) throw foreign(`the path ${JSON.stringify(name)} leads out of it`)
  if (type !== 'file' && type !== 'directory' && type !== 'symlink') throw foreign(`${path} is a ${type}`)
  return { path, type, mode: mode & 0o100 ? 0o755 : 0o644, size, mtime, ...(type === 'symlink' ? { target: linkname } : {}) }
}

function limit(maxBytes: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maxBytes) done(new PilotError('SOURCE_UNREADABLE', `The source is larger than ${formatBytes(maxBytes)}`))
      else done(null, chunk)
    },
  })
}

async function* tee(stream: AsyncIterable<Buffer>, see: (chunk: Buffer) => void): AsyncIterable<Buffer> {
  for await (const chunk of stream) {
    see(chunk)
    yield chunk
  }
}

function foreign(reason: string): PilotError {
  return new PilotError('SOURCE_UNREADABLE', `The source archive is not one that Pilot packs: ${reason}`)
}

function damaged(file: string, error: unknown): unknown {
  if (isPilotError(error)) return error
  return new PilotError('SOURCE_UNREADABLE', `The source archive ${posix.basename(file)} cannot be read`, { reason: (error as Error).message, suggestion: 'Send it again.', cause: error })
}
