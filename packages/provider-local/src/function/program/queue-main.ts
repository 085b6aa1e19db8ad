import { join } from 'node:path'
import { createServer, readBody, type IncomingMessage, type ServerResponse } from './node-http.ts'
import { queueVariable, type QueueConfig } from './queue-config.ts'
import { isSame } from './same-token.ts'
import { parseSend } from './queue-send.ts'
import { openQueueStore, type Message, type Taken } from './queue-store.ts'

/**
 * The queue of one app, kept by the supervisor for as long as the app has it. Whoever reaches it sends; only who shows the token takes
 * messages, and asks for and changes the rest.
 */
interface Receive {
  readonly deployment: string
  readonly max: number
  readonly visibleInMs: number
  readonly retries: number
}
interface Renew {
  readonly taken: readonly Taken[]
  readonly visibleInMs: number
}
interface Settle {
  readonly retries: number
  readonly done: readonly Taken[]
  readonly failed: readonly (Taken & { readonly error: string })[]
  readonly released?: readonly Taken[]
}

/** SQS takes as much. */
const sendLimit = 1024 * 1024
const questionLimit = 64 * 1024 * 1024
const waitMs = 20_000

const { folder, port, token } = JSON.parse(process.env[queueVariable] ?? '{}') as QueueConfig
const store = openQueueStore(join(folder, 'queue.sqlite'))
const wakers = new Set<() => void>()
let lastTime = Date.now()

const server = createServer((request, response) => {
  handle(request, response).catch((error: Error) => {
    console.log(`${new Date().toISOString()} ${error.stack}`)
    if (!response.headersSent) send(response, 500, { message: 'The message was not stored' })
  })
})
server.requestTimeout = 0
server.keepAliveTimeout = 75_000
server.listen(port, '127.0.0.1')
for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => process.exit(0))

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const given = request.headers['x-pilot-function-token']
  if (given === undefined) return take(request, response)
  if (!isSame(given, token)) return send(response, 403, { message: 'Forbidden' })
  const body = JSON.parse((await readBody(request, questionLimit))?.toString('utf8') || '{}') as never
  const now = clock()
  switch (request.url) {
    case '/receive':
      return send(response, 200, await receive(body, response))
    case '/renew': {
      const { taken, visibleInMs } = body as Renew
      store.renew(taken, now + visibleInMs)
      return send(response, 200, {})
    }
    case '/settle': {
      const { retries, done, failed, released = [] } = body as Settle
      store.done(done)
      store.failed(failed, { retries, now })
      store.release(released)
      wake()
      return send(response, 200, {})
    }
    case '/consumers':
      store.setConsumers((body as { deployments: readonly string[] }).deployments)
      wake()
      return send(response, 200, {})
    case '/state':
      return send(response, 200, { ...store.counts(now), consumers: store.consumers(), deadMessages: store.dead((body as { deadMessages?: number }).deadMessages ?? 100) })
    case '/retry': {
      const count = store.retry()
      wake()
      return send(response, 200, { count })
    }
    case '/purge':
      return send(response, 200, { count: store.purge((body as { which: 'dead' | 'all' }).which, now) })
    default:
      return send(response, 404, { message: 'No such path' })
  }
}

/** From others: stored before it is answered. */
async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') return send(response, 405, { message: 'Send a message with POST' })
  // Any page may post to an address of this machine without asking; what is no page sends no Origin.
  if (request.headers.origin !== undefined) return send(response, 403, { message: 'Pages in a browser send nothing here: their app does it for them' })
  const body = await readBody(request, sendLimit)
  if (body === undefined) {
    response.setHeader('connection', 'close')
    return send(response, 413, { message: 'A message has at most 1 MB' })
  }
  const parsed = parseSend(String(request.headers['x-amz-target'] ?? ''), body)
  if ('problem' in parsed) return send(response, 400, parsed.problem)
  const ids = store.send(parsed.messages, clock())
  wake()
  send(response, parsed.status, parsed.answer(ids))
}

/** Waits until there is a message that the deployment may have. */
async function receive({ deployment, max, visibleInMs, retries }: Receive, response: ServerResponse): Promise<{ readonly messages: readonly Message[] }> {
  const until = performance.now() + waitMs
  for (;;) {
    if (response.destroyed) return { messages: [] }
    const now = clock()
    const isLive = store.consumers().includes(deployment)
    const messages = isLive ? store.receive({ max, visibleInMs, retries, now }) : []
    const left = until - performance.now()
    if (messages.length > 0 || left <= 0) return { messages }
    const nextAt = isLive ? store.nextAt() : undefined
    await woken(nextAt === undefined ? left : Math.max(20, Math.min(left, nextAt - now)), response)
  }
}

function woken(ms: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      clearTimeout(timer)
      wakers.delete(go)
      response.off('close', go)
      resolve()
    }
    const timer = setTimeout(go, ms)
    wakers.add(go)
    response.once('close', go)
  })
}

/** The time; when it was set back, what waits for a time goes with it. */
function clock(): number {
  const now = Date.now()
  if (now < lastTime) store.setBack(lastTime - now)
  lastTime = now
  return now
}

function wake(): void {
  for (const go of [...wakers]) go()
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
