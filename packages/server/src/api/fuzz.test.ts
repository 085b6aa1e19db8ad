import { execFile } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import fc, { type Arbitrary } from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { inCampaign, isFullCampaign } from '@pilot/core/testing'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'
import { arbitraryOf, hostileText, type JsonSchema } from '../testing/schema-arbitrary.ts'
import { openApiDocument } from './openapi.ts'

/** The API as its own document describes it, asked for everything, by those who may and those who may not. */
let server: TestServer
let operation: string
beforeAll(async () => {
  server = await testServer()
  await server.setup()
  operation = (await server.run(await upRequest(server.client, [definition('api'), definition('web')]))).id
})
afterAll(() => server[Symbol.asyncDispose]())

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly required: boolean
  readonly schema: JsonSchema
}
interface Operation {
  readonly operationId: string
  readonly parameters: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
}
const { paths, components } = openApiDocument() as { paths: Record<string, Record<string, Operation>>; components: { schemas: Record<string, JsonSchema> } }
const routes = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, each]) => ({ path, method: method.toUpperCase(), name: each.operationId, ...each })))
/** A path of the document that holds both a WebSocket and a POST names the last of them; both are asked. */
const sockets = ['/v1/apps/shop/production/api/run', '/v1/apps/shop/production/api/exec']

/**
 * What a valid request would reach beyond this test: the end of the server, a registry, addresses that nobody listens at. Their bodies
 * are only ever wrong.
 */
const neverValid = new Set(['shutdown', 'addProvider', 'putNotificationChannel'])

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}
interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Over TCP, as a browser of this machine would. Of streams only the beginning is read. */
function ask({ method, path, headers = {}, body }: Asked): Promise<Answer> {
  const { port } = server.server().browser
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers: { host: `127.0.0.1:${port}`, ...headers } }, (response) => {
      let text = ''
      const done = (): void => resolve({ status: response.statusCode!, headers: response.headers, text })
      if (response.statusCode === 200 && !String(response.headers['content-type']).startsWith('application/json')) {
        response.on('error', () => {}).destroy()
        return done()
      }
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', done).on('error', reject)
    })
    asked.on('error', reject).end(body)
  })
}
const bearer = () => ({ authorization: `Bearer ${server.server().browser.token}` })

const known: Readonly<Record<string, readonly string[]>> = { project: ['shop'], environment: ['production'], app: ['api', 'web'], platform: ['fake'], id: [], scope: ['platform', 'app/shop/api/production'] }
const options = { numRuns: inCampaign({ full: 400, short: 20 }), seed: isFullCampaign ? Date.now() : 20_261_122, endOnFailure: true } as const

