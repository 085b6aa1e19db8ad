import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { useEdge } from '../testing/edge-fixture.ts'
import { routeTo, until } from '../testing/fixtures.ts'
import { putRoute } from './client.ts'

/** That messages pass whole and as they are, are sent once, and mean one thing to everybody on the way. */
const edge = useEdge('framing')
const { app, get, raw } = edge

test('status, repeated headers and bodies come back as the app sent them', async () => {
  const it = await app((request, response) => {
    if (request.url === '/none') return response.writeHead(204, 'All Gone').end()
    response.writeHead(418, "I'm a teapot", [['set-cookie', 'a=1'], ['set-cookie', 'b=2'], ['x-ünïcode', 'v'], ['keep-alive', 'timeout=1'], ['content-type', 'x/y']].filter(([name]) => /^[\w-]+$/.test(name as string)) as never)
    return response.end('short and stout')
  })
  await putRoute(edge.home, routeTo('answers', it.port))
  expect(await get('answers.acme.localhost')).toMatchObject({ status: 418, text: 'short and stout', headers: { 'set-cookie': ['a=1', 'b=2'], 'content-type': 'x/y' } })
  expect(await get('answers.acme.localhost', { path: '/none' })).toMatchObject({ status: 204, text: '' })
  expect(await get('answers.acme.localhost', { method: 'HEAD' })).toMatchObject({ status: 418, text: '' })
})

test('10 MB go up and down whole, with a length and chunked', async () => {
  const it = await app((request, response) => request.pipe(response))
  await putRoute(edge.home, routeTo('echo', it.port))
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
  await putRoute(edge.home, routeTo('slow', it.port))
  const socket = connect(edge.port, '127.0.0.1')
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
  await putRoute(edge.home, routeTo('stale', it.port))
  expect((await get('stale.acme.localhost')).text).toBe('ok')
  expect((await get('stale.acme.localhost')).text).toBe('ok')
  expect(requests).toBe(3)
  expect((await get('stale.acme.localhost')).text).toBe('ok')
  requests = 0
  const broken = await app((request) => void (requests++, request.socket.destroy()))
  await putRoute(edge.home, routeTo('broken', broken.port))
  expect((await get('broken.acme.localhost', { method: 'POST', headers: { 'content-length': 2 }, body: Buffer.from('hi') })).status).toBe(502)
  expect(requests).toBe(1)
})

test('an answer that breaks off in the middle does not look whole', async () => {
  const it = await app((_, response) => {
    response.writeHead(200, { 'content-length': 100 }).write('half')
    setTimeout(() => response.socket?.destroy(), 50)
  })
  await putRoute(edge.home, routeTo('half', it.port))
  await expect(get('half.acme.localhost')).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test('an app that answers before it has read the body is heard', async () => {
  const it = await app((_, response) => void response.writeHead(413, { connection: 'close' }).end('too much'))
  await putRoute(edge.home, routeTo('early', it.port))
  const answer = await get('early.acme.localhost', { method: 'POST', headers: { 'content-length': 3 }, body: Buffer.from('abc') })
  expect(answer).toMatchObject({ status: 413, text: 'too much' })
})

test('what could be read in two ways is refused and never reaches the app', async () => {
  let reached = 0
  const it = await app((_, response) => void (reached++, response.end('x')))
  await putRoute(edge.home, routeTo('strict', it.port))
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
  for (const attack of attacks) expect(await raw(attack)).toMatch(/^HTTP\/1.1 (4\d\d|501) /)
  expect(reached).toBe(0)
  expect(await raw(`GET http://strict.acme.localhost/path HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 200 /)
})

test('100-continue, chunks with extensions and pipelined requests work', async () => {
  const it = await app((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk))
    request.on('end', () => response.end(`[${request.url} ${body}]`))
  })
  await putRoute(edge.home, routeTo('lenient', it.port))
  const host = 'host: lenient.acme.localhost\r\n'
  expect(await raw(`POST /1 HTTP/1.1\r\n${host}expect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi`)).toMatch(/^HTTP\/1.1 100 Continue[\s\S]*\[\/1 hi\]$/)
  expect(await raw(`POST /2 HTTP/1.1\r\n${host}transfer-encoding: chunked\r\nconnection: close\r\n\r\n2;a=b\r\nhi\r\n0\r\n\r\n`)).toContain('[/2 hi]')
  expect((await raw(`GET /3 HTTP/1.1\r\n${host}\r\nGET /4 HTTP/1.1\r\n${host}connection: close\r\n\r\n`)).match(/\[\/\d \]/g)).toEqual(['[/3 ]', '[/4 ]'])
})
