import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { errorBody, toPilotError } from '@pilot/core'
import { RawAnswer } from './handler.ts'

interface Stream {
  readonly headers: Readonly<Record<string, string>>
  /** The signal fires when the client goes away, and when the server stops. */
  make(signal: AbortSignal): AsyncIterable<string | Uint8Array>
  /** What an error in the middle ends it with; without, it breaks the connection. */
  onError?(error: unknown): string
  /** However it ends. */
  onEnd?(): void
}

/** An answer that is written while it is made, no faster than it is read. Headers leave at once. */
export function streamAnswer({ headers, make, onError, onEnd }: Stream): RawAnswer {
  return new RawAnswer(async (response, signal) => {
    response.writeHead(200, { 'cache-control': 'no-store', 'x-accel-buffering': 'no', ...headers }).flushHeaders()
    try {
      await pipeline(Readable.from(toItsEnd(signal)), response)
    } catch (error) {
      // Nobody is there any more who could be told.
      if (!signal.aborted) throw error
    } finally {
      onEnd?.()
    }
  })

  async function* toItsEnd(signal: AbortSignal): AsyncGenerator<string | Uint8Array> {
    try {
      yield* make(signal)
    } catch (error) {
      if (onError === undefined || signal.aborted) throw error
      yield onError(error)
    }
  }
}

export const eventHeaders = { 'content-type': 'text/event-stream; charset=utf-8' }
export const lineHeaders = { 'content-type': 'application/x-ndjson; charset=utf-8' }

/** One server-sent event. */
export const eventText = (id: number, data: unknown): string => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`

export const errorLine = (error: unknown): string => `${JSON.stringify({ error: errorBody(toPilotError(error)) })}\n`
