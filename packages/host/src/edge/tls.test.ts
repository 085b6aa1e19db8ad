import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request as httpsRequest, Agent } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { Home } from '../home/home.ts'
import { isPortFree } from '../home/ports.ts'
import { serviceStatus } from '../supervisor/client.ts'
import { endHome, routeTo, startApp, temporaryHome, until, type TestApp } from '../testing/fixtures.ts'
import { putChallenge, removeChallenge } from './challenges.ts'
import { edgeService, edgeState, ensureEdge, putCertificate, putRoute, readCertificate, releaseSecurePort, removeCertificate, securePort } from './client.ts'

const run = promisify(execFile)

let home: Home
let folder: string
let port: number
let secure: number
let app: TestApp

/** A certificate authority and its certificates, made by openssl. */
function issue(domain: string, days = 2): { key: string; chain: string } {
  const ca = join(folder, 'ca')
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' })
  try {
    readFileSync(`${ca}.pem`)
  } catch {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-subj', '/CN=test', '-days', '3')
  }
  const leaf = join(folder, domain)
  writeFileSync(`${leaf}.ext`, `subjectAltName=DNS:${domain}`)
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${leaf}.key`, '-out', `${leaf}.csr`, '-subj', `/CN=${domain}`)
  openssl('x509', '-req', '-in', `${leaf}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-out', `${leaf}.pem`, '-days', String(days), '-extfile', `${leaf}.ext`)
  return { key: readFileSync(`${leaf}.key`, 'utf8'), chain: readFileSync(`${leaf}.pem`, 'utf8') }
}

const ca = (): string => readFileSync(join(folder, 'ca.pem'), 'utf8')

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pilot-tls-'))
  home = await temporaryHome('tls')
  port = (await ensureEdge(home)).port
  app = await startApp((request, response) => response.end(JSON.stringify({ proto: request.headers['x-forwarded-proto'], forwarded: request.headers.forwarded, host: request.headers.host })))
  await putRoute(home, routeTo('todo', app.port, { hosts: ['todo.acme.localhost', 'todo.test', 'shop.test'] }))
})

afterEach(async () => {
  await releaseSecurePort(home)
  await endHome(home)
  await app.close()
  rmSync(folder, { recursive: true, force: true })
})

async function give(domain: string, more: { redirect?: boolean; days?: number } = {}): Promise<void> {
  const { days, ...rest } = more
  await putCertificate(home, { domain, ...issue(domain, days), ...rest })
  secure = (await securePort(home))!
}

async function get(domain: string, { path = '/', agent = false }: { path?: string; agent?: Agent | false } = {}): Promise<{ status: number; body: string; serial: string }> {
  return await new Promise((resolve, reject) => {
    httpsRequest({ host: '127.0.0.1', port: secure, servername: domain, ca: ca(), path, agent, headers: { host: `${domain}:${secure}` } }, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate()
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).once('end', () => resolve({ status: response.statusCode ?? 0, body, serial: serialNumber }))
    })
      .once('error', reject)
      .end()
  })
}

const plain = async (host: string, path = '/', to = port, headers: readonly string[] = []): Promise<{ status: number; location: string | undefined; body: string }> => {
  const { stdout } = await run('curl', ['-s', '-i', '-H', `Host: ${host}`, ...headers.flatMap((header) => ['-H', header]), `http://127.0.0.1:${to}${path}`])
  return { status: Number(stdout.split(' ')[1]), location: /^location: (.*)\r$/im.exec(stdout)?.[1], body: stdout.slice(stdout.indexOf('\r\n\r\n') + 4) }
}

test('each name answers with its own certificate, which its authority vouches for, and the app hears that it was HTTPS', async () => {
  expect(await securePort(home)).toBeUndefined()
  await give('todo.test')
  await give('shop.test')
  for (const domain of ['todo.test', 'shop.test']) {
    const { status, body } = await get(domain)
    expect([status, JSON.parse(body)]).toEqual([200, { proto: 'https', forwarded: `for=127.0.0.1;host="${domain}:${secure}";proto=https`, host: `${domain}:${secure}` }])
  }
  const { stdout } = await run('curl', ['-sS', '--cacert', join(folder, 'ca.pem'), '--resolve', `todo.test:${secure}:127.0.0.1`, `https://todo.test:${secure}/`])
  expect(JSON.parse(stdout)).toMatchObject({ proto: 'https' })
  expect(JSON.parse((await plain('todo.test')).body)).toMatchObject({ proto: 'http' })
})

