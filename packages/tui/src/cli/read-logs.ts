import { isPilotError } from '@pilot/core/errors'
import type { LogLine } from '@pilot/core'
import type { Client } from '@pilot/server/client'
import type { AppTarget } from './target.ts'

export interface AppLine extends LogLine {
  readonly app: string
}

export interface ReadLogs {
  readonly targets: readonly AppTarget[]
  /** How many lines in all before now; absent: all of the range. */
  readonly tail?: number
  /** ISO 8601. */
  readonly since?: string
  readonly until?: string
  readonly deployment?: string
  /** Which lines are wanted; those that are not do not count. */
  readonly wanted?: (line: LogLine) => boolean
  readonly follow: boolean
  readonly signal: AbortSignal
}

/** How far back it looks for lines that are wanted. */
const searched = 10_000

/**
 * The newest lines of several apps in the order of their times, then, with `follow`, all that come. Apps that were never deployed
 * are left out, unless none was.
 */
export async function* readLogs(client: Client, options: ReadLogs): AsyncGenerator<AppLine> {
  const { targets, tail, deployment, since, until, wanted, follow, signal } = options
  if (tail === undefined || since !== undefined || until !== undefined) return yield* readRange(client, options)
  const only = deployment === undefined ? {} : { deployment }
  const asked = wanted === undefined || tail === 0 ? tail : searched
  const read = await Promise.allSettled(targets.map((target) => newest(client, target, { tail: asked, ...only, signal })))
  const found = read.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = read.flatMap((result) => (result.status === 'rejected' && !(targets.length > 1 && isNotThere(result.reason)) ? [result.reason as unknown] : []))
  if (failed.length > 0) throw failed[0]
  if (found.length === 0) throw read.find((result) => result.status === 'rejected')!.reason
  const isWanted = wanted ?? (() => true)
  const lines = found.flatMap(({ lines }) => lines).filter(isWanted)
  yield* inOrder(lines).slice(Math.max(0, lines.length - tail))
  if (!follow) return
  const streams = found.map(({ target, cursor }) => named(target, client.logs(target.params, { ...target.query, tail: 0, ...(cursor === undefined ? {} : { cursor }), ...only, follow: true, signal })))
  for await (const line of merged(streams)) if (isWanted(line)) yield line
}

/** All of a range is never held: one line of each app is, and the newest `tail` that are wanted. With `follow` each app goes on by itself. */
async function* readRange(client: Client, { targets, tail, deployment, since, until, wanted = () => true, follow, signal }: ReadLogs): AsyncGenerator<AppLine> {
  const query = { ...(deployment === undefined ? {} : { deployment }), ...(until === undefined ? {} : { until }) }
  const cursors = new Map<AppTarget, string>()
  const streams = targets.map((target) => named(target, client.logs(target.params, { ...target.query, ...query, ...(since === undefined ? {} : { since }), signal }), (cursor) => void cursors.set(target, cursor)))
  const kept: AppLine[] = []
  const missing = new Set<AsyncGenerator<AppLine>>()
  for await (const line of byTime(streams, missing)) {
    if (!wanted(line)) continue
    if (tail === undefined) yield line
    else if (kept.push(line) >= 2 * tail + 100) kept.splice(0, kept.length - tail)
  }
  yield* kept.slice(Math.max(0, kept.length - (tail ?? 0)))
  if (!follow) return
  const going = targets.filter((_, index) => !missing.has(streams[index]!)).map((target) => named(target, client.logs(target.params, { ...target.query, ...query, ...(cursors.has(target) ? { cursor: cursors.get(target)! } : { tail: 0 }), follow: true, signal })))
  for await (const line of merged(going)) if (wanted(line)) yield line
}

/** One line of each is looked at; what has no time comes with the line before it. Apps that were never deployed are left out of several. */
async function* byTime(streams: readonly AsyncGenerator<AppLine>[], missing: Set<AsyncGenerator<AppLine>>): AsyncGenerator<AppLine> {
  const heads: { readonly stream: AsyncGenerator<AppLine>; line: AppLine; at: string }[] = []
  for (const stream of streams) {
    const next = await stream.next().catch((error: unknown) => {
      if (!isNotThere(error) || missing.add(stream).size === streams.length) throw error
    })
    if (next?.done === false) heads.push({ stream, line: next.value, at: next.value.at ?? '' })
  }
  while (heads.length > 0) {
    const head = heads.reduce((first, each) => (each.at < first.at ? each : first))
    yield head.line
    const next = await head.stream.next()
    if (next.done === true) heads.splice(heads.indexOf(head), 1)
    else Object.assign(head, { line: next.value, at: next.value.at ?? head.at })
  }
}

interface Newest {
  readonly target: AppTarget
  readonly lines: readonly AppLine[]
  readonly cursor?: string
}

async function newest(client: Client, target: AppTarget, options: { readonly tail: number; readonly deployment?: string; readonly signal: AbortSignal }): Promise<Newest> {
  const lines: AppLine[] = []
  for await (const line of named(target, client.logs(target.params, { ...target.query, ...options }))) lines.push(line)
  const cursor = lines.at(-1)?.cursor
  return { target, lines, ...(cursor === undefined ? {} : { cursor }) }
}

async function* named({ params: { app } }: AppTarget, lines: AsyncIterable<LogLine>, passed: (cursor: string) => void = () => {}): AsyncGenerator<AppLine> {
  for await (const line of lines) {
    passed(line.cursor)
    yield { app, ...line }
  }
}

/** By time where every line has one; else app by app, as the lines came. */
const inOrder = (lines: readonly AppLine[]): readonly AppLine[] => (lines.every(({ at }) => at !== undefined) ? lines.toSorted((a, b) => (a.at! < b.at! ? -1 : a.at! > b.at! ? 1 : 0)) : lines)

const isNotThere = (error: unknown): boolean => isPilotError(error) && (error.code === 'NOT_FOUND' || error.code === 'NOT_ALLOWED_NOW')

/** Whatever comes first, from whichever stream. */
async function* merged<T>(streams: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const next = (stream: AsyncGenerator<T>) => stream.next().then((result) => ({ stream, result }))
  const waiting = new Map(streams.map((stream) => [stream, next(stream)]))
  try {
    while (waiting.size > 0) {
      const { stream, result } = await Promise.race(waiting.values())
      if (result.done === true) waiting.delete(stream)
      else {
        waiting.set(stream, next(stream))
        yield result.value
      }
    }
  } finally {
    for (const stream of waiting.keys()) void stream.return(undefined).catch(() => {})
  }
}
