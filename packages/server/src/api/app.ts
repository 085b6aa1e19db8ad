import { Hono, type Context } from 'hono'
import type * as z from 'zod'
import { catalogue, errorBody, PilotError, toPilotError } from '@pilot/core'
import { routeSchemas } from '../contract/route-schemas.ts'
import { routes, type Route, type RouteName } from '../contract/routes.ts'
import type { Log } from '../log.ts'
import { checkBrowserAccess, type BrowserAccess } from './access.ts'
import type { ApiRequest, Handlers } from './handler.ts'

const maxJsonBytes = 8 * 1024 ** 2

/** The API as a function from request to answer. With `browser`, for the TCP port; without, for the unix socket. */
export function createApi({ handlers, log, closing, browser }: { handlers: Handlers; log: Log; /** Ends streams when the server stops. */ closing: AbortSignal; browser?: BrowserAccess }): { fetch(request: Request): Response | Promise<Response> } {
  const app = new Hono()
  if (browser !== undefined) {
    app.use(async (context, next) => {
      checkBrowserAccess(context.req.raw, browser)
      await next()
    })
  }
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    // Hono answers HEAD from the GET route of the same path.
    const method = route.method === 'HEAD' ? 'GET' : route.method
    app.on([method], [route.path.replace(/\{(\w+)\}/g, ':$1')], async (context) => answer(context, { name, route, handlers, closing }))
  }
  app.get('/v1/openapi.json', async (context) => context.json((await import('./openapi.ts')).openApiDocument()))
  app.notFound((context) => failure(context, new PilotError('NOT_FOUND', `There is no ${context.req.method} ${context.req.path}`, { suggestion: 'GET /v1/openapi.json lists what there is.' })))
  app.onError((error, context) => {
    const problem = toPilotError(error)
    if (problem.code === 'INTERNAL') log.error('a request failed', { method: context.req.method, path: context.req.path, reason: problem.message, stack: error.stack })
    return failure(context, problem)
  })
  return app
}

async function answer(context: Context, { name, route, handlers, closing }: { name: RouteName; route: Route; handlers: Handlers; closing: AbortSignal }): Promise<Response> {
  const schemas = routeSchemas[name] as unknown as { readonly params?: z.ZodType; readonly query?: z.ZodType; readonly body?: z.ZodType }
  const raw = context.req.raw
  const request: ApiRequest<RouteName> = {
    params: parsed(schemas.params, context.req.param(), 'the path') as never,
    query: parsed(schemas.query, context.req.query(), 'the query') as never,
    body: schemas.body === undefined ? (undefined as never) : (parsed(schemas.body, await jsonOf(raw), 'the body') as never),
    by: whoAsks(raw),
    signal: AbortSignal.any([raw.signal, closing]),
    raw,
  }
  const result = await (handlers[name] as (request: ApiRequest<RouteName>) => Promise<unknown>)(request)
  return result instanceof Response ? result : context.json(result as object, route.status as 200, { 'cache-control': 'no-store' })
}

function parsed(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.slice(0, 5).map(({ path, message }) => `${path.length === 0 ? where : path.join('.')}: ${message}`)
  throw new PilotError('USAGE', `There is a problem in ${where} of the request`, { reason: problems.join('; '), suggestion: 'GET /v1/openapi.json describes each request.', details: { problems } })
}

/** The content type is asked for, since pages of other origins can send plain text without asking first. */
async function jsonOf(request: Request): Promise<unknown> {
  const text = await textOf(request)
  if (text === '') return {}
  if (!request.headers.get('content-type')?.toLowerCase().startsWith('application/json')) throw new PilotError('USAGE', 'The body must be JSON with `content-type: application/json`')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new PilotError('USAGE', 'The body is not valid JSON', { reason: (error as Error).message })
  }
}

function whoAsks(request: Request): string {
  const header = request.headers.get('pilot-by')
  if (header === null) return 'unknown'
  try {
    return decodeURIComponent(header).replace(/[\p{C}]/gu, '').slice(0, 200) || 'unknown'
  } catch {
    return 'unknown'
  }
}

async function textOf({ body }: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxJsonBytes) throw new PilotError('USAGE', `The body is larger than ${maxJsonBytes / 1024 ** 2} MB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const failure = (context: Context, error: PilotError): Response => context.json(errorBody(error), catalogue[error.code].http as 500, { 'cache-control': 'no-store' })
