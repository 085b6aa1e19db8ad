import { randomBytes } from 'node:crypto'
import { Agent, request as httpRequest } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { reservePort } from '../home/ports.ts'
import { useEdge } from '../testing/edge-fixture.ts'
import { routeTo, startApp, until } from '../testing/fixtures.ts'
import { edgeMetrics, edgeState, openRequests, putRoute, readRoute, removeRoute } from './client.ts'

const edge = useEdge('edge')
const { app, get, raw } = edge

test('requests are routed by host, in any case and with or without port, and by the app\'s own port', async () => {
  const one = await app((_, response) => response.end('one'))
  const two = await app((_, response) => response.end('two'))
  const own = await reservePort(edge.home, 'test/two')
  await putRoute(edge.home, routeTo('one', one.port))
  await putRoute(edge.home, routeTo('two', two.port, { port: own }))
  expect((await get('one.acme.localhost')).text).toBe('one')
  expect((await get(`TWO.Acme.Localhost:${edge.port}`)).text).toBe('two')
  expect((await get('two.acme.localhost.')).text).toBe('two')
  expect((await get('whatever', { port: own })).text).toBe('two')
  expect((await get(`[::1]:${own}`, { port: own })).text).toBe('two')
  const hasIpv6 = Object.values(networkInterfaces()).some((infos) => infos?.some(({ address }) => address === '::1'))
  if (hasIpv6) for (const to of [edge.port, own]) expect((await get('two.acme.localhost', { host: '::1', port: to })).text).toBe('two')
})

test('an unknown host is 404, a stopped app 503, an app that refuses 502, each said for the reader', async () => {
  const gone = await startApp(() => {})
  await gone.close()
  await putRoute(edge.home, routeTo('stopped', 1, { stopped: true }))
  await putRoute(edge.home, routeTo('empty', [], { weights: [] }))
  await putRoute(edge.home, routeTo('refusing', gone.port))
  expect(await get('nobody.localhost')).toMatchObject({ status: 404, text: expect.stringContaining('nobody.localhost') })
  expect(await get('stopped.acme.localhost')).toMatchObject({ status: 503, headers: { 'retry-after': '5', 'cache-control': 'no-store' } })
  expect(await get('empty.acme.localhost')).toMatchObject({ status: 503 })
  expect(await get('refusing.acme.localhost', { headers: { accept: 'text/html' } })).toMatchObject({ status: 502, headers: { 'pilot-edge': 'ECONNREFUSED', 'content-type': expect.stringContaining('html') } })
})

test('a host belongs to one app: another one is refused it, and the first keeps it', async () => {
  const { port: own } = await app((_, response) => response.end('mine'))
  await putRoute(edge.home, routeTo('owner', own, { hosts: ['www.acme.dev'] }))
  await expect(putRoute(edge.home, routeTo('thief', own, { hosts: ['thief.acme.localhost', 'www.acme.dev'] }))).rejects.toMatchObject({ code: 'NAME_TAKEN', message: expect.stringContaining('www.acme.dev belongs to acme/owner'), suggestion: expect.stringContaining('run `up` again: owner keeps it until'), details: { route: 'owner' } })
  expect(await readRoute(edge.home, 'thief')).toBeUndefined()
  expect((await get('www.acme.dev')).text).toBe('mine')
  await removeRoute(edge.home, 'owner')
  await putRoute(edge.home, routeTo('thief', own, { hosts: ['www.acme.dev'] }))
  await removeRoute(edge.home, 'thief')
})

test('a removed route is 404 at once', async () => {
  const it = await app((_, response) => response.end('here'))
  await putRoute(edge.home, routeTo('short', it.port))
  expect((await get('short.acme.localhost')).status).toBe(200)
  await removeRoute(edge.home, 'short')
  expect((await get('short.acme.localhost')).status).toBe(404)
})

