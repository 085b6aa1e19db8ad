import { createHash, randomBytes } from 'node:crypto'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Home } from '../home/home.ts'
import { reservePort } from '../home/ports.ts'
import { endHome, routeTo, startApp, temporaryHome, until, type TestApp } from '../testing/fixtures.ts'
import { edgeMetrics, edgeState, ensureEdge, openRequests, putRoute, readRoute, removeRoute } from './client.ts'

let home: Home
let port: number
const apps: TestApp[] = []

beforeAll(async () => {
  home = await temporaryHome('edge')
  port = (await ensureEdge(home)).port
})

afterAll(async () => endHome(home))

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function app(...args: Parameters<typeof startApp>): Promise<TestApp> {
  const started = await startApp(...args)
  apps.push(started)
  return started
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

/** Without an agent of its own every request is a new connection. */
async function get(host: string, { body, ...options }: RequestOptions & { body?: Buffer } = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent: false, ...options, headers: { host, ...(options.headers as object) } }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
      response.on('end', () => {
        const whole = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, text: whole.toString() })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

/** Bytes as they are, and what comes back until the edge closes. */
async function raw(bytes: string, { waitMs = 3_000 }: { waitMs?: number } = {}): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    let text = ''
    const timer = setTimeout(() => socket.destroy(), waitMs)
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(text)
    })
  })
}

test('requests are routed by host, in any case and with or without port, and by the app\'s own port', async () => {
  const one = await app((_, response) => response.end('one'))
  const two = await app((_, response) => response.end('two'))
  const own = await reservePort(home, 'test/two')
  await putRoute(home, routeTo('one', one.port))
  await putRoute(home, routeTo('two', two.port, { port: own }))
  expect((await get('one.acme.localhost')).text).toBe('one')
  expect((await get(`TWO.Acme.Localhost:${port}`)).text).toBe('two')
  expect((await get('two.acme.localhost.')).text).toBe('two')
  expect((await get('whatever', { port: own })).text).toBe('two')
  expect((await get(`[::1]:${own}`, { port: own })).text).toBe('two')
  const hasIpv6 = Object.values(networkInterfaces()).some((infos) => infos?.some(({ address }) => address === '::1'))
  if (hasIpv6) for (const to of [port, own]) expect((await get('two.acme.localhost', { host: '::1', port: to })).text).toBe('two')
})

test('an unknown host is 404, a stopped app 503, an app that refuses 502, each said for the reader', async () => {
  const gone = await startApp(() => {})
  await gone.close()
  await putRoute(home, routeTo('stopped', 1, { stopped: true }))
  await putRoute(home, routeTo('empty', [], { weights: [] }))
  await putRoute(home, routeTo('refusing', gone.port))
  expect(await get('nobody.localhost')).toMatchObject({ status: 404, text: expect.stringContaining('nobody.localhost') })
  expect(await get('stopped.acme.localhost')).toMatchObject({ status: 503, headers: { 'retry-after': '5', 'cache-control': 'no-store' } })
  expect(await get('empty.acme.localhost')).toMatchObject({ status: 503 })
  expect(await get('refusing.acme.localhost', { headers: { accept: 'text/html' } })).toMatchObject({ status: 502, headers: { 'pilot-edge': 'ECONNREFUSED', 'content-type': expect.stringContaining('html') } })
})

test('requests to a paused app wait for what comes next, with their bodies, and one that leaves harms nobody', async () => {
  const next = await app((request, response) => request.pipe(response))
  await putRoute(home, routeTo('paused', [], { paused: true }))
  let answered = 0
  const waiting = ['GET', 'POST', 'POST'].map((method) => get('paused.acme.localhost', { method, ...(method === 'POST' ? { body: randomBytes(300_000) } : {}) }).finally(() => answered++))
  const left = httpRequest({ host: '127.0.0.1', port, agent: false, headers: { host: 'paused.acme.localhost' } }).on('error', () => {})
  left.end()
  await putRoute(home, routeTo('another', next.port))
  expect((await get('another.acme.localhost')).status).toBe(200)
  left.destroy()
  expect(answered).toBe(0)
  await putRoute(home, routeTo('paused', next.port))
  expect((await Promise.all(waiting)).map(({ status, body }) => [status, body.length])).toEqual([[200, 0], [200, 300_000], [200, 300_000]])
})