test('a name without a certificate, an older TLS and plain HTTP end with an alert, and the listener lives on', async () => {
  await give('todo.test')
  const attempt = (options: object): Promise<string> => new Promise((resolve) => connect({ host: '127.0.0.1', port: secure, rejectUnauthorized: false, ...options }, () => resolve('connected')).once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message)))
  expect(await attempt({ servername: 'other.test' })).toBe('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE')
  expect(await attempt({})).toBe('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE')
  expect(await attempt({ servername: 'todo.test', minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' })).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
  await run('curl', ['-s', `http://127.0.0.1:${secure}/`]).catch(() => {})
  expect((await get('todo.test')).status).toBe(200)
})

test('a renewed certificate is for new handshakes, while a connection that is open goes on', async () => {
  await give('todo.test')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const before = await get('todo.test', { agent })
  await give('todo.test', { days: 3 })
  const [same, fresh] = [await get('todo.test', { agent }), await get('todo.test')]
  agent.destroy()
  expect(same).toEqual(before)
  expect([fresh.status, fresh.serial === before.serial]).toEqual([200, false])
})

test('a certificate that does not fit its key is refused, and the one before stays', async () => {
  await give('todo.test')
  const good = (await readCertificate(home, 'todo.test'))!
  await expect(putCertificate(home, { domain: 'todo.test', key: issue('shop.test').key, chain: good.chain })).rejects.toMatchObject({ code: 'INTERNAL' })
  expect(await readCertificate(home, 'todo.test')).toEqual(good)
  writeFileSync(join(home.paths.certificates, 'todo.test.json'), '{')
  await until(async () => (await edgeState(home))!.problems['certificates/todo.test.json'] !== undefined)
  expect((await get('todo.test')).status).toBe(200)
  await expect(putCertificate(home, { ...good, domain: '../todo' })).rejects.toMatchObject({ code: 'INTERNAL' })
})

test('a killed edge answers again over TLS, also to connections that were made meanwhile', async () => {
  await give('todo.test')
  const killed = serviceStatus(home, edgeService)!.process!.pid
  process.kill(killed, 'SIGKILL')
  const answers = await Promise.all(Array.from({ length: 10 }, () => get('todo.test')))
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
  expect((await edgeState(home))!.pid).not.toBe(killed)
})

test('a WebSocket goes through TLS', async () => {
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => socket.on('message', (data) => socket.send(`${request.headers['x-forwarded-proto']} ${String(data)}`)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await putRoute(home, routeTo('todo', (server.address() as { port: number }).port, { hosts: ['todo.test'] }))
  await give('todo.test')
  const socket = new WebSocket(`wss://127.0.0.1:${secure}/`, { servername: 'todo.test', ca: ca(), headers: { host: 'todo.test' } } as object)
  const said = new Promise<string>((resolve, reject) => socket.once('message', (data) => resolve(String(data))).once('error', reject))
  socket.once('open', () => socket.send('hello'))
  expect(await said).toBe('https hello')
  socket.terminate()
  sockets.close()
  server.close()
})

test('a domain whose certificate says so is sent from HTTP to HTTPS, by the port that was meant; others are not', async () => {
  await give('todo.test', { redirect: true })
  await give('shop.test')
  expect(await plain('todo.test', '/a?b=c')).toMatchObject({ status: 308, location: 'https://todo.test/a?b=c' })
  expect(await plain(`todo.test:${port}`, '/a')).toMatchObject({ status: 308, location: `https://todo.test:${secure}/a` })
  for (const host of ['shop.test', 'todo.acme.localhost']) expect(await plain(host)).toMatchObject({ status: 200 })
  // Somebody in front has ended TLS: a redirect would lead there again.
  expect(await plain('todo.test', '/', port, ['X-Forwarded-Proto: https'])).toMatchObject({ status: 200 })
})

test('a challenge is answered for its own domain only, and before a redirect; what is none of ours is the app’s', async () => {
  await give('todo.test', { redirect: true })
  putChallenge(home.paths, { domain: 'todo.test', token: 'abc_-1', answer: 'abc_-1.thumb' })
  const path = '/.well-known/acme-challenge/abc_-1'
  expect(await plain('todo.test', path)).toMatchObject({ status: 200, body: 'abc_-1.thumb' })
  expect(JSON.parse((await plain('shop.test', path)).body)).toMatchObject({ host: 'shop.test' })
  expect((await plain('shop.test', '/.well-known/acme-challenge/..%2f..%2fhome')).status).toBe(200)
  removeChallenge(home.paths, { token: 'abc_-1' })
  expect(await plain('todo.test', path)).toMatchObject({ status: 308 })
})

test('without any certificate nobody listens for TLS', async () => {
  await give('todo.test')
  await removeCertificate(home, 'todo.test')
  await until(() => isPortFree(secure))
})
