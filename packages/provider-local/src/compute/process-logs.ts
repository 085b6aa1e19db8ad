import type { LogCall, LogLine } from '@pilot/core'
import { readKeptLog, type Home, type LogRange } from '@pilot/host'
import type { StoredInstance } from '../kinds/process.ts'
import { endedLogs, freshEndedLogs } from './ended-logs.ts'
import { mergedByTime, newest, type SourceLine } from './merge-lines.ts'
import { pause } from './pause.ts'
import { processesOf } from './process-status.ts'

const pollMs = 300

interface PlacedLine extends SourceLine {
  /** Whose, and where its next line begins. */
  readonly key: string
  readonly next: number
}

/**
 * Lines of an app's processes, also of those that have ended. The supervisor lets both output streams go to one file and notes
 * once a second how far it has grown: lines have a time to the second, and no stream. The cursor holds the place in each file.
 */
export async function* processLogs(platform: { home: Home; platformId: string }, { app, deployments, tail, since, until, follow = false, cursor, signal }: LogCall): AsyncIterable<LogLine> {
  const places = new Map<string, number>(cursor ? Object.entries(parseCursor(cursor)) : [])
  const asCursor = (): string => Buffer.from(JSON.stringify(Object.fromEntries(places))).toString('base64url')
  const pass = ({ key, next }: PlacedLine): void => void places.set(key, next)
  const count = cursor !== undefined ? undefined : (tail ?? (since === undefined && until === undefined ? 100 : undefined))
  const read = new Set<string>()
  for (let first = true; ; first = false) {
    const isWanted = ({ deployment }: { deployment: string }): boolean => !deployments || deployments.includes(deployment)
    const running = (await processesOf(platform, app)).filter(isWanted).map((service) => ({ key: service.name, file: service.logFile, instance: service.name, ...service }))
    // One that ended while it was followed is read to its end, once.
    const ended = (await (first ? freshEndedLogs : endedLogs)({ ...platform, app })).filter(isWanted).map((log) => ({ key: log.instance, ...log })).filter(({ key }) => !read.has(key) && (first || places.has(key)))
    for (const { key } of ended) read.add(key)
    const streams = [...ended, ...running].map((source) => {
      const known = places.get(source.key)
      const range = known !== undefined ? { from: known } : first && cursor === undefined ? { ...(count === undefined ? {} : { tail: count }), ...(since === undefined ? {} : { since: Date.parse(since) }) } : {}
      return linesOf(source, { ...range, ...(until === undefined ? {} : { until: Date.parse(until) }), onStart: (place) => void places.set(source.key, place) })
    })
    const lines = mergedByTime(streams)
    for await (const line of first && count !== undefined ? newest(lines, count, pass) : lines) {
      if (signal.aborted) return
      pass(line)
      const { key: _, next: __, ...rest } = line
      yield { ...rest, cursor: asCursor() }
    }
    if (!follow || signal.aborted) return
    await pause(pollMs, signal)
    if (signal.aborted) return
  }
}

async function* linesOf({ key, file, deployment, instance, process }: { key: string; file: string; deployment: string; instance: string; process?: string }, range: LogRange): AsyncGenerator<PlacedLine> {
  for await (const { text, at, isNote, next } of readKeptLog(file, range)) {
    yield { deployment, instance, ...(process === undefined ? {} : { process }), stream: isNote ? 'pilot' : 'stdout', ...(at === undefined ? {} : { at: new Date(at).toISOString() }), text, key, next }
  }
}

/** Whole lines of a service from a place on, and where to go on; none when all are read that are there by now. */
export async function readServiceLines({ logFile }: Pick<StoredInstance, 'logFile'>, from: number): Promise<{ readonly lines: readonly string[]; readonly next: number }> {
  const lines: string[] = []
  let place = from
  for await (const { text, next } of readKeptLog(logFile, { from })) {
    lines.push(text)
    place = next
    if (lines.length === 1000) break
  }
  return { lines, next: place }
}

function parseCursor(cursor: string): Record<string, number> {
  try {
    const places = Object.entries((JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) ?? {}) as Record<string, unknown>)
    return Object.fromEntries(places.filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1]) && (entry[1] as number) >= 0))
  } catch {
    return {}
  }
}
