import { isPilotError } from '@pilot/core/errors'
import type { LogLine } from '@pilot/core'
import type { Client } from '@pilot/server/client'
import type { AppTarget } from './target.ts'

export interface AppLine extends LogLine {
  readonly app: string
}

export interface ReadLogs {
  readonly targets: readonly AppTarget[]
  /** How many lines in all before now. */
  readonly tail: number
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
export async function* readLogs(client: Client, { targets, tail, deployment, wanted, follow, signal }: ReadLogs): AsyncGenerator<AppLine> {
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

async function* named({ params: { app } }: AppTarget, lines: AsyncIterable<LogLine>): AsyncGenerator<AppLine> {
  for await (const line of lines) yield { app, ...line }
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
