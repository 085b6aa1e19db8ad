import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'

export interface StubRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Record<string, unknown>
}
export interface StubAnswer {
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

/** A server with state of its own that answers JSON, as strictly as its cloud would. */
export async function startStub(answer: (request: StubRequest) => StubAnswer): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, 'http://stub')
    const body = await text(request)
    const { status = 200, headers = {}, body: result = {} } = answer({ method: request.method!, path: url.pathname, query: url.searchParams, headers: request.headers, body: body === '' ? {} : JSON.parse(body) })
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(result))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Something that takes a while: it becomes `then` after `ms`, whenever somebody looks. */
export function lagging<T>(now: T, then: T, ms: number): () => T {
  const at = performance.now() + ms
  return () => (performance.now() < at ? now : then)
}
