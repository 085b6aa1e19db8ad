import type { Readable } from 'node:stream'
import type { AppIdentity, LogLine } from '@pilot/core'
import { errorFromBody, PilotError } from '@pilot/core/errors'
import type { Activity, StreamEvent } from '../contract/events.ts'
import { pathOf, routes, type Body, type Params, type Query, type Response, type RouteName, type Routes } from '../contract/routes.ts'
import type { SourceHeld } from '../contract/definition.ts'
import type { CommandSession } from './command-session.ts'
import { bodyOf, openTransport, textOf, type Transport, type TransportOptions } from './transport.ts'
import { readCommand, readEvents, readLines, readLog, type LogChunk } from './streams.ts'

/** Routes that answer with one JSON document. */
export type JsonRoute = { [N in RouteName]: Routes[N]['answer'] extends 'json' ? N : never }[RouteName]

export type RequestInput<N extends RouteName> = Given<'params', Params<N>> & Given<'query', Query<N>, true> & Given<'body', Body<N>> & { readonly signal?: AbortSignal; /** Default 30 000. */ readonly timeoutMs?: number }
type Given<K extends string, T, Optional = false> = [T] extends [undefined] ? unknown : Optional extends true ? { readonly [P in K]?: T } : { readonly [P in K]: T }

export type ClientOptions = TransportOptions & {
  /** Who acts, for records and the activity: "ada@laptop". */
  readonly by?: string
}

export interface Client {
  /**
   * Calls a route that answers with JSON. Throws the server's PilotError; SERVER_UNREACHABLE when nobody answers; TIMED_OUT.
   */
  request<N extends JsonRoute>(name: N, ...input: Record<never, never> extends RequestInput<N> ? [RequestInput<N>?] : [RequestInput<N>]): Promise<Response<N>>
  /** Whether the server has a source, so that it need not be sent. */
  hasSource(digest: string): Promise<boolean>
  /** Sends a source: `body` is the gzipped tar. May be called twice with one digest. */
  putSource(digest: string, body: Readable, options?: { readonly signal?: AbortSignal }): Promise<SourceHeld>
  /**
   * What an operation reports, from its beginning or after event `after`; ends with `operation.finished`. Reconnects when the
   * server restarts, without gap or double; gives up with SERVER_UNREACHABLE after `patienceMs` (default 30 000) without an answer.
   */
  events(operation: string, options?: StreamOptions & { readonly after?: number }): AsyncIterable<StreamEvent>
  /** Build output as text from byte `offset` on; each chunk says where the next one begins. With `follow`: until the operation ends. */
  log(operation: string, options?: StreamOptions & { readonly offset?: number; readonly follow?: boolean }): AsyncIterable<LogChunk>
  /** The whole server's activity; without `after` only what happens from now on. Ends when the signal fires. */
  activity(options?: StreamOptions & { readonly after?: number }): AsyncIterable<Activity>
  /** What a run of a schedule printed; with `follow` until it ends. */
  runLog(call: { readonly app: AppIdentity; readonly run: string }, options?: StreamOptions & { readonly offset?: number; readonly follow?: boolean }): AsyncIterable<LogChunk>
  /** Lines of an app's log; with `follow` until the signal fires, reconnecting after the last cursor. */
  logs(app: AppIdentity, options?: StreamOptions & Query<'logs'>): AsyncIterable<LogLine>
  /** Runs a command in an app's artifact (`run`) or inside an instance (`exec`), or a cron job now (`runCron`); resolves to its exit code. It ends when the signal fires. Not repeated when the connection breaks: SERVER_UNREACHABLE. */
  command<N extends 'run' | 'exec' | 'runCron'>(name: N, params: Params<N>, call: { readonly query?: Query<N>; readonly body: Body<N>; readonly signal?: AbortSignal; output(stream: 'stdout' | 'stderr', data: Uint8Array): void | Promise<void> }): Promise<number>
  /** As `command`, with input and a terminal. */
  session<N extends 'runSession' | 'execSession'>(name: N, params: Params<N>, call: CommandSession & { readonly query?: Query<N> }): Promise<number>
  close(): void
}

