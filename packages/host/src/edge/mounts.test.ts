import { request, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocketServer, WebSocket } from 'ws'
import type { Home } from '../home/home.ts'
import { endHome, routeTo, startApp, temporaryHome, type TestApp } from '../testing/fixtures.ts'
import { reservePort } from '../home/ports.ts'
import { ensureEdge, putRoute, removeRoute } from './client.ts'

/** Several apps below one host. */
let home: Home
let port: number
let web: TestApp
let api: TestApp
const shared = 'shop.localhost'

beforeAll(async () => {
  home = await temporaryHome('mounts')
  port = (await ensureEdge(home)).port
  web = await startApp((incoming, response) => response.end(`web ${incoming.url}`))
  api = await startApp((incoming, response) => response.end(`api ${incoming.url}`))
  await putRoute(home, routeTo('web', web.port, { mounts: [{ host: shared, path: '/' }] }))
  await putRoute(home, routeTo('api', api.port, { mounts: [{ host: shared, path: '/api' }] }))
})
afterAll(async () => {
  await endHome(home)
  await Promise.all([web?.close(), api?.close()])
})

const get = (path: string, host = shared, at = port): Promise<{ status: number | undefined; text: string }> =>
  new Promise((done, fail) => {
    request({ host: '127.0.0.1', port: at, path, headers: { host } }, (response: IncomingMessage) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => done({ status: response.statusCode, text }))
    }).on('error', fail).end()
  })

test.each([
  ['/', 'web /'],
  ['/about?x=/api', 'web /about?x=/api'],
  ['/api', 'api /api'],
  ['/api/', 'api /api/'],
  ['/api/users/1?a=b', 'api /api/users/1?a=b'],
  ['/api?a=b', 'api /api?a=b'],
  ['/apis', 'web /apis'],
  ['/API', 'web /API'],
  ['/%61pi/x', 'web /%61pi/x'],
])('%s goes to %s: by whole segments, and the app gets the path whole', async (path, text) => expect(await get(path)).toEqual({ status: 200, text }))

test('the longest path decides, however they were added', async () => {
  const deep = await startApp((incoming, response) => response.end(`deep ${incoming.url}`))
  await putRoute(home, routeTo('deep', deep.port, { mounts: [{ host: shared, path: '/api/v2' }] }))
  expect([(await get('/api/v2/x')).text, (await get('/api/v1')).text]).toEqual(['deep /api/v2/x', 'api /api/v1'])
  await removeRoute(home, 'deep')
  expect((await get('/api/v2/x')).text).toBe('api /api/v2/x')
  await deep.close()
})

test('each app keeps the host of its own, at every path', async () => {
  expect((await get('/anything', routeTo('api', 1).hosts[0])).text).toBe('api /anything')
})

test('on the port of the app at / every part is reached, and on that of a part the app and what lies below it', async () => {
  const [ofWeb, ofApi] = [await reservePort(home, 'own/web'), await reservePort(home, 'own/api')]
  await putRoute(home, routeTo('web', web.port, { mounts: [{ host: shared, path: '/' }], port: ofWeb }))
  await putRoute(home, routeTo('api', api.port, { mounts: [{ host: shared, path: '/api' }], port: ofApi }))
  const answers = async (at: number) => [(await get('/x', '127.0.0.1', at)).text, (await get('/api/x', '127.0.0.1', at)).text]
  expect(await answers(ofWeb)).toEqual(['web /x', 'api /api/x'])
  expect(await answers(ofApi)).toEqual(['api /x', 'api /api/x'])
})

test('a path that nobody answers is 404, and says why', async () => {
  await putRoute(home, routeTo('lonely', api.port, { mounts: [{ host: 'lonely.localhost', path: '/api' }] }))
  expect(await get('/other', 'lonely.localhost')).toEqual({ status: 404, text: expect.stringContaining('lonely.localhost at this path') })
})

test('a part of a host has one owner, and a whole host is shared with nobody', async () => {
  const thief = (changes: Parameters<typeof routeTo>[2]) => putRoute(home, routeTo('thief', api.port, changes))
  await expect(thief({ mounts: [{ host: shared, path: '/api' }] })).rejects.toMatchObject({ code: 'NAME_TAKEN', message: expect.stringContaining(`${shared}/api belongs to acme/api`) })
  await expect(thief({ hosts: [shared] })).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  await expect(thief({ mounts: [{ host: routeTo('web', 1).hosts[0]!, path: '/x' }] })).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  await expect(thief({ mounts: [{ host: shared, path: '/x/' }] })).rejects.toMatchObject({ code: 'INTERNAL' })
  expect((await get('/api')).text).toBe('api /api')
})

test('WebSockets go by the same paths', async () => {
  const sockets = new WebSocketServer({ server: api.server })
  sockets.on('connection', (socket, incoming) => socket.on('message', (message) => socket.send(`${incoming.url} ${String(message)}`)))
  const client = new WebSocket(`ws://127.0.0.1:${port}/api/live`, { headers: { host: shared } })
  const answer = await new Promise((done, fail) => {
    client.on('open', () => client.send('hello')).on('message', (message) => done(String(message))).on('error', fail)
  })
  expect(answer).toBe('/api/live hello')
  client.terminate()
  sockets.close()
})
