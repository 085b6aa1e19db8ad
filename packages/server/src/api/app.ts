import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import createRouter from 'find-my-way'
import type * as z from 'zod'
import { catalogue, errorBody, PilotError } from '@pilot/core'
import { routeSchemas } from '../contract/route-schemas.ts'
import { routes, type Route, type RouteName } from '../contract/routes.ts'
import { toServerError } from '../db/trouble.ts'
import type { DatabaseWatch } from '../db/watch.ts'
import type { Log } from '../log.ts'
import { checkBrowserAccess, type BrowserAccess } from './access.ts'
import { RawAnswer, type ApiRequest, type Handlers } from './handler.ts'
import { refuseSocket, type SocketAnswer, type Upgrade } from './socket.ts'

const maxJsonBytes = 8 * 1024 ** 2

/** What a route makes of a request: a document for an answer with `status`, or the whole answer. */
interface Endpoint {
  readonly status: number
  readonly isSocket: boolean
  answer(arrived: Arrived): Promise<unknown>
}

interface Arrived {
  readonly request: IncomingMessage
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly isOwner: boolean
}

/** Of Node's HTTP server: what answers requests, and what answers those that ask for a WebSocket. */
export type Api = RequestListener & { readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void }

/** The API for Node's HTTP server. With `browser`, for the TCP port; without, for the unix socket. */
export function createApi({ handlers, log, closing, browser, database }: { handlers: Handlers; log: Log; /** Ends streams when the server stops. */ closing: AbortSignal; browser?: BrowserAccess; /** Looks after requests that take long. */ database: DatabaseWatch }): Api {
  const router = createRouter()
  const add = (method: Route['method'], path: string, endpoint: Endpoint): void => router.on(method, path.replace(/\{(\w+)\}/g, ':$1'), () => {}, endpoint)
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) add(route.method, route.path, { status: route.status, isSocket: route.answer === 'socket', answer: (arrived) => database.during(answer(arrived, name, handlers)) })
  add('GET', '/v1/openapi.json', { status: 200, isSocket: false, answer: async () => (await import('./openapi.ts')).openApiDocument() })

  const failed = (error: unknown, { method, url }: IncomingMessage): PilotError => {
    const problem = toServerError(error)
    if (problem.code === 'INTERNAL') log.error('a request failed', { method, path: url, reason: problem.message, stack: problem.stack })
    return problem
  }
  const listener: RequestListener = (request, response) => {
    const left = new AbortController()
    response.once('close', () => response.writableFinished || left.abort())
    serve(request, response, AbortSignal.any([left.signal, closing])).catch((error: unknown) => {
      const problem = failed(error, request)
      if (response.headersSent) response.destroy()
      else writeJson(response, catalogue[problem.code].http, errorBody(problem))
    })
  }

  const upgrade: Api['upgrade'] = (request, socket, head) => {
    const left = new AbortController()
    socket.on('error', () => {}).once('close', () => left.abort())
    talk({ request, socket, head }, left.signal).catch((error: unknown) => refuseSocket(socket, failed(error, request)))
  }
  return Object.assign(listener, { upgrade })

  async function talk(wanted: Upgrade, left: AbortSignal): Promise<void> {
    const { endpoint, ...found } = endpointOf(wanted.request)
    if (!endpoint.isSocket) throw new PilotError('USAGE', `${wanted.request.method} ${wanted.request.url} is no WebSocket`)
    const answer = (await endpoint.answer({ request: wanted.request, ...found, signal: AbortSignal.any([left, closing]), isOwner: browser === undefined })) as SocketAnswer
    await answer.talk(wanted, closing)
  }

  async function serve(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { endpoint, ...found } = endpointOf(request)
    if (endpoint.isSocket) throw new PilotError('USAGE', `${request.method} ${request.url} is a WebSocket`)
    const result = await endpoint.answer({ request, ...found, signal, isOwner: browser === undefined })
    if (result instanceof RawAnswer) await result.write(response, signal)
    else writeJson(response, endpoint.status, result)
  }

  function endpointOf({ headers, method = '', url = '' }: IncomingMessage): { readonly endpoint: Endpoint } & Pick<Arrived, 'params' | 'query'> {
    if (browser !== undefined) checkBrowserAccess(headers, browser)
    const [, path = '', query = ''] = /^([^?]*)\??(.*)$/s.exec(url) ?? []
    const found = router.find(method as Route['method'], path)
    if (found === null) throw new PilotError('NOT_FOUND', `There is no ${method} ${path}`, { suggestion: 'GET /v1/openapi.json lists what there is.' })
    return { endpoint: found.store as Endpoint, params: found.params, query: Object.fromEntries(new URLSearchParams(query)) }
  }
}

async function answer({ request, params, query, signal, isOwner }: Arrived, name: RouteName, handlers: Handlers): Promise<unknown> {
  const schemas = routeSchemas[name] as unknown as { readonly params?: z.ZodType; readonly query?: z.ZodType; readonly body?: z.ZodType }
  const checked: ApiRequest<RouteName> = {
    params: parsed(schemas.params, params, 'the path') as never,
    query: parsed(schemas.query, query, 'the query') as never,
    body: schemas.body === undefined ? (undefined as never) : (parsed(schemas.body, await jsonOf(request), 'the body') as never),
    by: whoAsks(request),
    signal,
    raw: request,
    isOwner,
  }
  return (handlers[name] as (request: ApiRequest<RouteName>) => Promise<unknown>)(checked)
}

function writeJson(response: ServerResponse, status: number, document: unknown): void {
  const text = JSON.stringify(document)
  response.writeHead(status, { 'cache-control': 'no-store', 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
}

function parsed(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined
  refuseOddValues(value, where)
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.slice(0, 5).map(({ path, message }) => `${path.length === 0 ? where : path.join('.')}: ${message}`)
  throw new PilotError('USAGE', `There is a problem in ${where} of the request`, { reason: problems.join('; '), suggestion: 'GET /v1/openapi.json describes each request.', details: { problems } })
}

/**
 * What no schema looks at: a zero byte, which neither PostgreSQL nor an environment, a path or an argument can hold, and nesting
 * so deep that whoever goes down into it runs out of stack. Not recursive itself.
 */
function refuseOddValues(value: unknown, where: string): void {
  let level: readonly unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) throw new PilotError('USAGE', `There is something nested more than ${deepest} deep in ${where} of the request`)
    const next: unknown[] = []
    for (const each of level) {
      if (typeof each === 'string' && each.includes('\0')) throw new PilotError('USAGE', 'The request holds a zero byte', { reason: 'Neither an environment nor a command can carry one.', suggestion: 'Encode what is no text, for example with base64.' })
      if (typeof each === 'object' && each !== null) for (const [key, inner] of Object.entries(each)) next.push(key, inner)
    }
    level = next
  }
}

const deepest = 100

/** The content type is asked for, since pages of other origins can send plain text without asking first. */
async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const text = await textOf(request)
  if (text === '') return {}
  if (!request.headers['content-type']?.toLowerCase().startsWith('application/json')) throw new PilotError('USAGE', 'The body must be JSON with `content-type: application/json`')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PilotError('USAGE', 'The body is not valid JSON', { reason: (error as Error).message })
  }
}

function whoAsks({ headers }: IncomingMessage): string {
  try {
    return decodeURIComponent(String(headers['pilot-by'] ?? '')).replace(/[\p{C}]/gu, '').slice(0, 200) || 'unknown'
  } catch {
    return 'unknown'
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes > maxJsonBytes) throw new PilotError('USAGE', `The body is larger than ${maxJsonBytes / 1024 ** 2} MB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
