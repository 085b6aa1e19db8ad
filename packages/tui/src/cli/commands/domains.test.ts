import { afterEach, expect, test, vi } from 'vitest'
import type { Domain } from '@pilot/server/contract'
import { PilotError } from '@pilot/core/errors'
import { appView, at, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand } from '../../testing/run-command.ts'

const servers: FakeServer[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function run(argv: string[], answers: Parameters<typeof startFakeServer>[0]) {
  const server = await startFakeServer(answers)
  servers.push(server)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse(at) })
  return { ...(await runCommand(argv, { env: { PILOT_HOME: server.home } })), server }
}

const days = (count: number): string => new Date(Date.parse(at) + count * 86_400_000).toISOString()
const domain = (over: Partial<Domain> = {}): Domain => ({ domain: 'shop.test', app: { project: 'shop', app: 'web', environment: 'production' }, platform: 'local', issuer: 'local', state: 'valid', url: 'https://shop.test:4443', issuedBy: 'Pilot on ada (12345678)', notAfter: days(60.5), renewAt: days(30), pointsTo: ['127.0.0.1'], isHere: true, ...over })

test('domains shows where each points and its certificate, and below what is wrong and what to do', async () => {
  const failed = domain({ domain: 'auth.acme.dev', url: undefined, state: 'missing', issuer: 'https://ca/dir', issuedBy: undefined, notAfter: undefined, pointsTo: ['192.0.2.1'], isHere: false, nextTryAt: days(0.5), error: { code: 'CERTIFICATE_FAILED', message: 'https://ca/dir could not verify that auth.acme.dev is served from here', reason: 'It asked for http://auth.acme.dev/.well-known/acme-challenge/…, and: connection refused', suggestion: 'Let auth.acme.dev point to this machine.' } })
  const { stdout, exit } = await run(['domains', '-p', 'shop'], { domains: () => ({ domains: [domain(), failed] }) })
  expect(exit).toBe(0)
  expect(stdout.split('\n').slice(0, 3)).toEqual(['DOMAIN                  APP       CERTIFICATE      ISSUER                   POINTS TO', 'https://shop.test:4443  shop/web  ends in 60 days  Pilot on ada (12345678)  here', 'auth.acme.dev           shop/web  no certificate   https://ca/dir           192.0.2.1'])
  for (const words of ['! auth.acme.dev: https://ca/dir could not verify', 'connection refused', 'Let auth.acme.dev point', 'It is tried again after', 'which is no address of this machine']) expect(stdout).toContain(words)
})

test('domains of an app that has none says how to get one', async () => {
  const answers = { domains: () => ({ domains: [] }), status: () => ({ ...emptyStatus, apps: [appView({ app: 'web' })] }) }
  const { stdout, server } = await run(['domains', 'web', '-p', 'shop'], answers)
  expect(stdout).toContain('Write `domains:` in pilot.yaml')
  expect(server.seen.find(({ name }) => name === 'domains')?.query).toMatchObject({ project: 'shop', app: 'web' })
  expect(await run(['domains', 'wbe', '-p', 'shop'], answers)).toMatchObject({ exit: 2, stderr: expect.stringContaining('Project shop has no app wbe.') })
})

test.each<[Partial<Domain>, string]>([
  [{ notAfter: days(0.5) }, 'ends within a day'],
  [{ renewAt: days(-1), notAfter: days(20.1) }, 'due, ends in 20 days'],
  [{ state: 'failing', notAfter: days(1.5) }, 'not renewed, ends in 1 day '],
  [{ state: 'expired', notAfter: days(-2.5) }, 'ended 2 days ago'],
])('a certificate in the state %j', async (over, text) => {
  const { stdout } = await run(['domains', '-p', 'shop'], { domains: () => ({ domains: [domain(over)] }) })
  expect(stdout).toContain(text)
})

test('domains renew asks for the one, and shows why it failed', async () => {
  const done = await run(['domains', 'renew', 'Shop.test'], { renewCertificate: ({ params }) => ({ domain: domain(params as { domain: string }), log: [] }) })
  expect(done).toMatchObject({ exit: 0, stdout: expect.stringContaining('shop.test has a certificate until') })
  const failed = await run(['domains', 'renew', 'shop.test'], { renewCertificate: () => { throw new PilotError('CERTIFICATE_FAILED', 'no', { reason: 'rate limited' }) } })
  expect(failed).toMatchObject({ exit: 1, stderr: expect.stringContaining('rate limited') })
})

test('domains ca prints the path alone', async () => {
  const { stdout } = await run(['domains', 'ca'], { certificateAuthority: () => ({ path: '/home/ada/.pilot/ca.pem', name: 'Pilot on ada', sha256: 'AB', notAfter: days(3000), trusted: false }) })
  expect(stdout).toBe('/home/ada/.pilot/ca.pem\n')
})