test('the app sees who asks, and nothing that the client made up', async () => {
  const it = await app((request, response) => response.end(JSON.stringify({ url: request.url, headers: request.headers })))
  await putRoute(edge.home, routeTo('headers', it.port))
  const { text } = await get('headers.acme.localhost', {
    path: '/a%20b?x=1&y=%2F',
    headers: { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-host': 'evil', forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6', connection: 'close, x-secret-hop', 'x-secret-hop': 'no', 'proxy-authorization': 'no', te: 'trailers', 'x-kept': 'yes' },
  })
  const seen = JSON.parse(text) as { url: string; headers: Record<string, string> }
  expect(seen.url).toBe('/a%20b?x=1&y=%2F')
  expect(seen.headers).toMatchObject({
    host: 'headers.acme.localhost',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'headers.acme.localhost',
    'x-forwarded-proto': 'http',
    forwarded: 'for=127.0.0.1;host="headers.acme.localhost";proto=http',
    te: 'trailers',
    'x-kept': 'yes',
  })
  for (const name of ['x-real-ip', 'x-secret-hop', 'proxy-authorization']) expect(seen.headers).not.toHaveProperty(name)
})

test('server-sent events arrive one by one, and the app learns that the client has left', async () => {
  let left = false
  let seen = -1
  // Each event is sent only when the one before has arrived: a buffer anywhere on the way would stop it all.
  const it = await app(async (request, response) => {
    request.once('close', () => (left = true))
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    for (let i = 0; i < 3; i++) {
      await until(() => seen === i)
      response.write(`data: ${i}\n\n`)
    }
  })
  await putRoute(edge.home, routeTo('events', it.port))
  const request = httpRequest({ port: edge.port, host: '127.0.0.1', agent: false, headers: { host: 'events.acme.localhost' } })
  request.end()
  const response = await new Promise<import('node:http').IncomingMessage>((resolve) => request.once('response', resolve))
  seen = 0
  response.on('data', () => seen++).on('error', () => {})
  await until(() => seen === 3)
  expect(await openRequests(edge.home, { route: 'events', deployments: ['d1'] })).toBe(1)
  request.destroy()
  await until(() => left)
  await until(async () => (await openRequests(edge.home, { route: 'events', deployments: ['d1'] })) === 0)
})

test('a WebSocket carries messages both ways, counts as open, and closes with its code', async () => {
  const it = await app((_, response) => response.end('plain'))
  const sockets = new WebSocketServer({ server: it.server, handleProtocols: () => 'chat' })
  sockets.on('connection', (socket, request) => {
    socket.send(`hello ${request.headers['x-forwarded-for']} ${request.url}`)
    socket.on('message', (data, isBinary) => (String(data) === 'bye' ? socket.close(4001, 'done') : socket.send(data, { binary: isBinary })))
  })
  await putRoute(edge.home, routeTo('chat', it.port))
  const client = new WebSocket(`ws://127.0.0.1:${edge.port}/room?x=1`, ['chat'], { headers: { host: 'chat.acme.localhost' } })
  const messages: Buffer[] = []
  client.on('message', (data) => messages.push(data as Buffer))
  await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
  const big = randomBytes(1024 * 1024)
  client.send(big)
  await until(() => messages.length === 2)
  expect(String(messages[0])).toBe('hello 127.0.0.1 /room?x=1')
  expect(messages[1]?.equals(big)).toBe(true)
  expect(client.protocol).toBe('chat')
  expect(await openRequests(edge.home, { route: 'chat', deployments: ['d1'] })).toBe(1)
  const closed = new Promise((resolve) => client.once('close', (code) => resolve(code)))
  client.send('bye')
  expect(await closed).toBe(4001)
  await until(async () => (await openRequests(edge.home, { route: 'chat', deployments: ['d1'] })) === 0)
  sockets.close()
})

