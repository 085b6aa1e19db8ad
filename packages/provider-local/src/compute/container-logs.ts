import type { LogCall, LogLine } from '@pilot/core'
import type { Home } from '@pilot/host'
import { labels } from '../ownership.ts'
import { comparable, containerLines, type ContainerSource, type TimedLine } from './container-lines.ts'
import { containersOf, instanceName, processOf, type OfPlatform } from './container-status.ts'
import { endedLines, freshEndedLogs, logLimits } from './ended-logs.ts'
import { mergedByTime, newest, type SourceLine } from './merge-lines.ts'
import { pause } from './pause.ts'

/** How often a follower looks for containers that are new. */
const pollMs = 500
/** Lines that wait for a reader; the engine is read no further meanwhile. */
const mostWaiting = 1000

/**
 * Lines of all containers of the app in the order of their time, also of those that have ended. The cursor is the time of the
 * last line, which Docker gives in nanoseconds.
 */
export async function* containerLogs(platform: OfPlatform & { readonly home: Home }, { app, deployments, tail, since, until, follow = false, cursor, signal }: LogCall): AsyncIterable<LogLine> {
  const { docker } = await platform.engine()
  const isWanted = ({ deployment }: { deployment: string }): boolean => !deployments || deployments.includes(deployment)
  const sourcesOf = async (): Promise<readonly (ContainerSource & { readonly isRunning: boolean })[]> =>
    (await containersOf(platform, app)).map(({ Id, Labels, Names, State }) => ({ id: Id, deployment: Labels[labels.deployment]!, instance: instanceName(Names), ...processOf(Labels), isRunning: State === 'running' })).filter(isWanted)

  const count = cursor !== undefined ? undefined : (tail ?? (since === undefined && until === undefined ? 100 : undefined))
  const oldest = new Date(Date.now() - logLimits.ms).toISOString()
  const from = since === undefined || since < oldest ? oldest : since
  /** With `until` the engine would count lines that are later. */
  const askedTail = until === undefined && since === undefined ? count : undefined
  const ended = (await freshEndedLogs({ ...platform, app })).filter(isWanted)
  const live = await sourcesOf()
  const streams: AsyncGenerator<SourceLine>[] = [
    ...ended.map((log) => endedLines(log, { since: cursor === undefined ? since : cursor, until, tail: askedTail })),
    ...live.map((source) => containerLines(docker, { source, after: cursor, since: from, until, tail: askedTail })),
  ]
  /** Of each container the time of its last line that was read. */
  const seen = new Map<string, string>()
  const begun = cursor === undefined ? comparable(new Date().toISOString()) : comparable(cursor)
  const note = ({ instance, at = '' }: SourceLine): void => void seen.set(instance, at)
  const lines = mergedByTime(streams)
  for await (const line of count === undefined ? lines : newest(lines, count, note)) {
    if (signal.aborted) return
    if (cursor !== undefined && comparable(line.at ?? '') <= comparable(cursor)) continue
    note(line)
    yield { ...line, cursor: line.at ?? begun }
  }
  if (!follow || signal.aborted) return
  // A container that printed nothing yet is read from when this began, one that is new from its own beginning.
  for (const { instance } of live) if (!seen.has(instance)) seen.set(instance, begun)
  for await (const line of following(sourcesOf, { seen, signal, linesOf: (source) => containerLines(docker, { source, after: seen.get(source.instance) || undefined, follow: true, signal }) })) yield { ...line, cursor: line.at }
}

interface Following {
  readonly seen: Map<string, string>
  readonly signal: AbortSignal
  linesOf(source: ContainerSource): AsyncGenerator<TimedLine>
}

/** Whatever comes first, from whichever container; one that is started again is read on. */
async function* following(sourcesOf: () => Promise<readonly (ContainerSource & { readonly isRunning: boolean })[]>, { seen, signal, linesOf }: Following): AsyncGenerator<TimedLine> {
  const reading = new Set<string>()
  const waiting: TimedLine[] = []
  let failure: Error | undefined
  let wake = (): void => {}
  let drained = Promise.withResolvers<void>()

  const read = async (source: ContainerSource): Promise<void> => {
    reading.add(source.id)
    try {
      for await (const line of linesOf(source)) {
        seen.set(line.instance, line.at)
        waiting.push(line)
        wake()
        if (waiting.length >= mostWaiting) await drained.promise
        if (signal.aborted) return
      }
    } catch (error) {
      failure = error as Error
    } finally {
      reading.delete(source.id)
      if (!seen.has(source.instance)) seen.set(source.instance, '')
    }
  }

  signal.addEventListener('abort', () => (wake(), drained.resolve()), { once: true })
  while (!signal.aborted && failure === undefined) {
    // One that does not run any more has said its last words to the stream that was open, unless it was never open.
    for (const source of await sourcesOf()) if (!reading.has(source.id) && (source.isRunning || !seen.has(source.instance))) void read(source)
    const nextLook = pause(pollMs, signal)
    for (let looking = true; looking && !signal.aborted; ) {
      for (const line of waiting.splice(0)) yield line
      drained.resolve()
      drained = Promise.withResolvers<void>()
      const woken = new Promise<void>((resolve) => (wake = resolve))
      if (waiting.length > 0) continue
      looking = await Promise.race([woken.then(() => true), nextLook.then(() => false)])
    }
  }
  if (failure !== undefined && !signal.aborted) throw failure
}
