import { closeSync, fdatasync, fstatSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { createExclusive, ensureFolder, guarded, listNames, readIfThere, removeQuietly, syncFolder } from './durable-file.ts'
import { corrupt } from './state-format.ts'
import type { Fence, JournalEntry } from './store.ts'

/**
 * The journal of one scope, in segments `<token>-<segment>.jsonl`, one JSON line with a checksum per entry.
 *
 * Each owner appends to files of its own, so an owner that lost the lease and does not know it yet can neither tear nor
 * truncate what its successor writes. Segment 0 continues the owners before; creating a later segment means "everything
 * before this file is forgotten", which makes truncation one atomic step however many files it removes afterwards.
 */
export interface JournalFiles {
  append(entry: JournalEntry, fence: Fence): Promise<void>
  read(): Promise<readonly JournalEntry[]>
  truncate(fence: Fence): Promise<void>
  isEmpty(): boolean
}

/** `check` throws LEASE_LOST when the token is not the lease's. */
export function journalFiles({ folder, check }: { folder: string; check: (fence: Fence) => Promise<void> }): JournalFiles {
  const waiting: { line: string; fence: Fence; done: () => void; fail: (error: unknown) => void }[] = []
  // Bytes that this process wrote or verified, per file: another size means an interrupted write that must be cut off.
  const verified = new Map<string, number>()
  let writing: Promise<void> | undefined

  return {
    append: (entry, fence) =>
      new Promise((done, fail) => {
        waiting.push({ line: encode(entry), fence, done, fail })
        writing ??= drain()
      }),
    async read() {
      for (;;) {
        const paths = current(segments(folder)).map((segment) => join(folder, segment.name))
        const contents = await Promise.all(paths.map((path) => readIfThere(path)))
        // A segment that vanished was truncated while we looked: look again.
        if (contents.includes(undefined)) continue
        return contents.flatMap((content, index) => decode(Buffer.from(content!), paths[index]!).entries)
      }
    },
    async truncate(fence) {
      while (writing !== undefined) await writing
      await check(fence)
      const all = segments(folder)
      if (!all.some((segment) => segment.token <= fence.token)) return
      const next = (all.findLast((segment) => segment.token === fence.token)?.segment ?? 0) + 1
      await createExclusive(join(folder, segmentName(fence.token, next)), '')
      for (const old of all) {
        if (old.token < fence.token || (old.token === fence.token && old.segment < next)) removeQuietly(join(folder, old.name))
      }
      await check(fence)
    },
    isEmpty: () => segments(folder).length === 0,
  }

  // All entries that wait while a flush is under way share the next one: a wide apply costs few flushes.
  async function drain(): Promise<void> {
    await Promise.resolve()
    while (waiting.length > 0) {
      const token = waiting[0]!.fence.token
      const count = waiting.findIndex((each) => each.fence.token !== token)
      const batch = waiting.splice(0, count === -1 ? waiting.length : count)
      try {
        await check({ token })
        await write(token, batch.map((each) => each.line).join(''))
        await check({ token })
        for (const each of batch) each.done()
      } catch (error) {
        for (const each of batch) each.fail(error)
      }
    }
    // In the same step as the look at the queue: an entry that comes later starts a flush of its own.
    writing = undefined
  }

  async function write(token: number, lines: string): Promise<void> {
    const known = segments(folder).findLast((segment) => segment.token === token)
    const path = join(folder, known?.name ?? segmentName(token, 0))
    await guarded(path, async () => {
      if (known === undefined) await ensureFolder(folder)
      // Without the thread pool but for the flush: its hops cost more than these short calls.
      const file = openSync(path, 'a', 0o600)
      try {
        let { size } = fstatSync(file)
        if (size !== (verified.get(path) ?? 0)) {
          size = decode(await readFile(path), path).validBytes
          ftruncateSync(file, size)
        }
        verified.delete(path)
        writeFileSync(file, lines)
        await flush(file)
        verified.set(path, size + Buffer.byteLength(lines))
      } finally {
        closeSync(file)
      }
      if (known === undefined) await syncFolder(folder)
    })
  }
}

const flush = promisify(fdatasync)

interface Segment {
  readonly name: string
  readonly token: number
  readonly segment: number
}

const segmentName = (token: number, segment: number) => `${String(token).padStart(8, '0')}-${String(segment).padStart(4, '0')}.jsonl`

function segments(folder: string): readonly Segment[] {
  return listNames(folder)
    .flatMap((name) => {
      const match = /^(\d{8,})-(\d{4,})\.jsonl$/.exec(name)
      return match === null ? [] : [{ name, token: Number(match[1]), segment: Number(match[2]) }]
    })
    .sort((a, b) => a.token - b.token || a.segment - b.segment)
}

/** From the last segment that forgot what was before it. */
function current(all: readonly Segment[]): readonly Segment[] {
  const start = all.findLastIndex((segment) => segment.segment > 0)
  return start === -1 ? all : all.slice(start)
}

function encode(entry: JournalEntry): string {
  const text = JSON.stringify(entry)
  return `{"crc":"${checksum(text)}","entry":${text}}\n`
}

const linePattern = /^\{"crc":"([0-9a-f]{8})","entry":(.*)\}$/

/** The entries of one segment. Its last line may be torn by a crash: that entry was never confirmed, so it is dropped. */
function decode(content: Buffer, path: string): { readonly entries: readonly JournalEntry[]; readonly validBytes: number } {
  const entries: JournalEntry[] = []
  let start = 0
  for (let line = 1; start < content.length; line++) {
    const end = content.indexOf(10, start)
    const entry = end === -1 ? undefined : decodeLine(content.toString('utf8', start, end))
    if (entry === undefined) {
      if (end === -1 || end === content.length - 1) break
      throw corrupt(
        `${path}, line ${line},`,
        'the line does not match its checksum, and more lines follow',
        `Restore the file from a backup, or keep a copy of it, delete line ${line} and what follows, and run the command again: it looks at what really exists before it changes anything.`,
      )
    }
    entries.push(entry)
    start = end + 1
  }
  return { entries, validBytes: start }
}

function decodeLine(text: string): JournalEntry | undefined {
  const match = linePattern.exec(text)
  if (match === null || checksum(match[2]!) !== match[1]) return undefined
  return JSON.parse(match[2]!) as JournalEntry
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, '0')
