import { closeSync, existsSync, fdatasync, fstatSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { crc32 } from 'node:zlib'
import { PilotError } from '../errors/pilot-error.ts'
import { createExclusive, ensureFolder, errorCode, guarded, listNames, readBytesIfThere, removeQuietly, syncFolder } from './durable-file.ts'
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
  const waiting: { entry: string; fence: Fence; done: () => void; fail: (error: unknown) => void }[] = []
  // Bytes that this process wrote or verified, per file: another size means an interrupted write that must be cut off.
  const verified = new Map<string, number>()
  let writing: Promise<void> | undefined

  return {
    append: (entry, fence) =>
      new Promise((done, fail) => {
        waiting.push({ entry: JSON.stringify(entry), fence, done, fail })
        writing ??= drain()
      }),
    async read() {
      for (;;) {
        const found = current(segments(folder))
        const paths = found.map((segment) => join(folder, segment.name))
        const contents = await Promise.all(paths.map((path) => readBytesIfThere(path)))
        // A segment that vanished was truncated while we looked: look again.
        if (contents.includes(undefined)) continue
        return joined(found.map(({ token }, index) => ({ token, entries: decode(contents[index]!, paths[index]!).entries })))
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
        await write(token, batch.map((each) => each.entry))
        await check({ token })
        for (const each of batch) each.done()
      } catch (error) {
        for (const each of batch) each.fail(error)
      }
    }
    // In the same step as the look at the queue: an entry that comes later starts a flush of its own.
    writing = undefined
  }

  async function write(token: number, entries: readonly string[]): Promise<void> {
    const all = segments(folder)
    const path = join(folder, all.findLast((segment) => segment.token === token)?.name ?? segmentName(token, 0))
    await guarded(path, async () => {
      // The folder goes when the scope is removed, and comes back with the next entry.
      if (!existsSync(path)) verified.delete(path)
      const isSure = verified.has(path)
      if (!isSure) await flushBefore(all)
      // Without the thread pool but for the flush: its hops cost more than these short calls.
      const file = openSync(path, 'a', 0o600)
      try {
        let { size } = fstatSync(file)
        if (size !== (verified.get(path) ?? 0)) {
          size = decode(await readFile(path), path).validBytes
          ftruncateSync(file, size)
        }
        verified.delete(path)
        const lines = entries.map((entry) => encode(entry, size)).join('')
        writeFileSync(file, lines)
        await flush(file)
        if (!isSure) await syncFolder(folder)
        verified.set(path, size + Buffer.byteLength(lines))
      } finally {
        closeSync(file)
      }
    })
  }

  /** What an owner wrote that was killed before its flush was seen all the same, and the entries that follow build on it. */
  async function flushBefore(all: readonly Segment[]): Promise<void> {
    await ensureFolder(folder)
    for (const { name } of current(all)) await flushFile(join(folder, name))
  }
}

