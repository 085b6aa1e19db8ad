import { mkdtemp } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHome, removeHome, type Home } from '@pilot/host'
import { noSignal } from '../testing/local-platform.ts'
import { ensureCertificate } from './ensure.ts'
import { certificateFiles, readState, type IssuerSpec } from './files.ts'
import { runIssuer } from './run-issuer.ts'

/** What Pebble never says: an authority that has accounts, and answers every order in one way. */
let home: Home
let server: Server
let answer: { status: number; body: object; headers?: Record<string, string> }
let orders = 0

beforeEach(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-refusals-')))
  const { key, chain } = await runIssuer({ home: home.dir, issuer: { type: 'local' }, domain: 'localhost' }, { signal: noSignal(), log: () => {} })
  orders = 0
  server = createServer({ key, cert: chain }, (request, response) => {
    const base = `https://localhost:${(server.address() as AddressInfo).port}`
    const send = (status: number, body: object, headers: Record<string, string> = {}): void => void response.writeHead(status, { 'content-type': status < 400 ? 'application/json' : 'application/problem+json', 'replay-nonce': 'nonce', ...headers }).end(JSON.stringify(body))
    if (request.url === '/directory') return send(200, { newNonce: `${base}/nonce`, newAccount: `${base}/account`, newOrder: `${base}/order` })
    if (request.url === '/account') return send(201, { status: 'valid' }, { location: `${base}/account/1` })
    if (request.url !== '/order') return send(200, {})
    orders++
    send(answer.status, answer.body, answer.headers)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await removeHome(home)
})

async function ensure(force = false) {
  const issuer: IssuerSpec = { type: 'acme', directory: `https://localhost:${(server.address() as AddressInfo).port}/directory`, root: certificateFiles(home.dir).authority }
  return ensureCertificate({ home, domain: 'shop.test', issuer, force, signal: noSignal(), log: () => {} })
}

test('a rate limit is said as such, and nobody asks again before the authority allows it', async () => {
  answer = { status: 429, body: { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too many certificates already issued' }, headers: { 'retry-after': '7200' } }
  await expect(ensure()).rejects.toMatchObject({ code: 'CERTIFICATE_FAILED', message: expect.stringContaining('gives no more certificates for shop.test for now'), reason: 'too many certificates already issued' })
  const { nextTryAt } = await readState(certificateFiles(home.dir), 'shop.test')
  const minutes = (Date.parse(nextTryAt!) - Date.now()) / 60_000
  expect([minutes > 119, minutes < 122]).toEqual([true, true])
  expect(await ensure()).toBe('waiting')
  expect(orders).toBe(1)
  await expect(ensure(true)).rejects.toMatchObject({ code: 'CERTIFICATE_FAILED' })
  expect(orders).toBe(2)
})

test('a server in trouble is told apart from a refusal', async () => {
  answer = { status: 503, body: { type: 'about:blank', detail: 'maintenance' } }
  await expect(ensure()).rejects.toMatchObject({ code: 'CERTIFICATE_FAILED', message: expect.stringContaining('cannot be reached'), reason: 'It answered 503.' })
  answer = { status: 400, body: { type: 'urn:ietf:params:acme:error:rejectedIdentifier', detail: 'policy forbids' } }
  await expect(ensure(true)).rejects.toMatchObject({ message: expect.stringContaining('refused a certificate for shop.test'), reason: 'policy forbids (rejectedIdentifier)' })
})
