import { open, stat } from 'node:fs/promises'
import { besideLog, readFacts, type LogFacts } from './log-facts.ts'
import { readTimes } from './log-times.ts'

/** One line of a kept log, or what is to be known of lines that are not there. */
export interface KeptLine {
  readonly text: string
  /** Of the host, not of the process. */
  readonly isNote?: true
  /** Milliseconds since 1970, to the second. */
  readonly at?: number
  /** Where the next line begins: a reader goes on from there. */
  readonly next: number
}

export interface LogRange {
  /** A place from an earlier line. */
  readonly from?: number
  /** The newest so many lines. */
  readonly tail?: number
  /** Milliseconds since 1970. */
  readonly since?: number
  readonly until?: number
  /** Called first, with the place from which on it reads. */
  onStart?(place: number): void
}

const chunkBytes = 256 * 1024

/** Whole lines of a kept log, as they lie there now; what has no line end yet waits. In memory is one chunk. */
export async function* readKeptLog(file: string, { from, tail, since, until, onStart }: LogRange): AsyncGenerator<KeptLine> {
  const facts = readFacts(file)
  const times = readTimes(besideLog(file).times)
  const written = await stat(file).catch(() => ({ size: 0, mtimeMs: 0 }))
  const end = facts.base + written.size
  // What nobody has noted yet is less than a second old while somebody notes; and never younger than the file's last write.
  const timeOf = (place: number): number => times.timeOf(place) ?? written.mtimeMs
  const bySince = since === undefined ? facts.start : Math.max(facts.start, times.placeAt(since))
  const asked = from ?? (tail === undefined ? bySince : Math.max(bySince, await placeOfTail(file, { facts, end, count: tail })))
  // A place beyond the end: the log of a process that was made anew under the same name.
  const start = asked > end ? facts.start : Math.max(asked, facts.start)
  onStart?.(start)
  const note = missing(facts, { from, since, start })
  if (note !== undefined) yield { ...note, next: start }
  const untilEnd = until === undefined ? 0 : times.endAt(until)
  const gaps = facts.gaps.filter(({ place }) => place >= start)
  for await (const { text, begin, next, note: lost } of linesFrom(file, { facts, start, end })) {
    if (lost !== undefined) {
      yield { ...lost, next }
      continue
    }
    while (gaps[0] !== undefined && gaps[0].place <= begin) {
      const { from: began, to } = gaps.shift()!
      yield { text: `… the disk was full for ${Math.max(1, Math.round((to - began) / 1000))} s: lines may be missing …`, isNote: true, at: to, next: begin }
    }
    const at = timeOf(begin)
    if (until !== undefined && at > until) {
      if (begin >= untilEnd) return
      continue
    }
    if (since !== undefined && at < since) continue
    yield { text, at, next }
  }
}

/** Lines that were dropped between the place where the reader was, or the time that it asks for, and what is there. */
function missing({ dropped }: LogFacts, { from, since, start }: { from: number | undefined; since: number | undefined; start: number }): Omit<KeptLine, 'next'> | undefined {
  const lost = dropped.filter(({ to, at }) => (from !== undefined ? to > from && to <= start : since !== undefined && at >= since && to <= start))
  if (lost.length === 0) return undefined
  // A reader that was in the middle of what was dropped has seen a part of its lines.
  const parts = lost.map(({ from: begin, to, lines }) => (from === undefined || from <= begin ? lines : Math.ceil((lines * (to - from)) / (to - begin))))
  const isExact = from === undefined || lost.every((each) => from <= each.from)
  const count = parts.reduce((a, b) => a + b, 0)
  return { text: `… ${isExact ? '' : 'about '}${count.toLocaleString('en-US')} ${count === 1 ? 'line' : 'lines'} dropped …`, isNote: true, at: lost.at(-1)!.at }
}

interface FoundLine {
  readonly text: string
  readonly begin: number
  readonly next: number
  /** In place of a line: what was dropped while this was read. */
  readonly note?: Omit<KeptLine, 'next'>
}

async function* linesFrom(file: string, { facts: first, start, end }: { facts: LogFacts; start: number; end: number }): AsyncGenerator<FoundLine> {
  let facts = first
  let position = start
  while (position < end) {
    const bytes = await readPlaces(file, { facts, from: position, to: Math.min(end, position + chunkBytes) })
    // A program that writes faster than this reads has its lines dropped under the reader's eyes. That is noted before it is
    // done: what was read is whole if nobody has noted anything since.
    const newer = readFacts(file)
    if (newer.start > position || newer.base !== facts.base) {
      const next = Math.max(position, newer.start)
      const note = missing(newer, { from: position, since: undefined, start: next })
      if (note !== undefined) yield { text: '', begin: next, next, note }
      facts = newer
      position = next
      continue
    }
    if (bytes.length === 0) return
    let begin = 0
    for (let newline = bytes.indexOf(10); newline !== -1; newline = bytes.indexOf(10, begin)) {
      yield { text: textOf(bytes.subarray(begin, newline)), begin: position + begin, next: position + newline + 1 }
      begin = newline + 1
    }
    if (begin === 0) {
      if (position + bytes.length >= end && bytes.length < chunkBytes) return
      // One line longer than a chunk: shown in parts rather than never.
      yield { text: textOf(bytes), begin: position, next: position + bytes.length }
      begin = bytes.length
    }
    position += begin
  }
}

const textOf = (bytes: Buffer): string => bytes.toString('utf8').replace(/\r$/, '')

async function placeOfTail(file: string, { facts, end, count }: { facts: LogFacts; end: number; count: number }): Promise<number> {
  if (count === 0) return end
  let seen = 0
  for (let to = end; to > facts.start; ) {
    const from = Math.max(to > facts.base ? facts.base : 0, facts.start, to - chunkBytes)
    const bytes = await readPlaces(file, { facts, from, to })
    for (let at = bytes.length; at > 0; ) {
      at = bytes.lastIndexOf(10, at - 1)
      if (at === -1) break
      // The last line's own end does not count.
      if (from + at + 1 === end) continue
      seen++
      if (seen === count) return from + at + 1
      if (at === 0) break
    }
    to = from
  }
  return facts.start
}

/** From the file, or from what was moved aside; at most to the border between both. */
async function readPlaces(file: string, { facts: { base, previous }, from, to }: { facts: LogFacts; from: number; to: number }): Promise<Buffer> {
  const isBefore = previous !== undefined && from < base
  const path = isBefore ? besideLog(file).previous : file
  const origin = isBefore ? previous.from : base
  const handle = await open(path, 'r').catch(() => undefined)
  if (handle === undefined) return Buffer.alloc(0)
  try {
    const buffer = Buffer.alloc((isBefore ? Math.min(to, base) : to) - from)
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, from - origin)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
