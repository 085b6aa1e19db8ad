import type { Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { routeTo, startApp, until, type TestApp } from '../testing/fixtures.ts'
import { hearRequests, sendRaw, startRawApp, type HeardRequest, type RawApp } from '../testing/raw-http.ts'
import { createMetrics } from './metrics.ts'
import { requestHeaders } from './headers.ts'
import type { Route } from './routes.ts'
import { clientLimits, createEdgeServer, type ClientLimits } from './server.ts'
import { createTable } from './table.ts'

/** HTTP through a listener of the edge in this process: what RFC 9110 and 9112 ask of a proxy. */
const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const H = 'Host: app.acme.localhost\r\n'
const C = 'Connection: close\r\n'

async function edgeTo(route: Route, limits: Partial<ClientLimits> = {}): Promise<{ readonly port: number; readonly server: Server; put(next: Route): void }> {
  const metrics = createMetrics()
  const table = createTable(metrics)
  let revision = 0
  const put = (next: Route): void => table.apply({ routes: new Map([[next.id, { ...next, revision: String(++revision) }]]), links: new Map(), broken: new Map() })
  put(route)
  const server = createEdgeServer({ table, metrics, routing: { by: 'host' }, isLeaving: () => false, limits: { ...clientLimits, ...limits } })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())), () => table.close())
  return { port: (server.address() as AddressInfo).port, server, put }
}

async function appOf(listener: Parameters<typeof startApp>[0]): Promise<TestApp> {
  const app = await startApp(listener)
  ends.push(() => app.close())
  return app
}

