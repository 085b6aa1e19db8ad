import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorBody, LogLine } from '@pilot/core'
import { errorFromBody, isPilotError, PilotError } from '@pilot/core/errors'
import type { CommandOutput } from '../contract/apps.ts'
import { refusalOf, type Transport } from './transport.ts'

/**
 * Streams that outlive the connection: each remembers where it is (event number, byte offset, cursor) and asks for what comes
 * after it when the connection ends early, because a server may restart in the middle of an operation.
 */
interface Stream {
  readonly transport: Transport
  readonly signal?: AbortSignal
  /** How long without any answer until SERVER_UNREACHABLE is thrown. */
  readonly patienceMs?: number
}

export interface LogChunk {
  readonly text: string
  /** The byte offset after this chunk. */
  readonly offset: number
}

export async function* readEvents<E extends { readonly seq: number }>({ path, after, until, ...stream }: Stream & { readonly path: string; readonly after: number | undefined; readonly until: (event: E) => boolean }): AsyncGenerator<E> {
  let last = after
  for await (const response of connections(stream, () => `${path}${last === undefined ? '' : `?after=${last}`}`)) {
    for await (const line of linesOf(response)) {
      // A stream that began "from now on" learns its place from the first comment, so that a reconnect misses nothing.
      if (line.startsWith(': at ') && last === undefined) last = Number(line.slice(5))
      if (line === ': end') return
      if (!line.startsWith('data:')) continue
      const event = JSON.parse(line.slice(5)) as E
      if (last !== undefined && event.seq <= last) continue
      last = event.seq
      yield event
      if (until(event)) return
    }
  }
}

export async function* readLog({ path, offset, follow, ...stream }: Stream & { readonly path: string; readonly offset: number; readonly follow: boolean }): AsyncGenerator<LogChunk> {
  let position = offset
  const decoder = new TextDecoder()
  for await (const response of connections(stream, () => `${path}?offset=${position}&follow=${follow}`)) {
    for await (const chunk of chunksOf(response)) {
      position += chunk.byteLength
      yield { text: decoder.decode(chunk, { stream: true }), offset: position }
    }
    if (response.complete) return
  }
}

export async function* readLines({ path, follow, ...stream }: Stream & { readonly path: (cursor: string | undefined) => string; readonly follow: boolean }): AsyncGenerator<LogLine> {
  let cursor: string | undefined
  for await (const response of connections(stream, () => path(cursor))) {
    for await (const line of linesOf(response)) {
      if (line === '') continue
      const entry = JSON.parse(line) as LogLine | { readonly error: ErrorBody }
      if ('error' in entry) throw errorFromBody(entry.error)
      cursor = entry.cursor
      yield entry
    }
    if (response.complete && !follow) return
  }
}

/** To the exit code that it ends with. */
export async function readCommand(response: IncomingMessage, output: (stream: 'stdout' | 'stderr', data: Uint8Array) => void | Promise<void>): Promise<number> {
  if (response.statusCode !== 200) throw await refusalOf(response)
  for await (const line of linesOf(response)) {
    if (line === '') continue
    const entry = JSON.parse(line) as CommandOutput | { readonly error: ErrorBody }
    if ('error' in entry) throw errorFromBody(entry.error)
    if ('exitCode' in entry) return entry.exitCode
    await output(entry.stream, Buffer.from(entry.data, 'base64'))
  }
  throw new PilotError('SERVER_UNREACHABLE', 'The connection to the Pilot server broke while the command ran.', { suggestion: 'The command was ended. Run it again.' })
}

/** Connects, and again whenever the consumer comes back for another connection; backs off while nobody answers. */
async function* connections({ transport, signal, patienceMs = 30_000 }: Stream, path: () => string): AsyncGenerator<IncomingMessage> {
  let silentSince: number | undefined
  let pause = 50
  while (signal?.aborted !== true) {
    try {
      const response = await transport.send({ method: 'GET', path: path(), ...(signal ? { signal } : {}) })
      if (response.statusCode !== 200) throw await refusalOf(response)
      silentSince = undefined
      pause = 50
      try {
        yield response
      } finally {
        response.destroy()
      }
    } catch (error) {
      if (signal?.aborted) return
      silentSince ??= performance.now()
      if (!isPilotError(error) || (error.code !== 'SERVER_UNREACHABLE' && error.code !== 'DATABASE_UNREACHABLE') || performance.now() - silentSince > patienceMs) throw error
    }
    await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {})
    pause = Math.min(pause * 2, 1000)
  }
}

/** Bytes until the connection ends, in whatever way: the caller decides whether that was the end. */
async function* chunksOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer
  } catch (error) {
    if (!connectionBroke(error)) throw error
  }
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of chunksOf(response)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop()!
    yield* lines
  }
}

const connectionBroke = (error: unknown): boolean => ['ECONNRESET', 'ABORT_ERR', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes((error as NodeJS.ErrnoException)?.code ?? '')
