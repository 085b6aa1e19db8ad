import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Home } from '../home/home.ts'
import { serviceStatus } from '../supervisor/client.ts'
import { endHome, routeTo, temporaryHome, until } from '../testing/fixtures.ts'
import { hearRequests, sendRaw, startRawApp, type RawApp } from '../testing/raw-http.ts'
import { edgeMetrics, ensureEdge, putRoute } from './client.ts'

let home: Home
let port: number
let hostile: RawApp
let honest: RawApp
/** What the app does at `/bad`; everything else it answers with its own path. */
let misbehave: (socket: Socket) => void = () => {}
const open = new Set<Socket>()

const echo = (socket: Socket, path: string): void => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
const pathOf = (line: string): string => line.split(' ')[1] as string

beforeAll(async () => {
  home = await temporaryHome('hostile')
  port = (await ensureEdge(home)).port
  hostile = await startRawApp((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
    hearRequests(socket, ({ line }) => (pathOf(line).startsWith('/bad') ? misbehave(socket) : echo(socket, pathOf(line))))
  })
  honest = await startRawApp((socket) => hearRequests(socket, ({ line }) => echo(socket, pathOf(line))))
  await putRoute(home, routeTo('hostile', hostile.port))
  await putRoute(home, routeTo('honest', honest.port))
})

afterAll(async () => {
  await endHome(home)
  await Promise.all([hostile.close(), honest.close()])
})

async function ask(app: string, path: string, { method = 'GET', waitMs = 20_000 }: { method?: string; waitMs?: number } = {}): Promise<{ readonly status: string; readonly body: string; readonly whole: boolean; readonly head: string }> {
  const { text, closed } = await sendRaw(port, `${method} ${path} HTTP/1.1\r\nHost: ${app}.acme.localhost\r\nConnection: close\r\n\r\n`, { waitMs })
  const end = text.indexOf('\r\n\r\n')
  const [head, body] = [text.slice(0, end), text.slice(end + 4)]
  const length = /^content-length: (\d+)$/im.exec(head)?.[1]
  return { status: text.slice(9, 12), head, body, whole: closed && (method === 'HEAD' || / (204|304) /.test(head) || (length === undefined ? body.endsWith('0\r\n\r\n') : body.length === Number(length))) }
}

const answer = (lines: string, body = ''): string => `HTTP/1.1 200 OK\r\n${lines}\r\n${body}`
const ok = answer('Content-Length: 2\r\n', 'ok')
const stolen = answer('Content-Length: 6\r\n', 'stolen')
const says = (bytes: string) => (socket: Socket): void => void socket.write(bytes, 'latin1')
const ends = (bytes: string) => (socket: Socket): void => void socket.end(bytes, 'latin1')
/** Goes on until the connection is closed, as fast as it is taken. */
const endless = (first: string, more: string) => (socket: Socket): void => {
  socket.write(first, 'latin1')
  const go = (): void => {
    while (!socket.destroyed && socket.write(more, 'latin1'));
    if (!socket.destroyed) socket.once('drain', go)
  }
  go()
}