/** An app that answers each request with these bytes; what it has heard. */
async function answering(answer: string | ((request: HeardRequest) => string)): Promise<RawApp & { readonly heard: HeardRequest[] }> {
  const heard: HeardRequest[] = []
  const app = await startRawApp((socket) => hearRequests(socket, (request) => (heard.push(request), socket.write(typeof answer === 'string' ? answer : answer(request), 'latin1'))))
  ends.push(() => app.close())
  return { ...app, heard }
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const bodyOf = (text: string): string => text.slice(text.lastIndexOf('\r\n\r\n') + 4)

test('headers for one connection stay there, and Connection strips nothing that the edge adds or that frames the message', async () => {
  const app = await answering(ok)
  const { port } = await edgeTo(routeTo('app', app.port))
  await sendRaw(port, `POST / HTTP/1.1\r\n${H}Connection: close, x-forwarded-for, X-Hop, host, content-length, forwarded\r\nConnection: x-second, x-forwarded-proto\r\nX-Hop: 1\r\nX-Second: 1\r\nX-End: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nProxy-Authenticate: Basic\r\nTE: trailers, gzip\r\nTrailer: X-T\r\nUpgrade: x\r\nProxy: http://evil\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded_proto: https\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Port: 1\r\nContent-Length: 2\r\n\r\nhi`)
  expect(app.heard).toHaveLength(1)
  expect(app.heard[0]!.body).toBe('hi')
  expect(Object.fromEntries(app.heard[0]!.headers.filter(([name]) => name !== 'connection'))).toEqual({
    host: 'app.acme.localhost', 'x-end': '1', te: 'trailers', 'content-length': '2',
    'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'app.acme.localhost', 'x-forwarded-proto': 'http', forwarded: 'for=127.0.0.1;host="app.acme.localhost";proto=http',
  })
})

test('of an answer the same: what its Connection names, in any of several lines, is for the edge', async () => {
  const app = await answering('HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nConnection: keep-alive, x-two, content-length\r\nX-Two: 2\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nUpgrade: h2\r\nX-End: 1\r\nContent-Length: 2\r\n\r\nok')
  const { port } = await edgeTo(routeTo('app', app.port))
  const { text } = await sendRaw(port, `GET / HTTP/1.1\r\n${H}${C}\r\n`)
  expect(text.replace(/^Date: .*\r\n/m, '')).toBe('HTTP/1.1 200 OK\r\nX-End: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
})

test('an upgrade carries one Connection of the edge’s own', () => {
  const socket = { remoteAddress: '127.0.0.1' }
  const rawHeaders = ['Host', 'a', 'Connection', 'upgrade, x-forwarded-for, x-hop', 'Upgrade', 'websocket', 'X-Hop', '1']
  const request = { headers: { connection: 'upgrade, x-forwarded-for, x-hop', upgrade: 'websocket' }, rawHeaders, socket } as never
  expect(requestHeaders(request, { host: 'a', upgrade: 'websocket' }).slice(0, 8)).toEqual(['host', 'a', 'connection', 'upgrade', 'upgrade', 'websocket', 'x-forwarded-for', '127.0.0.1'])
})

test('answers without a body: HEAD, 204 and 304, whatever they say about one; the next answer on the connection is right', async () => {
  const heads: Record<string, string> = { '/head': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "a"\r\n\r\n', '/204': 'HTTP/1.1 204 No Content\r\nX: y\r\n\r\n', '/304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: "a"\r\n\r\n' }
  const app = await answering(({ line }) => heads[line.split(' ')[1]!] ?? ok)
  const { port } = await edgeTo(routeTo('app', app.port))
  for (const [path, method] of [['/head', 'HEAD'], ['/204', 'GET'], ['/304', 'GET'], ['/204', 'DELETE']] as const) {
    const { text } = await sendRaw(port, `${method} ${path} HTTP/1.1\r\n${H}\r\nGET /next HTTP/1.1\r\n${H}${C}\r\n`)
    const [first = '', second = ''] = text.split('\r\n\r\n')
    expect(first, path).toMatch(new RegExp(`^HTTP/1.1 ${path === '/head' ? 200 : path.slice(1)} `))
    expect(/content-length: 1000/i.test(first)).toBe(path !== '/204')
    expect(second).toMatch(/^HTTP\/1.1 200 OK/)
    expect(bodyOf(text)).toBe('ok')
  }
})

test('trailers of an answer arrive, interim answers do not, and those of a request end at the edge', async () => {
  const app = await answering(({ line }) => (line.includes('/interim') ? `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${ok}` : 'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n'))
  const { port } = await edgeTo(routeTo('app', app.port))
  const { text } = await sendRaw(port, `POST / HTTP/1.1\r\n${H}${C}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n`)
  expect(text).toMatch(/\r\nTrailer: X-Sum\r\n[\s\S]*2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n$/)
  expect(app.heard[0]!.headers.filter(([name]) => name === 'x-forwarded-for')).toEqual([['x-forwarded-for', '127.0.0.1']])
  expect((await sendRaw(port, `GET /interim HTTP/1.1\r\n${H}${C}\r\n`)).text).toMatch(/^HTTP\/1.1 200 OK[\s\S]*ok$/)
})

test('to HTTP/1.0 an answer goes without chunks, and the end of the connection ends it', async () => {
  const app = await answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')
  const { port } = await edgeTo(routeTo('app', app.port))
  const { text, closed } = await sendRaw(port, `GET / HTTP/1.0\r\n${H}\r\n`)
  expect(closed).toBe(true)
  expect(text).not.toMatch(/transfer-encoding/i)
  expect(bodyOf(text)).toBe('ok')
})

test('Expect: 100-continue is met by the edge and ends there', async () => {
  const app = await answering(ok)
  const { port } = await edgeTo(routeTo('app', app.port))
  const { text } = await sendRaw(port, `POST / HTTP/1.1\r\n${H}${C}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`)
  expect(text).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
  expect(app.heard[0]!.headers.some(([name]) => name === 'expect')).toBe(false)
})

test('what cannot be read behind a request does not take its answer: the answer first, then 400 and the end', async () => {
  const slow = Promise.withResolvers<void>()
  const app = await appOf(async (_, response) => (await slow.promise, response.end('mine')))
  const { port } = await edgeTo(routeTo('app', app.port))
  const answers = ['GARBAGE\r\n\r\n', `GET /ws HTTP/1.1\r\n${H}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`, `CONNECT a:1 HTTP/1.1\r\n${H}\r\n`].map((behind) => sendRaw(port, `GET / HTTP/1.1\r\n${H}\r\n${behind}`, { waitMs: 10_000 }))
  const last = sendRaw(port, `GET / HTTP/1.1\r\n${H}${C}\r\nGET /never HTTP/1.1\r\n${H}\r\n`)
  setTimeout(slow.resolve, 100)
  for (const { text, closed } of await Promise.all(answers)) {
    expect(closed).toBe(true)
    expect([...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', expect.stringMatching(/^40[05]$/)])
  }
  expect((await last).text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 200'])
})

test('too large: a head is 431, a target 414, too many headers 431', async () => {
  const app = await answering(ok)
  const { port } = await edgeTo(routeTo('app', app.port))
  const status = async (bytes: string): Promise<string> => (await sendRaw(port, bytes)).text.slice(9, 12)
  expect(await status(`GET / HTTP/1.1\r\n${H}X: ${'y'.repeat(40_000)}\r\n\r\n`)).toBe('431')
  expect(await status(`GET / HTTP/1.1\r\n${H}${'X: y\r\n'.repeat(250)}\r\n`)).toBe('431')
  expect(await status(`GET /${'y'.repeat(20_000)} HTTP/1.1\r\n${H}\r\n`)).toBe('414')
  expect(await status(`GET /${'y'.repeat(60_000)} HTTP/1.1\r\n${H}\r\n`)).toBe('414')
  expect(await status(`GET /${'y'.repeat(15_000)} HTTP/1.1\r\n${H}${C}\r\n`)).toBe('200')
  expect(app.heard).toHaveLength(1)
})

test('clients that are too slow are ended, and harm nobody meanwhile', async () => {
  const app = await appOf((request, response) => void request.resume().once('end', () => response.end('ok')))
  const { port } = await edgeTo(routeTo('app', app.port), { headMs: 300, bodyPauseMs: 200, idleMs: 400, lookMs: 50 })
  const drip = (bytes: string, everyMs: number): Promise<string> =>
    new Promise((resolve) => {
      let text = ''
      let at = 0
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      const timer = setInterval(() => socket.write(bytes[at++ % bytes.length]!), everyMs)
      socket.on('data', (chunk) => (text += chunk.toString()))
      socket.once('close', () => (clearInterval(timer), resolve(text)))
    })
  const silent = (bytes: string): Promise<string> => sendRaw(port, bytes, { waitMs: 20_000 }).then(({ text, closed }) => (closed ? text : 'still open'))
  const heads = Array.from({ length: 50 }, () => drip(`GET / HTTP/1.1\r\n${H}X: ${'y'.repeat(10_000)}`, 20))
  const bodies = Array.from({ length: 20 }, (_, i) => silent(`POST / HTTP/1.1\r\n${H}${i % 2 ? 'Content-Length: 10\r\n\r\nhi' : 'Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n'}`))
  // After a POST as after a GET: a connection that asks for nothing more ends.
  const idle = ['GET / HTTP/1.1\r\n' + H + '\r\n', `POST / HTTP/1.1\r\n${H}Content-Length: 2\r\n\r\nhi`].map(silent)
  const others = Array.from({ length: 50 }, () => sendRaw(port, `POST / HTTP/1.1\r\n${H}${C}Content-Length: 2\r\n\r\nhi`).then(({ text }) => text))
  for (const text of await Promise.all(others)) expect(text).toMatch(/^HTTP\/1.1 200 /)
  for (const text of await Promise.all(heads)) expect(text).toMatch(/^HTTP\/1.1 408 /)
  for (const text of await Promise.all(bodies)) expect(text).toMatch(/^HTTP\/1.1 408 /)
  for (const text of await Promise.all(idle)) expect(text).toMatch(/^HTTP\/1.1 200 [\s\S]*ok/)
})

test('an upload that moves slowly, or waits for the app, is not cut', async () => {
  let read: (() => void) | undefined
  const app = await appOf((request, response) => {
    let size = 0
    request.pause()
    read = () => request.on('data', (chunk: Buffer) => (size += chunk.length)).once('end', () => response.end(String(size))).resume()
    if (request.url === '/now') read()
  })
  const { port } = await edgeTo(routeTo('app', app.port), { bodyPauseMs: 150 })
  const slow = new Promise<string>((resolve) => {
    const socket: Socket = connect(port, '127.0.0.1', () => socket.write(`POST /now HTTP/1.1\r\n${H}${C}Content-Length: 8\r\n\r\n`))
    let sent = 0
    const timer = setInterval(() => (++sent <= 8 ? socket.write('x') : clearInterval(timer)), 60)
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString())).once('close', () => resolve(text))
  })
  expect(bodyOf(await slow)).toContain('8')
  const held = sendRaw(port, `POST /held HTTP/1.1\r\n${H}${C}Content-Length: 20000000\r\n\r\n${'x'.repeat(20_000_000)}`, { waitMs: 20_000 })
  await until(() => read !== undefined)
  setTimeout(() => read?.(), 600)
  expect((await held).text).toMatch(/20000000/)
})

test('a new version at the address of the one before gets a connection of its own', async () => {
  const app = await answering(ok)
  const { port, put } = await edgeTo(routeTo('app', app.port))
  const ask = async (): Promise<void> => expect((await sendRaw(port, `GET / HTTP/1.1\r\n${H}${C}\r\n`)).text).toContain('200')
  await ask()
  await ask()
  expect(app.connections()).toBe(1)
  const { weights, ...route } = routeTo('app', app.port)
  put({ ...route, weights: weights.map((weight) => ({ ...weight, deployment: 'd2' })) })
  await ask()
  expect(app.connections()).toBe(2)
  put({ ...route, id: 'other', weights })
  await ask()
  expect(app.connections()).toBe(3)
})

test('a WebSocket refused with half an answer, or never answered, ends for its client alone', async () => {
  const sockets = new WebSocketServer({ noServer: true })
  const app = await startRawApp((socket) => socket.once('data', (bytes) => {
    if (bytes.includes('/half')) socket.end('HTTP/1.1 403 No\r\nContent-Length: 100\r\n\r\nhalf')
    else if (bytes.includes('/interim')) setInterval(() => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)), 5).unref()
    else if (bytes.includes('/bad')) socket.end('HTTP/1.1 101 Yes\r\nX: \x01\r\n\r\n')
  }))
  ends.push(() => (sockets.close(), app.close()))
  const { port } = await edgeTo(routeTo('app', app.port))
  const open = (path: string): Promise<string> => new Promise((resolve) => new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: { host: 'app.acme.localhost' } }).once('error', (error) => resolve(error.message)))
  expect(await open('/half')).toContain('403')
  expect(await open('/interim')).toContain('502')
  expect(await open('/bad')).toContain('502')
})