test('an app that does not want a WebSocket answers in its own words', async () => {
  const it = await app((_, response) => response.end('plain'))
  it.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno'))
  await putRoute(edge.home, routeTo('no-sockets', it.port))
  const answer = await raw('GET / HTTP/1.1\r\nhost: no-sockets.acme.localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1.1 401 Unauthorized[\s\S]*no$/)
})

test('weights are kept exactly, and a new release moves all traffic without a failed request', async () => {
  const old = await app((_, response) => response.end('old'))
  const fresh = await app((_, response) => response.end('fresh'))
  const weights = (percent: number) => [
    { deployment: 'd1', percent: 100 - percent, upstreams: [{ host: '127.0.0.1', port: old.port }] },
    { deployment: 'd2', percent, upstreams: [{ host: '127.0.0.1', port: fresh.port }] },
  ]
  await putRoute(edge.home, routeTo('canary', 0, { weights: weights(10) }))
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  const answers = await Promise.all(Array.from({ length: 100 }, () => get('canary.acme.localhost', { agent })))
  expect(answers.filter(({ text }) => text === 'fresh')).toHaveLength(10)

  const opened = await get('canary.acme.localhost', { headers: { accept: 'text/html' } })
  const [cookie = ''] = opened.headers['set-cookie'] ?? []
  expect(cookie).toMatch(/^pilot-canary=/)
  const stays = await Promise.all(Array.from({ length: 20 }, () => get('canary.acme.localhost', { headers: { cookie: cookie.split(';')[0]! } })))
  expect(stays.filter(({ text, headers }) => text !== opened.text || headers['set-cookie'] !== undefined)).toEqual([])

  let statuses: number[] = []
  let switching = true
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (switching) statuses.push((await get('canary.acme.localhost', { agent })).status)
    }),
  )
  for (const percent of [25, 50, 100]) {
    await putRoute(edge.home, routeTo('canary', 0, { weights: weights(percent) }))
    await sleep(100)
  }
  statuses = statuses.filter((status) => status !== 200)
  switching = false
  await load
  expect(statuses).toEqual([])
  expect((await get('canary.acme.localhost')).text).toBe('fresh')
  const metrics = (await edgeMetrics(edge.home))?.routes['canary']
  expect(metrics?.['d2']?.requests).toBeGreaterThan(10)
  expect(metrics?.['d2']?.failures).toBe(0)
  agent.destroy()
})

test('requests are counted by status, latency and while they are open', async () => {
  const it = await app(async (request, response) => {
    if (request.url === '/slow') await sleep(300)
    response.writeHead(request.url === '/bad' ? 500 : 200).end()
  })
  await putRoute(edge.home, routeTo('counted', it.port))
  const slow = get('counted.acme.localhost', { path: '/slow' })
  await until(async () => (await openRequests(edge.home, { route: 'counted', deployments: ['d1'] })) === 1)
  expect(await openRequests(edge.home, { route: 'counted', deployments: ['other'] })).toBe(0)
  await get('counted.acme.localhost', { path: '/bad' })
  await slow
  await until(async () => (await openRequests(edge.home, { route: 'counted', deployments: ['d1'] })) === 0)
  const counted = (await edgeMetrics(edge.home))?.routes['counted']?.['d1']
  expect(counted).toMatchObject({ requests: 2, statuses: { 2: 1, 5: 1 }, failures: 0, open: 0 })
  expect(counted?.latencySumMs).toBeGreaterThan(290)
  expect(counted?.latency.reduce((sum, count) => sum + count)).toBe(2)
})

test('several instances share the load, and one that is gone costs no request', async () => {
  const one = await app((_, response) => void setTimeout(() => response.end('1'), 30))
  const two = await app((_, response) => void setTimeout(() => response.end('2'), 30))
  const gone = await startApp(() => {})
  await gone.close()
  await putRoute(edge.home, routeTo('many', [one.port, gone.port, two.port]))
  const answers = await Promise.all(Array.from({ length: 30 }, () => get('many.acme.localhost')))
  expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200))
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['1', '2']))
})

test('a port that somebody else holds is named, and opened when it becomes free', async () => {
  const it = await app((_, response) => response.end('finally'))
  const own = await reservePort(edge.home, 'test/held')
  const other = createTcpServer()
  await new Promise<void>((resolve) => other.listen(own, '127.0.0.1', resolve))
  await expect(putRoute(edge.home, routeTo('held', it.port, { port: own }))).rejects.toMatchObject({ code: 'PORT_TAKEN', reason: 'EADDRINUSE' })
  await new Promise((resolve) => other.close(resolve))
  await until(async () => (await get('x', { port: own }).catch(() => undefined))?.text === 'finally', 8_000)
  expect(Object.keys((await edgeState(edge.home))?.problems ?? {})).toEqual([])
})