test('a WebSocket to a paused app opens with what comes next', async () => {
  const next = await app((_, response) => response.end())
  const sockets = new WebSocketServer({ server: next.server })
  await putRoute(home, routeTo('paused-chat', [], { paused: true }))
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { host: 'paused-chat.acme.localhost' } })
  const opened = new Promise<string>((resolve) => client.once('open', () => resolve('open')).once('error', (error) => resolve(error.message)))
  expect(await Promise.race([opened, sleep(200, 'waits')])).toBe('waits')
  await putRoute(home, routeTo('paused-chat', next.port))
  expect(await opened).toBe('open')
  client.terminate()
  sockets.close()
})

test('a paused app that goes is answered for', async () => {
  await putRoute(home, routeTo('going', [], { paused: true }))
  const waiting = get('going.acme.localhost')
  await sleep(50)
  await removeRoute(home, 'going')
  expect((await waiting).status).toBeOneOf([404, 503])
})

test('a host belongs to one app: another one is refused it, and the first keeps it', async () => {
  const { port: own } = await app((_, response) => response.end('mine'))
  await putRoute(home, routeTo('owner', own, { hosts: ['www.acme.dev'] }))
  await expect(putRoute(home, routeTo('thief', own, { hosts: ['thief.acme.localhost', 'www.acme.dev'] }))).rejects.toMatchObject({ code: 'NAME_TAKEN', message: expect.stringContaining('www.acme.dev belongs to acme/owner'), suggestion: expect.stringContaining('run `up` again: owner keeps it until'), details: { route: 'owner' } })
  expect(await readRoute(home, 'thief')).toBeUndefined()
  expect((await get('www.acme.dev')).text).toBe('mine')
  await removeRoute(home, 'owner')
  await putRoute(home, routeTo('thief', own, { hosts: ['www.acme.dev'] }))
  await removeRoute(home, 'thief')
})

test('a removed route is 404 at once', async () => {
  const it = await app((_, response) => response.end('here'))
  await putRoute(home, routeTo('short', it.port))
  expect((await get('short.acme.localhost')).status).toBe(200)
  await removeRoute(home, 'short')
  expect((await get('short.acme.localhost')).status).toBe(404)
})