async function flushFile(path: string): Promise<void> {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    // Truncated meanwhile.
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  try {
    await flush(file)
  } finally {
    closeSync(file)
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

/**
 * The first entry of an owner says by its number what it had read of the owners before: what one of them wrote after that, asleep
 * between its look at the lease and the write, counts for nothing. Nothing was called for it, since each call looks at the lease again.
 */
function joined(owners: readonly { readonly token: number; readonly entries: readonly JournalEntry[] }[]): readonly JournalEntry[] {
  return owners.flatMap(({ token, entries }, index) => {
    const next = owners.slice(index + 1).find((later) => later.token > token && later.entries.length > 0)?.entries[0]
    return next === undefined ? entries : entries.filter(({ seq }) => seq < next.seq)
  })
}

/** From the last segment that forgot what was before it. */
function current(all: readonly Segment[]): readonly Segment[] {
  const start = all.findLastIndex((segment) => segment.segment > 0)
  return start === -1 ? all : all.slice(start)
}

/** Raised when an older Pilot would misread the lines. Lines of format 0 name neither it nor where they were written. */
const journalFormat = 1

/** `from` is where in the file the write began that this line was part of: what was written at once may be torn at once. */
function encode(entry: string, from: number): string {
  const text = `"format":${journalFormat},"from":${from},"entry":${entry}}`
  return `{"crc":"${checksum(text)}",${text}\n`
}

/** Lines of every later format begin like this, with a checksum over what follows it. */
const linePattern = /^\{"crc":"([0-9a-f]{8})",("format":(\d+),.*)$/s
const contentPattern = /^"format":\d+,"from":(\d+),"entry":(.*)\}$/s
const formatlessPattern = /^\{"crc":"([0-9a-f]{8})","entry":(.*)\}$/s

interface Line {
  readonly entry: JournalEntry
  readonly from: number
}

/**
 * The entries of one segment. A power cut tears the last write, whose entries were never confirmed: what cannot be read of it is
 * dropped. Anything else that does not match its checksum is damage. Throws STATE_CORRUPT, STATE_NEWER.
 */
function decode(content: Buffer, path: string): { readonly entries: readonly JournalEntry[]; readonly validBytes: number } {
  const entries: JournalEntry[] = []
  let start = 0
  for (let number = 1; start < content.length; number++) {
    const end = endOfLine(content, start)
    const line = decodeLine({ content, start, end, path })
    if (line === undefined) {
      if (isTorn(content.subarray(start, end), path) && !linesFrom({ content, start: end, path }).some(({ from }) => from > start)) break
      throw corrupt(
        `${path}, line ${number},`,
        'the line does not match its checksum, and it is not what a power cut leaves',
        `Restore the file from a backup, or keep a copy of it, delete line ${number} and what follows, and run the command again: it looks at what really exists before it changes anything.`,
      )
    }
    entries.push(line.entry)
    start = end
  }
  return { entries, validBytes: start }
}

/** Past its newline, or past everything. */
function endOfLine(content: Buffer, start: number): number {
  const newline = content.indexOf(10, start)
  return newline === -1 ? content.length : newline + 1
}

/** Those of the rest that can be read. */
function linesFrom({ content, start, path }: { content: Buffer; start: number; path: string }): readonly Line[] {
  const found: Line[] = []
  for (let end = start; start < content.length; start = end) {
    end = endOfLine(content, start)
    const line = decodeLine({ content, start, end, path })
    if (line !== undefined) found.push(line)
  }
  return found
}

function decodeLine({ content, start, end, path }: { content: Buffer; start: number; end: number; path: string }): Line | undefined {
  if (content[end - 1] !== 10) return undefined
  const text = content.toString('utf8', start, end - 1)
  const [, sum, body = '', format] = linePattern.exec(text) ?? []
  if (sum === undefined) {
    const [, oldSum, entry = ''] = formatlessPattern.exec(text) ?? []
    return oldSum === undefined || checksum(entry) !== oldSum ? undefined : { entry: JSON.parse(entry) as JournalEntry, from: start }
  }
  if (checksum(body) !== sum) return undefined
  if (Number(format) > journalFormat) {
    throw new PilotError('STATE_NEWER', `${path} has lines of format ${format}; this Pilot reads up to ${journalFormat}`, { details: { format: Number(format), supported: journalFormat } })
  }
  const [, from, entry] = contentPattern.exec(body) ?? []
  return entry === undefined ? undefined : { entry: JSON.parse(entry) as JournalEntry, from: Number(from) }
}

/** A write that a power cut tore ends early, or has zeros where its content did not get to the disk; a single zero within is damage. */
function isTorn(line: Buffer, path: string): boolean {
  const last = line[line.length - 1]
  if (line[0] === 0 || last === 0 || line.includes('\0\0')) return true
  if (last === 10) return false
  // A whole line whose newline was damaged is more than one that ends early.
  const mended = Buffer.concat([line.subarray(0, -1), Buffer.from('\n')])
  return decodeLine({ content: mended, start: 0, end: mended.length, path }) === undefined
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, '0')
