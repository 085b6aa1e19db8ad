import { randomUUID } from 'node:crypto'
import type { FunctionConfig } from './config.ts'
import { httpAnswer, httpEvent } from './http-event.ts'
import { logLine } from './log.ts'
import { createServer, readBody, type IncomingMessage, type Server, type ServerResponse } from './node-http.ts'
import type { Failure, Outcome } from './outcome.ts'
import type { Pool } from './pool.ts'
import { payloadLimit } from './runtime-api.ts'
import { isSame } from './same-token.ts'

/** Shown by Pilot itself, which asks for the state and calls with events of its own. */
const tokenHeader = 'x-pilot-function-token'

const statusOf: Readonly<Record<Failure, number>> = { handler: 502, init: 502, ended: 502, timeout: 504, busy: 429, leaving: 503 }

/** The port of the deployment: HTTP requests that become events, and Pilot's own questions. */
export function createFront({ http, token, timeoutMs }: Pick<FunctionConfig, 'http' | 'token' | 'timeoutMs'>, pool: Pool): Server {
  const server = createServer((request, response) => {
    const isPilot = isSame(request.headers[tokenHeader], token)
    delete request.headers[tokenHeader]
    ;(isPilot ? own(request, response) : call(request, response)).catch((error: Error) => {
      logLine('ERROR', `internal error: ${error.stack}`)
      if (!response.headersSent) send(response, 500, { message: 'Internal Server Error' })
    })
  })
  server.requestTimeout = 0
  // Longer than the edge keeps a connection, so that it never sends a request into one that closes.
  server.keepAliveTimeout = 75_000
  return server

  async function own(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'GET') return send(response, 200, pool.state())
    const event = await readBody(request, payloadLimit)
    if (event === undefined) return send(response, 413, { message: 'The event is larger than 6 MB' })
    const outcome = await pool.invoke(event, goneWith(response))
    send(response, 200, 'error' in outcome ? outcome : { requestId: outcome.requestId, payload: outcome.payload.toString('utf8') })
  }

  async function call(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!http) return send(response, 404, { message: 'This function takes no HTTP requests' })
    const body = await readBody(request, payloadLimit)
    if (body === undefined) {
      response.setHeader('connection', 'close')
      return send(response, 413, { message: 'The request is larger than 6 MB' })
    }
    const event = httpEvent({ requestId: randomUUID(), method: request.method ?? 'GET', target: request.url ?? '/', headers: request.headers, body, at: new Date() })
    reply(request, response, await pool.invoke(JSON.stringify(event), goneWith(response)))
  }

  function reply(request: IncomingMessage, response: ServerResponse, outcome: Outcome): void {
    response.setHeader('x-amzn-requestid', outcome.requestId)
    if ('error' in outcome) {
      if (outcome.why === 'busy') response.setHeader('retry-after', '1')
      return send(response, statusOf[outcome.why], { message: outcome.why === 'timeout' ? `The function timed out after ${timeoutMs / 1000} s` : outcome.why === 'busy' ? 'Too many requests' : 'Internal Server Error' })
    }
    const answer = httpAnswer(outcome.payload)
    if (typeof answer === 'string') {
      logLine('ERROR', `What it returned cannot be sent: ${answer}`, outcome.requestId)
      return send(response, 502, { message: 'Internal Server Error' })
    }
    const { status, headers, body } = answer
    const isEmpty = status === 204 || status === 304
    response.writeHead(status, { ...(headers as Record<string, string | string[]>), ...(isEmpty ? {} : { 'content-length': body.length }) })
    response.end(request.method === 'HEAD' || isEmpty ? undefined : body)
  }
}

function goneWith(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => controller.abort())
  return controller.signal
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