describe('whatever is asked', { timeout: 120_000 }, () => {
  test.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))('%s answers, and never with a fault of its own', async (_, route) => {
    const problems: Answer[] = []
    await fc.assert(
      fc.asyncProperty(requestOf(route), async (asked) => {
        const answer = await ask({ ...asked, headers: { ...bearer(), ...asked.headers } })
        if (answer.status >= 500 || /"code":"INTERNAL"/.test(answer.text)) problems.push(answer)
        expect({ status: answer.status, text: answer.status >= 500 ? answer.text : '' }).toEqual({ status: expect.toSatisfy((status: number) => status < 500), text: '' })
        expect(answer.headers['access-control-allow-origin']).toBeUndefined()
        if (answer.status >= 400 && asked.method !== 'HEAD') expect(JSON.parse(answer.text)).toMatchObject({ code: expect.any(String), message: expect.any(String), suggestion: expect.any(String) })
      }),
      options,
    )
  })

  test.each([
    ['a NUL in the path', { method: 'GET', path: '/v1/operations/a%00b' }],
    ['a NUL in the query', { method: 'GET', path: '/v1/apps/shop/production/api/runs?type=a%00b' }],
    ['a NUL in the body', { method: 'POST', path: '/v1/operations', body: '{"action":"restart","requestId":"12345678\\u0000","app":{"project":"shop","environment":"production","app":"api"}}' }],
    ['a body that is nested too deep', { method: 'POST', path: '/v1/operations', body: `{"action":"setup","provider":"fake","settings":{"url":${'['.repeat(200_000)}${']'.repeat(200_000)}}}` }],
  ])('%s is refused as bad usage', async (_, asked) => {
    const answer = await ask({ ...asked, headers: { ...bearer(), 'content-type': 'application/json' } })
    expect([answer.status, (JSON.parse(answer.text) as { code: string }).code]).toEqual([400, 'USAGE'])
  })

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])('%s is no name for a variable or a secret, and told so', async (name) => {
    const app = { project: 'shop', environment: 'production', app: 'web' }
    const value = JSON.parse(`{"${name}":"value"}`) as Record<string, string>
    const stored = await ask({ method: 'PUT', path: '/v1/apps/shop/production/web/secrets', headers: { ...bearer(), 'content-type': 'application/json' }, body: JSON.stringify({ values: value }) })
    // What zod reads drops `__proto__` silently; nothing is stored then.
    expect(name === '__proto__' ? [200, []] : [400, 'USAGE']).toEqual(name === '__proto__' ? [stored.status, (JSON.parse(stored.text) as { stored: unknown[] }).stored] : [stored.status, (JSON.parse(stored.text) as { code: string }).code])
    if (name !== '__proto__') expect((await server.run({ action: 'configure', app, set: value })).error).toMatchObject({ code: 'USAGE' })
    expect((await server.client.request('env', { params: app })).values.map(({ key }) => key)).not.toContain(name)
  })

  test('requests that are none of HTTP leave the server as it was', async () => {
    const { port } = server.server().browser
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)), fc.tuple(fc.constantFrom('GET', 'POST', 'PUT', 'TRACE', 'CONNECT', 'PRI', 'get'), hostileText, fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9')).map(([method, path, version]) => Buffer.from(`${method} ${path} ${version}\r\nhost: 127.0.0.1:${port}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`))), async (bytes) => {
        const text = await sendRaw(port, bytes)
        if (text !== '') expect(text).toMatch(/^HTTP\/1\.1 4\d\d /)
      }),
      { ...options, numRuns: inCampaign({ full: 3000, short: 100 }) },
    )
  })

  test('messages on a WebSocket that are none end that connection and nothing else', async () => {
    const { port } = server.server().browser
    const message = fc.oneof(fc.string(), fc.json(), fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.from(bytes)), fc.constantFrom('{"command":[]}', '{"command":["x"],"tty":{"columns":0,"rows":1}}', '{"end":true}', '{"command":["exit","0"]}', `{"command":["${'x'.repeat(70_000)}"]}`))
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...sockets), fc.array(message, { minLength: 1, maxLength: 5 }), async (path, messages) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: bearer() })
        const closed = new Promise<void>((resolve) => socket.on('error', () => {}).once('close', () => resolve()))
        await new Promise((resolve) => socket.once('open', resolve).once('close', resolve))
        for (const each of messages) if (socket.readyState === WebSocket.OPEN) socket.send(each)
        // One that goes on waiting for its command is left by its client.
        if (socket.readyState === WebSocket.OPEN) socket.ping('', undefined, () => socket.close())
        await closed
      }),
      { ...options, numRuns: inCampaign({ full: 1000, short: 40 }) },
    )
  })

  test('the server is still the same one, and does its work', async () => {
    expect(await server.client.request('info')).toMatchObject({ pid: process.pid })
    expect((await server.run(await upRequest(server.client, [definition('after')]))).state).toBe('done')
  })
})

