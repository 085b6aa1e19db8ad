import type { Readable } from 'node:stream'
import type { Engine } from '../engine/engine.ts'
import { isAbsent } from '../engine/errors.ts'
import { createDemultiplexer } from '../engine/log-stream.ts'
import type { SourceLine } from './merge-lines.ts'

export interface ContainerSource {
  readonly id: string
  readonly deployment: string
  readonly instance: string
  readonly process?: string
}

export interface TimedLine extends SourceLine {
  /** With all nine digits of a second: such times compare as text. */
  readonly at: string
}

interface Range {
  readonly source: ContainerSource
  /** The time of an earlier line: only later ones. */
  readonly after?: string | undefined
  /** ISO 8601. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly tail?: number | undefined
  /** Go on until the container ends or the signal fires. */
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

/** A line longer than this is shown in parts. */
const longest = 256 * 1024

/** Lines of one container in their order, while the engine sends them: nothing is held but one line. None of one that is gone. */
export async function* containerLines(docker: Engine['docker'], { source: { id, deployment, instance, process }, after, since, until, tail, follow = false, signal }: Range): AsyncGenerator<TimedLine> {
  const from = after ?? since
  const stream = await open(docker, id, { stdout: true, stderr: true, timestamps: true, follow, ...(from === undefined ? {} : { since: unixTime(from) }), ...(until === undefined ? {} : { until: unixTime(until) }), ...(tail === undefined ? {} : { tail }) }, signal)
  if (stream === undefined) return
  const seen = after === undefined ? undefined : comparable(after)
  const demultiplex = createDemultiplexer()
  const parts = new Map<string, { at: string; text: string }>()
  const end = (): void => void stream.destroy()
  signal?.addEventListener('abort', end, { once: true })
  try {
    for await (const chunk of stream) {
      for (const { stream: output, text } of demultiplex(chunk as Buffer)) {
        // A frame is one line, or a part of a long one: each part begins with a time of its own, and only the last has a line end.
        const frame = text.toString('utf8')
        const space = frame.indexOf(' ')
        const before = parts.get(output)
        const at = before?.at ?? comparable(frame.slice(0, space))
        const line = (before?.text ?? '') + frame.slice(space + 1)
        if (!line.endsWith('\n') && line.length < longest) {
          parts.set(output, { at, text: line })
          continue
        }
        parts.delete(output)
        if (seen === undefined || at > seen) yield { deployment, instance, ...(process === undefined ? {} : { process }), stream: output, at, text: line.replace(/\r?\n$/, '') }
      }
    }
  } catch (error) {
    if (signal?.aborted !== true && (error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error
  } finally {
    signal?.removeEventListener('abort', end)
    stream.destroy()
  }
  for (const [output, { at, text }] of parts) if (seen === undefined || at > seen) yield { deployment, instance, ...(process === undefined ? {} : { process }), stream: output as 'stdout', at, text }
}

/** As a stream also where dockerode would wait for all of it. */
function open(docker: Engine['docker'], id: string, options: object, signal: AbortSignal | undefined): Promise<Readable | undefined> {
  const call = { path: `/containers/${id}/logs?`, method: 'GET', isStream: true, statusCodes: { 200: true, 404: 'no such container', 500: 'server error' }, options, ...(signal === undefined ? {} : { abortSignal: signal }) }
  return new Promise((resolve, reject) => {
    docker.modem.dial(call as never, (error: Error | null, data: unknown) => {
      if (error === null || error === undefined) resolve(data as Readable)
      else if (isAbsent(error) || signal?.aborted) resolve(undefined)
      else reject(error)
    })
  })
}

/** Docker leaves out zeros at the end of a fraction; with all nine digits times compare as text. */
export function comparable(time: string): string {
  const [seconds = '', fraction = ''] = time.replace('Z', '').split('.')
  return `${seconds}.${fraction.padEnd(9, '0')}Z`
}

/** `1699999999.123456789`, which keeps the nanoseconds that a number would lose. */
function unixTime(time: string): string {
  const [seconds = '', fraction = '0'] = comparable(time).replace('Z', '').split('.')
  return `${Math.floor(Date.parse(`${seconds}Z`) / 1000)}.${fraction}`
}
