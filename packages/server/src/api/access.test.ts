import { request } from 'node:http'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../client/index.ts'
import { testServer, type TestServer } from '../testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await testServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** fetch would set Host by itself. */
function ask(headers: Readonly<Record<string, string>>, { path = '/v1/info', method = 'GET', body = '' } = {}): Promise<{ status: number; body: Record<string, unknown>; headers: Readonly<Record<string, unknown>> }> {
  const { port } = server.server().browser
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers: { host: `127.0.0.1:${port}`, ...headers } }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk)).on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text || '{}') as Record<string, unknown>, headers: response.headers }))
    })
      .on('error', reject)
      .end(body)
  })
}

const bearer = () => ({ authorization: `Bearer ${server.server().browser.token}` })

test('the socket and the token are the user’s alone', async () => {
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
  expect(await mode(server.home.paths.serverSocket)).toBe('600')
  expect(await mode(dirname(server.home.paths.serverSocket))).toBe('700')
  const { browser } = await server.client.request('info')
  expect(await mode(browser!.tokenFile)).toBe('600')
  expect(browser!.port).toBe(server.server().browser.port)
})

test('a browser with the token is answered, under each loopback name', async () => {
  const { port, token } = server.server().browser
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, `LOCALHOST:${port}`]) expect((await ask({ ...bearer(), host })).status).toBe(200)
  expect((await ask({ ...bearer(), origin: `http://localhost:${port}` })).status).toBe(200)
  const client = createClient({ url: `http://127.0.0.1:${port}`, token })
  expect(await client.request('info')).toMatchObject({ api: 1 })
  client.close()
})

test.each<[string, (port: number) => Readonly<Record<string, string>>]>([
  ['without a token', () => ({})],
  ['with another token', () => ({ authorization: 'Bearer nonsense' })],
  ['with the token as a cookie', () => ({ cookie: `token=${server.server().browser.token}; authorization=Bearer ${server.server().browser.token}` })],
  ['under a foreign name that resolves to this machine', (port) => ({ ...bearer(), host: `evil.example:${port}` })],
  ['under the host name of an app', (port) => ({ ...bearer(), host: `api.shop.localhost:${port}` })],
  ['under another port', () => ({ ...bearer(), host: '127.0.0.1:1' })],
  ['without a port', () => ({ ...bearer(), host: 'localhost' })],
  ['from a page of another origin', () => ({ ...bearer(), origin: 'http://evil.example' })],
  ['from an app', (port) => ({ ...bearer(), origin: `http://api.shop.localhost:${port}` })],
  ['from a sandboxed page', () => ({ ...bearer(), origin: 'null' })],
])('a request %s is refused and learns nothing', async (_, headers) => {
  const answer = await ask(headers(server.server().browser.port))
  expect(answer.status).toBe(401)
  expect(answer.body).toMatchObject({ code: 'UNAUTHORIZED', message: 'This request is not allowed' })
  expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  expect(JSON.stringify(answer.body)).not.toContain(server.server().browser.token)
})

test('the token in the address does not count', async () => {
  expect((await ask({}, { path: `/v1/info?token=${server.server().browser.token}&access_token=${server.server().browser.token}` })).status).toBe(401)
})

test('a body that is not JSON is refused, since other origins could send it', async () => {
  const answer = await ask({ ...bearer(), 'content-type': 'text/plain' }, { path: '/v1/shutdown', method: 'POST', body: '{"wait":false}' })
  expect([answer.status, answer.body['code']]).toEqual([400, 'USAGE'])
})

test('an unknown address and a broken body are told as errors', async () => {
  expect(await ask(bearer(), { path: '/v2/info' })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  expect(await ask({ ...bearer(), 'content-type': 'application/json' }, { path: '/v1/operations', method: 'POST', body: '{' })).toMatchObject({ status: 400, body: { code: 'USAGE', message: 'The body is not valid JSON' } })
  expect(await ask({ ...bearer(), 'content-type': 'application/json' }, { path: '/v1/operations', method: 'POST', body: JSON.stringify({ action: 'up', filler: 'x'.repeat(9 * 1024 ** 2) }) })).toMatchObject({ status: 400, body: { code: 'USAGE' } })
})

test('two servers of one home never run', async () => {
  const { startServer } = await import('../server.ts')
  const { silentLog } = await import('../log.ts')
  await expect(startServer({ home: server.home, database: server.database.address, log: silentLog })).rejects.toMatchObject({ code: 'HELD' })
  expect(await server.client.request('info')).toMatchObject({ pid: process.pid })
})