describe('who may not ask gets nothing', () => {
  const all = [...routes.map(({ method, path }) => ({ method, path: filled(path) })), ...routes.map(({ path }) => ({ method: 'OPTIONS', path: filled(path) })), { method: 'GET', path: '/v1/openapi.json' }, { method: 'GET', path: '/' }, { method: 'GET', path: '//v1/info' }, { method: 'GET', path: '/V1/INFO' }, { method: 'GET', path: '/v1/nothing' }]
  const json = { 'content-type': 'application/json' }

  test.each<[string, () => Readonly<Record<string, string>>]>([
    ['without the token', () => json],
    ['with another one', () => ({ ...json, authorization: 'Bearer nonsense' })],
    ['under a name that was rebound to this machine', () => ({ ...json, ...bearer(), host: `evil.example:${server.server().browser.port}` })],
    ['from a page of another origin', () => ({ ...json, ...bearer(), origin: 'http://evil.example' })],
    ['from a page of an app on this machine', () => ({ ...json, ...bearer(), origin: `http://web.shop.localhost:${server.server().browser.port}` })],
    ['from a page elsewhere that sends no origin', () => ({ ...json, ...bearer(), 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })],
    ['from a page of another port of this machine', () => ({ ...json, ...bearer(), 'sec-fetch-site': 'same-site' })],
    ['as a preflight', () => ({ origin: 'http://evil.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' })],
  ])('each route %s', async (_, headers) => {
    const answers = await Promise.all(all.map(async (each) => ({ ...each, ...(await ask({ ...each, headers: headers(), ...(each.method === 'POST' || each.method === 'PUT' ? { body: '{}' } : {}) })) })))
    const learned = answers.filter(({ status, headers: given, text, method }) => status !== 401 || Object.keys(given).some((name) => name.startsWith('access-control-')) || (method !== 'HEAD' && (JSON.parse(text) as { message: string }).message !== 'This request is not allowed'))
    expect(learned).toEqual([])
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])('a body that a form can send (%s) starts nothing', async (type) => {
    const writing = routes.filter(({ method, requestBody }) => (method === 'POST' || method === 'PUT') && requestBody !== undefined && 'application/json' in requestBody.content)
    expect(writing.length).toBeGreaterThan(12)
    for (const { method, path } of writing) {
      const { status, text } = await ask({ method, path: filled(path), headers: { ...bearer(), ...(type === '' ? {} : { 'content-type': type }) }, body: '{"action":"restart","app":{"project":"shop","environment":"production","app":"api"}}' })
      expect([status, (JSON.parse(text) as { code: string }).code, path]).toEqual([400, 'USAGE', path])
    }
  })

  test.each(sockets)('the WebSocket %s', async (path) => {
    const { port } = server.server().browser
    const refused = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve) => new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers }).on('unexpected-response', (asked, response) => (resolve(response.statusCode!), asked.destroy())).on('open', () => resolve(101)).on('error', () => {}))
    for (const headers of [{}, { authorization: 'Bearer nonsense' }, { ...bearer(), host: `evil.example:${port}` }, { ...bearer(), origin: 'http://evil.example' }, { ...bearer(), 'sec-fetch-site': 'cross-site' }]) expect(await refused(headers as Record<string, string>)).toBe(401)
    // A page cannot set a header, so it tries the ways in which tokens are passed elsewhere.
    const token = server.server().browser.token
    expect(await refused({ 'sec-websocket-protocol': `bearer, ${token}`, cookie: `token=${token}` })).toBe(401)
  })

  test('another user of this machine: not the socket, not the token, not the records', async (context) => {
    const asNobody = async (...words: readonly string[]): Promise<string> => {
      const [command, ...args] = process.getuid?.() === 0 ? words : ['sudo', '-n', '-u', 'nobody', ...words]
      return promisify(execFile)(command!, args, process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}).then(({ stdout }) => stdout, (error: { code: number; stderr: string }) => `failed ${error.code} ${error.stderr}`)
    }
    if ((await asNobody('id', '-u')).trim() !== '65534') return context.skip('this user cannot act as another one')
    // Even where the home itself can be passed through.
    await chmod(server.home.dir, 0o755)
    try {
      const { browser } = await server.client.request('info')
      expect(await asNobody('curl', '-sS', '--unix-socket', server.home.paths.serverSocket, 'http://pilot/v1/info')).toMatch(/^failed \d+/)
      for (const path of [browser!.tokenFile, server.home.paths.logs, server.home.paths.keys, server.home.paths.services]) expect(await asNobody('find', path, '-maxdepth', '1', '-type', 'f', '-exec', 'cat', '{}', '+'), path).toMatch(/^failed|^$/)
      expect(await asNobody('curl', '-sS', `http://127.0.0.1:${browser!.port}/v1/status`)).toContain('UNAUTHORIZED')
    } finally {
      await chmod(server.home.dir, 0o700)
    }
  })
})