/** What the app does, and what its client gets: 502, a status with a body, or an answer that is cut off. */
const behaviours: readonly (readonly [name: string, misbehave: (socket: Socket) => void, outcome: string, method: string])[] = [
  ['answers twice at once', says(ok + stolen), '200 ok', 'GET'],
  ['answers three times at once, the last unfinished', says(ok + stolen + 'HTTP/1.1 200 OK\r\n'), '200 ok', 'GET'],
  ['says Content-Length and Transfer-Encoding', says(answer('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${stolen}`)), '502', 'GET'],
  ['says Transfer-Encoding and Content-Length', says(answer('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', `0\r\n\r\n${stolen}`)), '502', 'GET'],
  ['says two lengths', says(answer('Content-Length: 2\r\nContent-Length: 40\r\n', `ok${stolen}`)), '502', 'GET'],
  ['says a list of lengths', says(answer('Content-Length: 2, 2\r\n', 'ok')), '502', 'GET'],
  ['says a length below zero', says(answer('Content-Length: -2\r\n', 'ok')), '502', 'GET'],
  ['says a length that is no number', says(answer('Content-Length: two\r\n', 'ok')), '502', 'GET'],
  ['says a length that no number holds', says(answer('Content-Length: 99999999999999999999999\r\n', 'ok')), '502', 'GET'],
  ['puts gzip around its chunks', says(answer('Transfer-Encoding: gzip, chunked\r\n', '2\r\nok\r\n0\r\n\r\n')), '502', 'GET'],
  ['says another transfer coding', ends(answer('Transfer-Encoding: gzip\r\n', 'ok')), '502', 'GET'],
  ['says chunked twice', says(answer('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')), '502', 'GET'],
  ['sends headers without end', endless('HTTP/1.1 200 OK\r\n', `X: ${'y'.repeat(1000)}\r\n`), '502', 'GET'],
  ['sends one header without end', endless('HTTP/1.1 200 OK\r\nX: ', 'y'.repeat(1000)), '502', 'GET'],
  ['sends a first line without end', endless('HTTP/1.1 200 ', 'y'.repeat(60_000)), '502', 'GET'],
  ['sends a chunk extension without end', endless(answer('Transfer-Encoding: chunked\r\n', '5;a='), 'y'.repeat(60_000)), 'cut', 'GET'],
  ['sends trailers without end', endless(answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n'), 'X: y\r\n'.repeat(1000)), 'cut', 'GET'],
  ['sends interim answers without end', endless('', 'HTTP/1.1 102 Processing\r\n\r\n'), '502', 'GET'],
  ['sends early hints without end', endless('', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'), '502', 'GET'],
  ['sends 100 unasked', says(`HTTP/1.1 100 Continue\r\n\r\n${ok}`), '502', 'GET'],
  ['sends 101 unasked', says(`HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n${stolen}`), '502', 'GET'],
  ['sends 101 unasked without saying to what', says(`HTTP/1.1 101 Switching Protocols\r\n\r\n${stolen}`), '502', 'GET'],
  ['sends less than it says', ends(answer('Content-Length: 100\r\n', 'half')), 'cut', 'GET'],
  ['sends more than it says', says(answer('Content-Length: 2\r\n', `ok${stolen}`)), '200 ok', 'GET'],
  ['ends in the middle of its chunks', ends(answer('Transfer-Encoding: chunked\r\n', '5\r\nhel')), 'cut', 'GET'],
  ['ends before the last chunk', ends(answer('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n')), 'cut', 'GET'],
  ['resets in the middle', (socket) => (socket.write(answer('Content-Length: 100\r\n', 'half')), setTimeout(() => socket.resetAndDestroy(), 20)), 'cut', 'GET'],
  ['sends a chunk size that is none', says(answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\nzz\r\n')), 'cut', 'GET'],
  ['sends a chunk longer than it says', says(answer('Transfer-Encoding: chunked\r\n', `2\r\nok${stolen}`)), 'cut', 'GET'],
  ['sends no HTTP', says('hello\r\n\r\n'), '502', 'GET'],
  ['sends another protocol', says('ICY 200 OK\r\n\r\n'), '502', 'GET'],
  ['sends TLS', says('\x15\x03\x01\x00\x02\x02\x46'), '502', 'GET'],
  ['says another version', says('HTTP/3.0 200 OK\r\n\r\n'), '502', 'GET'],
  ['says a status that is no number', says('HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n'), '502', 'GET'],
  ['says a status of two digits', says('HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'), '502', 'GET'],
  ['says a status below 100', says('HTTP/1.1 042 OK\r\nContent-Length: 0\r\n\r\n'), '502', 'GET'],
  ['says a reason with control characters', says('HTTP/1.1 200 O\x1b[2JK\r\nContent-Length: 0\r\n\r\n'), '502', 'GET'],
  ['says a reason with a bare CR', says('HTTP/1.1 200 O\rX: y\r\nContent-Length: 0\r\n\r\n'), '502', 'GET'],
  ['says a header with a NUL', says(answer('X: a\x00b\r\nContent-Length: 0\r\n')), '502', 'GET'],
  ['says a header with an escape', says(answer('X: a\x1b]0;x\x07\r\nContent-Length: 0\r\n')), '502', 'GET'],
  ['says a header with a bare CR', says(answer('X: a\rSet-Cookie: b=c\r\nContent-Length: 0\r\n')), '502', 'GET'],
  ['says a header name with a space', says(answer('X Y: a\r\nContent-Length: 0\r\n')), '502', 'GET'],
  ['says a header without a colon', says(answer('X\r\nContent-Length: 0\r\n')), '502', 'GET'],
  ['folds a header', says(answer('X: a\r\n b\r\nContent-Length: 0\r\n')), '502', 'GET'],
  ['ends without a word', (socket) => void socket.end(), '502', 'GET'],
  ['resets without a word', (socket) => void socket.resetAndDestroy(), '502', 'GET'],
  ['ends in the middle of its head', ends('HTTP/1.1 200 OK\r\nContent-Le'), '502', 'GET'],
  ['sends 204 with a length and a body', says(`HTTP/1.1 204 No Content\r\nContent-Length: ${stolen.length}\r\n\r\n${stolen}`), '204 ', 'GET'],
  ['sends 304 with a body', says(`HTTP/1.1 304 Not Modified\r\nContent-Length: ${stolen.length}\r\n\r\n${stolen}`), '304 ', 'GET'],
  ['answers HEAD with a body', says(answer(`Content-Length: ${stolen.length}\r\n`, stolen)), '200 ', 'HEAD'],
  ['answers HEAD with chunks', says(answer('Transfer-Encoding: chunked\r\n', `2\r\nok\r\n0\r\n\r\n${stolen}`)), '200 ', 'HEAD'],
]

test.each(behaviours)('an app that %s harms its own client alone', async (_, act, outcome, method) => {
  misbehave = act
  const [found] = await Promise.all([ask('hostile', '/bad', { method }), ...Array.from({ length: 3 }, (__, i) => ask('honest', `/with/${i}`).then(({ body }) => expect(body).toBe(`/with/${i}`)))])
  const seen = found.status === '502' ? '502' : found.whole ? `${found.status} ${found.body}` : 'cut'
  expect(seen).toBe(outcome)
  if (seen === '502') expect(found.head).toMatch(/^pilot-edge: [\w ]+$/im)
  for (let i = 0; i < 5; i++) expect(await ask('hostile', `/next/${i}`)).toMatchObject({ status: '200', body: `/next/${i}`, whole: true })
})

test('an app that answers again a moment later loses that connection before anybody uses it', async () => {
  misbehave = (socket) => (socket.write(ok), setTimeout(() => socket.write(stolen), 30))
  for (const idle of open) idle.destroy()
  await until(() => open.size === 0)
  expect(await ask('hostile', '/bad')).toMatchObject({ body: 'ok' })
  await until(() => open.size === 0)
  expect(await ask('hostile', '/next')).toMatchObject({ body: '/next' })
})

test('an app that speaks before it is asked is believed by nobody after', async () => {
  const early = await startRawApp((socket, nth) => {
    if (nth === 1) socket.write(stolen)
    hearRequests(socket, ({ line }) => echo(socket, pathOf(line)))
  })
  try {
    await putRoute(home, routeTo('early', early.port))
    await ask('early', '/first')
    for (let i = 0; i < 5; i++) expect(await ask('early', `/next/${i}`)).toMatchObject({ body: `/next/${i}` })
  } finally {
    await early.close()
  }
})

test('a client that waits for an app that never answers can leave, and the app loses the connection', async () => {
  misbehave = () => {}
  for (const idle of open) idle.destroy()
  await until(() => open.size === 0)
  const waiting = Array.from({ length: 20 }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /bad HTTP/1.1\r\nHost: hostile.acme.localhost\r\n\r\n'))
    return socket.on('error', () => {})
  })
  await until(() => open.size === 20)
  for (const socket of waiting) socket.destroy()
  await until(() => open.size === 0)
  await until(async () => (await edgeMetrics(home))?.routes['hostile']?.['d1']?.open === 0)
})

test('the edge does not grow while apps send without end and clients do not read', async (context) => {
  if (process.platform !== 'linux') context.skip('memory is read from /proc')
  const pid = serviceStatus(home, 'edge')?.process?.pid as number
  const resident = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
  const kinds = [endless('HTTP/1.1 200 OK\r\n', `X: ${'y'.repeat(1000)}\r\n`), endless('', 'HTTP/1.1 102 Processing\r\n\r\n'), endless('HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n', 'z'.repeat(60_000)), endless('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', `ea60\r\n${'z'.repeat(60_000)}\r\n`)]
  let nth = 0
  misbehave = (socket) => kinds[nth++ % kinds.length]!(socket)
  const before = resident()
  let most = before
  const looking = setInterval(() => (most = Math.max(most, resident())), 50)
  const deaf = Array.from({ length: 40 }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write('GET /bad HTTP/1.1\r\nHost: hostile.acme.localhost\r\n\r\n'))
    return socket.pause().on('error', () => {})
  })
  try {
    for (let i = 0; i < 300; i++) expect((await ask('honest', `/meanwhile/${i}`)).body).toBe(`/meanwhile/${i}`)
  } finally {
    clearInterval(looking)
    for (const socket of deaf) socket.destroy()
  }
  console.log(`resident before ${Math.round(before)} MiB, at most ${Math.round(most)} MiB`)
  expect(most - before).toBeLessThan(150)
})