test('the app sees who asks, and nothing that the client made up', async () => {
  const it = await app((request, response) => response.end(JSON.stringify({ url: request.url, headers: request.headers })))
  await putRoute(home, routeTo('headers', it.port))
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

test('status, repeated headers and bodies come back as the app sent them', async () => {
  const it = await app((request, response) => {
    if (request.url === '/none') return response.writeHead(204, 'All Gone').end()
    response.writeHead(418, "I'm a teapot", [['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-ünïcode', 'v'], ['keep-alive', 'timeout=1'], ['content-type', 'x/y']].filter(([name]) => /^[\w-]+$/.test(name as string)) as never)
    return response.end('short and stout')
  })
  await putRoute(home, routeTo('answers', it.port))
  expect(await get('answers.acme.localhost')).toMatchObject({ status: 418, text: 'short and stout', headers: { 'set-cookie': ['a=1', 'b=2'], 'content-type': 'x/y' } })
  expect(await get('answers.acme.localhost', { path: '/none' })).toMatchObject({ status: 204, text: '' })
  expect(await get('answers.acme.localhost', { method: 'HEAD' })).toMatchObject({ status: 418, text: '' })
})

test('10 MB go up and down whole, with a length and chunked', async () => {
  const it = await app((request, response) => request.pipe(response))
  await putRoute(home, routeTo('echo', it.port))
  const body = randomBytes(10 * 1024 * 1024)
  const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
  const [whole, chunked] = await Promise.all([
    get('echo.acme.localhost', { method: 'POST', headers: { 'content-length': body.length }, body }),
    get('echo.acme.localhost', { method: 'PUT', headers: { 'transfer-encoding': 'chunked' }, body }),
  ])
  expect(sha(whole.body)).toBe(sha(body))
  expect(sha(chunked.body)).toBe(sha(body))
})

test('a client that reads slowly holds the app back instead of filling the edge', async () => {
  const piece = Buffer.alloc(1024 * 1024)
  let sent = 0
  const it = await app(async (_, response) => {
    for (let i = 0; i < 100 && !response.destroyed; i++) {
      sent++
      if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    }
    response.end()
  })
  await putRoute(home, routeTo('slow', it.port))
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nhost: slow.acme.localhost\r\n\r\n')
  socket.pause()
  await sleep(1_500)
  const stuck = sent
  expect(stuck).toBeLessThan(40)
  await sleep(300)
  expect(sent).toBe(stuck)
  socket.destroy()
  await until(() => it.server.listening)
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
  await putRoute(home, routeTo('events', it.port))
  const request = httpRequest({ port, host: '127.0.0.1', agent: false, headers: { host: 'events.acme.localhost' } })
  request.end()
  const response = await new Promise<import('node:http').IncomingMessage>((resolve) => request.once('response', resolve))
  seen = 0
  response.on('data', () => seen++).on('error', () => {})
  await until(() => seen === 3)
  expect(await openRequests(home, { route: 'events', deployments: ['d1'] })).toBe(1)
  request.destroy()
  await until(() => left)
  await until(async () => (await openRequests(home, { route: 'events', deployments: ['d1'] })) === 0)
})

test('a WebSocket carries messages both ways, counts as open, and closes with its code', async () => {
  const it = await app((_, response) => response.end('plain'))
  const sockets = new WebSocketServer({ server: it.server, handleProtocols: () => 'chat' })
  sockets.on('connection', (socket, request) => {
    socket.send(`hello ${request.headers['x-forwarded-for']} ${request.url}`)
    socket.on('message', (data, isBinary) => (String(data) === 'bye' ? socket.close(4001, 'done') : socket.send(data, { binary: isBinary })))
  })
  await putRoute(home, routeTo('chat', it.port))
  const client = new WebSocket(`ws://127.0.0.1:${port}/room?x=1`, ['chat'], { headers: { host: 'chat.acme.localhost' } })
  const messages: Buffer[] = []
  client.on('message', (data) => messages.push(data as Buffer))
  await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
  const big = randomBytes(1024 * 1024)
  client.send(big)
  await until(() => messages.length === 2)
  expect(String(messages[0])).toBe('hello 127.0.0.1 /room?x=1')
  expect(messages[1]?.equals(big)).toBe(true)
  expect(client.protocol).toBe('chat')
  expect(await openRequests(home, { route: 'chat', deployments: ['d1'] })).toBe(1)
  const closed = new Promise((resolve) => client.once('close', (code) => resolve(code)))
  client.send('bye')
  expect(await closed).toBe(4001)
  await until(async () => (await openRequests(home, { route: 'chat', deployments: ['d1'] })) === 0)
  sockets.close()
})

test('an app that does not want a WebSocket answers in its own words', async () => {
  const it = await app((_, response) => response.end('plain'))
  it.server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno'))
  await putRoute(home, routeTo('no-sockets', it.port))
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
  await putRoute(home, routeTo('canary', 0, { weights: weights(10) }))
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
    await putRoute(home, routeTo('canary', 0, { weights: weights(percent) }))
    await sleep(100)
  }
  statuses = statuses.filter((status) => status !== 200)
  switching = false
  await load
  expect(statuses).toEqual([])
  expect((await get('canary.acme.localhost')).text).toBe('fresh')
  const metrics = (await edgeMetrics(home))?.routes['canary']
  expect(metrics?.['d2']?.requests).toBeGreaterThan(10)
  expect(metrics?.['d2']?.failures).toBe(0)
  agent.destroy()
})

test('requests are counted by status, latency and while they are open', async () => {
  const it = await app(async (request, response) => {
    if (request.url === '/slow') await sleep(300)
    response.writeHead(request.url === '/bad' ? 500 : 200).end()
  })
  await putRoute(home, routeTo('counted', it.port))
  const slow = get('counted.acme.localhost', { path: '/slow' })
  await until(async () => (await openRequests(home, { route: 'counted', deployments: ['d1'] })) === 1)
  expect(await openRequests(home, { route: 'counted', deployments: ['other'] })).toBe(0)
  await get('counted.acme.localhost', { path: '/bad' })
  await slow
  await until(async () => (await openRequests(home, { route: 'counted', deployments: ['d1'] })) === 0)
  const counted = (await edgeMetrics(home))?.routes['counted']?.['d1']
  expect(counted).toMatchObject({ requests: 2, statuses: { 2: 1, 5: 1 }, failures: 0, open: 0 })
  expect(counted?.latencySumMs).toBeGreaterThan(290)
  expect(counted?.latency.reduce((sum, count) => sum + count)).toBe(2)
})

test('several instances share the load, and one that is gone costs no request', async () => {
  const one = await app((_, response) => void setTimeout(() => response.end('1'), 30))
  const two = await app((_, response) => void setTimeout(() => response.end('2'), 30))
  const gone = await startApp(() => {})
  await gone.close()
  await putRoute(home, routeTo('many', [one.port, gone.port, two.port]))
  const answers = await Promise.all(Array.from({ length: 30 }, () => get('many.acme.localhost')))
  expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(200))
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['1', '2']))
})