export interface StreamOptions {
  readonly signal?: AbortSignal
  readonly patienceMs?: number
}

export function createClient(options: ClientOptions): Client {
  const transport = openTransport(options)
  const by: Record<string, string> = options.by === undefined ? {} : { 'pilot-by': encodeURIComponent(options.by) }

  return {
    async request(name, ...[input]) {
      const { params, query, body, signal, timeoutMs = 30_000 } = (input ?? {}) as { params?: Record<string, string>; query?: object; body?: unknown; signal?: AbortSignal; timeoutMs?: number }
      const deadline = AbortSignal.timeout(timeoutMs)
      const response = await transport.send({
        method: routes[name].method,
        path: pathOf(name, params) + searchOf(query),
        headers: { ...by, accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      }).catch((error: unknown) => {
        if (deadline.aborted) throw new PilotError('TIMED_OUT', `The server did not answer ${routes[name].method} ${routes[name].path} within ${timeoutMs} ms.`, { cause: error })
        throw error
      })
      return (await answerOf(response)) as never
    },

    async hasSource(digest) {
      const response = await transport.send({ method: 'HEAD', path: pathOf('sourceHeld', { digest }), headers: by })
      response.resume()
      if (response.statusCode === 200) return true
      if (response.statusCode === 404) return false
      throw new PilotError('INTERNAL', `The server answered ${response.statusCode} when asked for source ${digest}.`)
    },

    async putSource(digest, body, { signal } = {}) {
      const response = await transport.send({ method: 'PUT', path: pathOf('putSource', { digest }), headers: { ...by, 'content-type': 'application/gzip' }, body, ...(signal ? { signal } : {}) })
      return (await answerOf(response)) as SourceHeld
    },

    events: (operation, { after = 0, ...rest } = {}) =>
      readEvents<StreamEvent>({ transport, path: pathOf('operationEvents', { id: operation }), after, until: ({ type }) => type === 'operation.finished', ...rest }),

    activity: ({ after, ...rest } = {}) => readEvents<Activity>({ transport, path: pathOf('events'), after, until: () => false, ...rest }),

    log: (operation, { offset = 0, follow = false, ...rest } = {}) => readLog({ transport, path: pathOf('operationLog', { id: operation }), offset, follow, ...rest }),

    runLog: ({ app, run }, { offset = 0, follow = false, ...rest } = {}) => readLog({ transport, path: pathOf('runLog', { ...app, run }), offset, follow, ...rest }),

    logs: ({ project, environment, app }, { signal, patienceMs, ...query } = {}) =>
      readLines({ transport, path: (cursor) => pathOf('logs', { project, environment, app }) + searchOf({ ...query, ...(cursor === undefined ? {} : { cursor }) }), follow: query.follow === true, ...(signal ? { signal } : {}), ...(patienceMs === undefined ? {} : { patienceMs }) }),

    async command(name, params, { query, body, signal, output }) {
      const response = await transport.send({ method: 'POST', path: pathOf(name, { ...params }) + searchOf(query), headers: { ...by, 'content-type': 'application/json' }, body: JSON.stringify(body), ...(signal ? { signal } : {}) })
      return await readCommand(response, output)
    },

    async session(name, params, { query, ...call }) {
      const { runSession } = await import('./command-session.ts')
      const { address } = transport
      return await runSession({ ...address, headers: { ...by, ...address.headers } }, pathOf(name, { ...(params as AppIdentity) }) + searchOf(query), call)
    },
    close: () => transport.close(),
  }
}

async function answerOf(response: Awaited<ReturnType<Transport['send']>>): Promise<unknown> {
  const text = await textOf(response)
  const body = bodyOf(text)
  if (response.statusCode! < 400) return body
  if (typeof body === 'object' && body !== null && 'code' in body && 'message' in body) throw errorFromBody(body as never)
  throw new PilotError('INTERNAL', `The server answered ${response.statusCode}.`, { reason: text.slice(0, 300) })
}

function searchOf(query: object = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)])).toString()}`
}
