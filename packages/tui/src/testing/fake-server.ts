import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EventBody } from '@pilot/core'
import { catalogue, errorBody, isPilotError, PilotError } from '@pilot/core/errors'
import { routes, type Info, type Job, type Operation, type OperationRequest, type Params, type Query, type Response, type RouteName, type StatusView } from '@pilot/server/contract'
import { version } from '../version.ts'

/** What a request carried. */
export interface Seen<N extends RouteName = RouteName> {
  readonly name: N
  readonly params: Params<N>
  readonly query: Query<N>
  readonly body: unknown
}

type Answers = { readonly [N in RouteName]?: (seen: Seen<N>) => Response<N> | Promise<Response<N>> }

export interface FakeServer extends AsyncDisposable {
  /** PILOT_HOME for commands that are to meet it. */
  readonly home: string
  readonly seen: readonly Seen[]
  /** Starts operations that report these events, each after the pause; the last should be `operation.finished`. */
  script(events: readonly (EventBody | { readonly pauseMs: number } | { readonly hangUp: true })[]): void
  /** Reports one more event of the operation that runs. */
  report(event: EventBody): void
}

/**
 * A server on a unix socket that knows the routes of the contract and answers what the test says: nothing of Pilot's work is
 * behind it. What a test does not answer is 404.
 */
export async function startFakeServer(answers: Answers = {}): Promise<FakeServer> {
  const home = await mkdtemp(join(tmpdir(), 'pilot-tui-'))
  await writeFile(join(home, 'home.json'), JSON.stringify({ format: 1, id: '0'.repeat(32), run: home, reachable: home }))
  const seen: Seen[] = []
  let events: { seq: number; event: EventBody }[] = []
  let hangUps = new Set<number>()
  let script: readonly (EventBody | { readonly pauseMs: number } | { readonly hangUp: true })[] = [{ type: 'operation.finished', outcome: 'done' }]
  let operation: Operation | undefined

  const report = (event: EventBody) => void events.push({ seq: events.length + 1, event })
  const play = async () => {
    for (const step of script) {
      if ('pauseMs' in step) await sleep(step.pauseMs)
      else if ('hangUp' in step) hangUps.add(events.length)
      else report(step)
    }
  }
  const usual: Answers = {
    info: () => infoOf(home),
    status: () => emptyStatus,
    platforms: () => ({ platforms: [{ id: '1'.repeat(32), name: 'local', provider: 'local', state: 'ready', createdAt: at, settings: {} }] }),
    startOperation: ({ body }) => {
      operation = operationOf(body as OperationRequest)
      events = []
      hangUps = new Set()
      void play()
      return { operation, created: true }
    },
    operation: () => {
      const last = events.findLast(({ event }) => event.type === 'operation.finished')?.event
      return { ...operation!, state: 'done', ...(last?.type === 'operation.finished' && last.url !== undefined ? { url: last.url } : {}) }
    },
    cancelOperation: () => {
      report({ type: 'operation.finished', outcome: 'cancelled' })
      return operation!
    },
  }
  const all = { ...usual, ...answers }

  const server = createServer(async (request, response) => {
    const matched = match(request)
    if (matched === undefined) return send(response, 404, errorBody(new PilotError('NOT_FOUND', `No route ${request.method} ${request.url}`)))
    const body = await read(request)
    const entry = { ...matched, body: body === '' ? undefined : (parse(body) ?? body) } as Seen
    seen.push(entry)
    if (matched.name === 'operationEvents') return await stream(response, Number((matched.query as { after?: string }).after ?? 0))
    if (matched.name === 'operationLog') return await holdLog(response)
    const answer = all[matched.name] as ((seen: Seen) => unknown) | undefined
    try {
      if (answer === undefined) throw new PilotError('NOT_FOUND', `The test does not answer ${matched.name}.`)
      const given = await answer(entry)
      const route = routes[matched.name]
      if (route.answer === 'lines') return response.writeHead(200).end((given as unknown[]).map((line) => `${JSON.stringify(line)}\n`).join(''))
      if (route.answer === 'bytes') return response.writeHead(200).end(String(given))
      send(response, route.status, given)
    } catch (error) {
      const failure = isPilotError(error) ? error : new PilotError('INTERNAL', String(error))
      send(response, catalogue[failure.code].http, errorBody(failure))
    }
  })

  async function stream(response: ServerResponse, after: number): Promise<void> {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    for (let next = after; !response.destroyed; ) {
      if (hangUps.has(next) && hangUps.delete(next)) return void response.destroy()
      const found = events[next]
      if (found === undefined) await sleep(5)
      else {
        response.write(`id: ${found.seq}\ndata: ${JSON.stringify({ seq: found.seq, operation: 'op-1', v: 1, at: new Date().toISOString(), ...found.event })}\n\n`)
        next++
        if (found.event.type === 'operation.finished') return void response.end()
      }
    }
  }

  /** The build output that the test says, or none, until the operation ends. */
  async function holdLog(response: ServerResponse): Promise<void> {
    response.writeHead(200).flushHeaders()
    const text = (all.operationLog as (() => string) | undefined)?.()
    if (text !== undefined) response.write(text)
    while (!response.destroyed && !events.some(({ event }) => event.type === 'operation.finished')) await sleep(5)
    response.end()
  }

  await new Promise<void>((resolve) => server.listen(join(home, 'server.sock'), resolve))
  return {
    home,
    seen,
    script: (steps) => void (script = steps),
    report,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(home, { recursive: true, force: true })
    },
  }
}

export const at = '2026-01-02T03:04:05.000Z'
export const emptyStatus: StatusView = { platforms: [], apps: [], jobs: [] }

function infoOf(home: string): Info {
  return { serverId: 'server-1', version, api: 1, pid: process.pid, home, startedAt: at, uptimeMs: 1, memoryBytes: 1, databaseVersion: 1, jobs: { running: 0, queued: 0 } }
}

export function appView({ app = 'api', project = 'shop', state = 'live' as const } = {}): StatusView['apps'][number] {
  const identity = { project, app, environment: 'production' }
  return { status: { app: identity, state, instances: [], url: `http://${app}.${project}.localhost:4110` }, platform: 'local', actions: {} } as unknown as StatusView['apps'][number]
}

function operationOf(request: OperationRequest): Operation {
  const apps = 'apps' in request ? request.apps.map((entry) => entry.definition.app.app) : 'app' in request ? [request.app.app] : []
  const job: Job = { id: 'job-1', operation: 'op-1', action: request.action, scope: 'platform', platform: 'local', state: 'running', attempt: 1, after: [], by: 'ada@laptop', createdAt: at, cancelRequested: false }
  return { id: 'op-1', action: request.action, platform: request.platform ?? 'local', apps, state: 'running', by: 'ada@laptop', createdAt: at, jobs: [job] }
}

function match(request: IncomingMessage): Pick<Seen, 'name' | 'params' | 'query'> | undefined {
  const url = new URL(request.url!, 'http://pilot')
  for (const [name, { method, path }] of Object.entries(routes)) {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!)
    const found = new RegExp(`^${path.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(url.pathname)
    if (found === null || method !== request.method) continue
    return { name: name as RouteName, params: Object.fromEntries(names.map((key, index) => [key, decodeURIComponent(found[index + 1]!)])) as never, query: Object.fromEntries(url.searchParams) as never }
  }
  return undefined
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function read(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