/** A request that the document allows, more or less: mostly about what is there. */
function requestOf({ method, path, parameters, requestBody, name }: (typeof routes)[number]): Arbitrary<Asked> {
  const valueOf = ({ name: of, schema }: Parameter): Arbitrary<string> => {
    const there = fc.constantFrom('').map(() => (of === 'id' ? operation : undefined))
    const some = known[of]?.length ? fc.constantFrom(...known[of]) : there.filter((id) => id !== undefined)
    const made = arbitraryOf(schema, components.schemas, { hostileOneIn: 5 }).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
    return of in known ? fc.oneof({ arbitrary: some as Arbitrary<string>, weight: 4 }, { arbitrary: made, weight: 1 }, { arbitrary: hostileText, weight: 1 }) : fc.oneof({ arbitrary: made, weight: 4 }, { arbitrary: hostileText, weight: 1 })
  }
  const inPath = fc.record(Object.fromEntries(parameters.filter((each) => each.in === 'path').map((each) => [each.name, valueOf(each)])))
  const inQuery = fc.record(Object.fromEntries(parameters.filter((each) => each.in === 'query').map((each) => [each.name, valueOf(each)])), { requiredKeys: [] })
  const schema = requestBody?.content['application/json']?.schema
  const json = schema === undefined ? fc.constant(undefined) : neverValid.has(name) ? fc.oneof(fc.constantFrom(null, [], 'x', 0), fc.constant({ wait: 'x', package: 0, type: 0 })) : arbitraryOf(schema, components.schemas)
  const text = fc.oneof({ arbitrary: json.map((value) => (value === undefined ? undefined : JSON.stringify(value))), weight: 9 }, { arbitrary: fc.constantFrom('{', '\0', '[1,', '"', '{"__proto__":1,"a":1,"a":2'.concat(neverValid.has(name) ? '' : '}'), '['.repeat(20_000)), weight: schema === undefined ? 0 : 1 })
  return fc.tuple(inPath, inQuery, text, fc.oneof(fc.constant({}), hostileHeaders)).map(([given, query, body, headers]) => {
    const search = new URLSearchParams(Object.entries(query).map(([key, value = '']): [string, string] => [key, value.toWellFormed()])).toString()
    return { method, path: `${filled(path, given)}${search === '' ? '' : `?${search}`}`, ...(body === undefined ? {} : { body }), headers: { 'content-type': 'application/json', ...headers } }
  })
}

const hostileHeaders = fc.record({ 'pilot-by': fc.oneof(fc.constantFrom('%', '%00', '%1b%5d0', '%e2%80%ae', 'x'.repeat(3000)), fc.string().map(encodeURIComponent)), 'last-event-id': fc.constantFrom('-1', '1e400', 'x', '9'.repeat(30)), 'content-type': fc.constantFrom('application/json; charset=utf-7', 'application/jsonx') }, { requiredKeys: [] })

function filled(path: string, given: Readonly<Record<string, string>> = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent((given[name] ?? known[name]?.[0] ?? 'x').toWellFormed()))
}

function sendRaw(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes))
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', () => {}).once('close', () => resolve(text))
  })
}