test('a request without a body is sent again when a kept connection turns out dead, one with a body never', async () => {
  let requests = 0
  const it = await app((request, response) => {
    requests++
    request.resume()
    // From the second request on, every connection that was used before breaks.
    if (Reflect.get(request.socket, 'used') === true) return void request.socket.destroy()
    Reflect.set(request.socket, 'used', true)
    response.end('ok')
  })
  await putRoute(home, routeTo('stale', it.port))
  expect((await get('stale.acme.localhost')).text).toBe('ok')
  expect((await get('stale.acme.localhost')).text).toBe('ok')
  expect(requests).toBe(3)
  expect((await get('stale.acme.localhost')).text).toBe('ok')
  requests = 0
  const broken = await app((request) => void (requests++, request.socket.destroy()))
  await putRoute(home, routeTo('broken', broken.port))
  expect((await get('broken.acme.localhost', { method: 'POST', headers: { 'content-length': 2 }, body: Buffer.from('hi') })).status).toBe(502)
  expect(requests).toBe(1)
})

test('an answer that breaks off in the middle does not look whole', async () => {
  const it = await app((_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('half')
    setTimeout(() => response.socket?.destroy(), 50)
  })
  await putRoute(home, routeTo('half', it.port))
  await expect(get('half.acme.localhost')).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test('an app that answers before it has read the body is heard', async () => {
  const it = await app((_, response) => void response.writeHead(413, { connection: 'close' }).end('too much'))
  await putRoute(home, routeTo('early', it.port))
  const answer = await get('early.acme.localhost', { method: 'POST', headers: { 'content-length': 3 }, body: Buffer.from('abc') })
  expect(answer).toMatchObject({ status: 413, text: 'too much' })
})

test('what could be read in two ways is refused and never reaches the app', async () => {
  let reached = 0
  const it = await app((_, response) => void (reached++, response.end('x')))
  await putRoute(home, routeTo('strict', it.port))
  const host = 'host: strict.acme.localhost\r\n'
  const attacks = [
    `POST / HTTP/1.1\r\n${host}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\n${host}content-length: 5\r\ncontent-length: 6\r\n\r\nhello`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`,
    `POST / HTTP/1.1\r\n${host}transfer-encoding : chunked\r\n\r\n0\r\n\r\n`,
    `GET / HTTP/1.1\r\n${host}${host}\r\n`,
    `GET / HTTP/1.1\r\n\r\n`,
    `GET / HTTP/1.1\r\nhost: strict.acme.localhost/../x\r\n\r\n`,
    `GET / HTTP/1.1\r\n${host}x: ${'y'.repeat(40_000)}\r\n\r\n`,
    `GET / HTTP/1.1\nhost: strict.acme.localhost\n\n`,
  ]
  for (const attack of attacks) expect(await raw(attack)).toMatch(/^HTTP\/1.1 4\d\d /)
  expect(reached).toBe(0)
  expect(await raw(`GET http://strict.acme.localhost/path HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /)
})

test('100-continue, chunks with extensions and pipelined requests work', async () => {
  const it = await app((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk))
    request.on('end', () => response.end(`[${request.url} ${body}]`))
  })
  await putRoute(home, routeTo('lenient', it.port))
  const host = 'host: lenient.acme.localhost\r\n'
  expect(await raw(`POST /1 HTTP/1.1\r\n${host}expect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi`)).toMatch(/^HTTP\/1.1 100 Continue[\s\S]*\[\/1 hi\]$/)
  expect(await raw(`POST /2 HTTP/1.1\r\n${host}transfer-encoding: chunked\r\nconnection: close\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n`)).toContain('[/2 hi]')
  expect((await raw(`GET /3 HTTP/1.1\r\n${host}\r\nGET /4 HTTP/1.1\r\n${host}connection: close\r\n\r\n`)).match(/\[\/\d \]/g)).toEqual(['[/3 ]', '[/4 ]'])
})

test('a port that somebody else holds is named, and opened when it becomes free', async () => {
  const it = await app((_, response) => response.end('finally'))
  const own = await reservePort(home, 'test/held')
  const other = createTcpServer()
  await new Promise<void>((resolve) => other.listen(own, '127.0.0.1', resolve))
  await expect(putRoute(home, routeTo('held', it.port, { port: own }))).rejects.toMatchObject({ code: 'PORT_TAKEN', reason: 'EADDRINUSE' })
  await new Promise((resolve) => other.close(resolve))
  await until(async () => (await get('x', { port: own }).catch(() => undefined))?.text === 'finally', 8_000)
  expect(Object.keys((await edgeState(home))?.problems ?? {})).toEqual([])
})
