import { errorBody, toPilotError } from '@pilot/core'

const encoder = new TextEncoder()

/**
 * An answer that is written while it is made. Stops making when the client goes away. An error in the middle ends it with
 * what `onError` says, or breaks the connection. `onEnd` is called however it ends, maybe twice.
 */
export function streamAnswer({ headers, make, signal, onError, onEnd = () => {} }: { headers: Readonly<Record<string, string>>; make: (signal: AbortSignal) => AsyncIterable<string | Uint8Array>; signal: AbortSignal; onError?: (error: unknown) => string; onEnd?: () => void }): Response {
  const gone = new AbortController()
  const both = AbortSignal.any([signal, gone.signal])
  const iterator = make(both)[Symbol.asyncIterator]()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await iterator.next()
        if (done !== true) return controller.enqueue(typeof value === 'string' ? encoder.encode(value) : value)
        onEnd()
        controller.close()
      } catch (error) {
        onEnd()
        if (onError === undefined || both.aborted) return controller.error(error)
        controller.enqueue(encoder.encode(onError(error)))
        controller.close()
      }
    },
    async cancel() {
      gone.abort()
      try {
        await iterator.return?.()
      } finally {
        onEnd()
      }
    },
  })
  return new Response(body, { headers: { 'cache-control': 'no-store', 'x-accel-buffering': 'no', ...headers } })
}

export const eventHeaders = { 'content-type': 'text/event-stream; charset=utf-8' }
export const lineHeaders = { 'content-type': 'application/x-ndjson; charset=utf-8' }

/** One server-sent event. */
export const eventText = (id: number, data: unknown): string => `id: ${id}\ndata: ${JSON.stringify(data)}\n\n`

export const errorLine = (error: unknown): string => `${JSON.stringify({ error: errorBody(toPilotError(error)) })}\n`
