import { X509Certificate } from 'node:crypto'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCertificate, securePort, tryFileLock, type FileLock } from '@pilot/host'
import { trafficBlueprint } from '../compute/traffic.ts'
import { noSignal, startLocalPlatform, type LocalPlatform } from '../testing/local-platform.ts'
import { backOffMs, ensureCertificate } from './ensure.ts'
import { certificateFiles, makeFolders, writeState } from './files.ts'
import { forgetUnwanted } from './forget.ts'

const run = promisify(execFile)
let platform: LocalPlatform
const certificates = () => platform.provider.certificates!

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
})
afterAll(() => platform?.stop())

/** An app that is stopped has its names all the same. */
async function release(name: string, domains: readonly string[]) {
  const { identity, engine } = platform.app(name)
  const { resources } = platform.provider.compute.process!.traffic({ app: identity, hostLabel: `${name}.shop`, weights: [], domains, appOutputs: {} })
  const outputs = await engine.apply(resources)
  return { engine, outputs, resources }
}

test('an app with domains gets a certificate for each and for its own name, which the authority of the home vouches for', async () => {
  const { engine, outputs, resources } = await release('web', ['web.test', 'www.web.test'])
  expect(resources.map(({ key }) => key)).toEqual(['certificate/web.test', 'certificate/www.web.test', 'certificate/web.shop.localhost', 'traffic'])
  expect(outputs['certificate/web.test']).toEqual({ issued: true })
  const port = (await securePort(platform.home))!
  const authority = await certificates().authority!({ signal: noSignal() })
  for (const domain of ['web.test', 'www.web.test', 'web.shop.localhost']) {
    const { stdout } = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code} %{ssl_verify_result}', '--cacert', authority.path, '--resolve', `${domain}:${port}:127.0.0.1`, `https://${domain}:${port}/`])
    expect(stdout).toBe('503 0')
  }
  await expect(run('curl', ['-sS', '--resolve', `web.test:${port}:127.0.0.1`, `https://web.test:${port}/`])).rejects.toMatchObject({ stderr: expect.stringContaining('certificate') })

  const listed = await certificates().list()
  expect(listed.map(({ domain, state, issuer, issuedBy, url }) => ({ domain, state, issuer, issuedBy, url }))[1]).toEqual({ domain: 'web.test', state: 'valid', issuer: 'local', issuedBy: authority.name, url: `https://web.test:${port}` })
  const days = (Date.parse(listed[0]!.notAfter!) - Date.now()) / 86_400_000
  expect([days > 89, days < 91]).toEqual([true, true])
  expect(new X509Certificate(readFileSync(authority.path)).subject).toContain('Pilot on ')

  // Trusted, the app's own name is what people open.
  expect((await urlOf('web')).startsWith('http://web.shop.localhost:')).toBe(true)
  await certificates().noteTrust!(true)
  expect(await urlOf('web')).toBe(`https://web.shop.localhost:${port}`)
  await certificates().noteTrust!(false)
  await engine.destroy()
  expect([await certificates().list(), await securePort(platform.home), readdirSync(platform.home.paths.certificates)]).toEqual([[], undefined, []])
})

async function urlOf(name: string): Promise<string> {
  const { engine } = platform.app(name)
  const kind = platform.provider.kinds.find((each) => each.kind === 'local/route')!
  return ((await kind.read({ ...engine.call('traffic'), id: engine.id('traffic'), recorded: {} }))!.outputs as { url: string }).url
}

test('an app without domains has no certificate, and nothing listens for TLS', async () => {
  const { resources, engine } = await release('plain', [])
  expect(resources.map(({ key }) => key)).toEqual(['traffic'])
  expect(await securePort(platform.home)).toBeUndefined()
  await engine.destroy()
})

test('names below .localhost are the home’s own business, whoever issues for domains; without domains they have a certificate where all apps are to', () => {
  const acme = { type: 'acme' as const, directory: 'https://ca.test/directory' }
  const issuers = (domains: readonly string[], forAll: boolean) =>
    trafficBlueprint({ platformId: platform.platformId, https: { issuer: acme, forAll } }, { app: platform.app('web').identity, hostLabel: 'web.shop', weights: [], domains, appOutputs: {} })
      .resources.filter(({ kind }) => kind === 'local/certificate')
      .map(({ inputs }) => [inputs['domain'], inputs['issuer']])
  expect(issuers(['web.test'], false)).toEqual([['web.test', acme], ['web.shop.localhost', { type: 'local' }]])
  expect(issuers([], true)).toEqual([['web.shop.localhost', { type: 'local' }]])
  expect(issuers([], false)).toEqual([])
})

test('keys are readable by their owner only, and stand nowhere else', async () => {
  const { engine } = await release('keys', ['keys.test'])
  const files = certificateFiles(platform.home.dir)
  const { key } = (await readCertificate(platform.home, 'keys.test'))!
  const line = key.split('\n')[1]!
  const { stdout } = await run('grep', ['-rlF', line, platform.home.dir])
  expect(stdout.trim()).toBe(join(platform.home.paths.certificates, 'keys.test.json'))
  for (const path of [stdout.trim(), files.authorityKey]) expect(statSync(path).mode & 0o777).toBe(0o600)
  await engine.destroy()
})

test('apps that share a domain share its certificate, which goes with the last of them', async () => {
  const shared = async (name: string, path: string) => {
    const { identity, engine } = platform.app(name)
    const { resources } = platform.provider.compute.process!.traffic({ app: identity, hostLabel: `${name}.shop`, weights: [], domains: ['both.test'], shared: { hostLabel: 'shop', path }, appOutputs: {} })
    await engine.apply(resources)
    return engine
  }
  const one = await shared('one', '/')
  const before = await readCertificate(platform.home, 'both.test')
  const two = await shared('two', '/api')
  expect(await readCertificate(platform.home, 'both.test')).toEqual(before)
  await one.destroy()
  expect(await readCertificate(platform.home, 'both.test')).toEqual(before)
  await two.destroy()
  expect(await readCertificate(platform.home, 'both.test')).toBeUndefined()
})

test('a domain that another app has is refused before anything is made for it', async () => {
  const { engine } = await release('first', ['mine.test'])
  await expect(release('second', ['mine.test'])).rejects.toMatchObject({ code: 'NAME_TAKEN', message: expect.stringContaining('The host mine.test belongs to shop/first') })
  expect((await certificates().list()).map(({ app, domain }) => `${app.app} ${domain}`)).toEqual(['first first.shop.localhost', 'first mine.test'])
  await platform.app('second').engine.destroy()
  await engine.destroy()
})

test('nothing is renewed before its time; an authority that was made anew, and a file that is gone, are mended', async () => {
  const { engine } = await release('again', ['again.test'])
  const call = { signal: noSignal(), log: () => {} }
  const serial = async (): Promise<string> => new X509Certificate((await readCertificate(platform.home, 'again.test'))!.chain).serialNumber
  const first = await serial()
  await certificates().renew(call)
  expect(await serial()).toBe(first)
  rmSync(join(platform.home.paths.certificates, 'again.test.json'))
  expect((await certificates().list()).find(({ domain }) => domain === 'again.test')).toMatchObject({ state: 'missing' })
  expect(await certificates().renew(call)).toEqual({ failed: [] })
  const second = await serial()
  expect(second).not.toBe(first)
  rmSync(certificateFiles(platform.home.dir).authority)
  await certificates().authority!(call)
  await certificates().renew(call)
  const { path } = await certificates().authority!(call)
  const port = (await securePort(platform.home))!
  const authorized = await new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'again.test', ca: readFileSync(path) }, () => resolve(socket.end().authorized)).once('error', reject)
  })
  expect([authorized, (await serial()) === second]).toEqual([true, false])
  await expect(certificates().renew({ ...call, domain: 'other.test' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await engine.destroy()
})

test('a domain that is given up while its certificate is renewed leaves nothing behind', async () => {
  const { engine } = await release('given-up', ['given-up.test'])
  const renewing = certificates().renew({ domain: 'given-up.test', signal: noSignal(), log: () => {} }).catch(() => {})
  await engine.destroy()
  await renewing
  const { dir } = certificateFiles(platform.home.dir)
  expect([await readCertificate(platform.home, 'given-up.test'), await securePort(platform.home), readdirSync(join(dir, 'state')).filter((file) => file.startsWith('given-up.test'))]).toEqual([undefined, undefined, []])
})

test('while somebody else asks for the same domain, nobody waits for long', async () => {
  const files = certificateFiles(platform.home.dir)
  makeFolders(files)
  const lock = (await tryFileLock(files.lock('busy.test'))) as FileLock
  const call = { home: platform.home, domain: 'busy.test', issuer: { type: 'local' }, patienceMs: 50, signal: noSignal(), log: () => {} } as const
  expect(await ensureCertificate(call)).toBe('waiting')
  await expect(ensureCertificate({ ...call, force: true })).rejects.toMatchObject({ code: 'CERTIFICATE_FAILED', message: 'A certificate for busy.test is being asked for already' })
  await lock.release()
})

test('a clock that was ahead when an attempt failed keeps nobody waiting', async () => {
  const files = certificateFiles(platform.home.dir)
  makeFolders(files)
  const inAYear = (minutes: number): string => new Date(Date.now() + 365 * 86_400_000 + minutes * 60_000).toISOString()
  writeState(files, 'clock.test', { failures: 1, lastTriedAt: inAYear(0), nextTryAt: inAYear(15) })
  const call = { home: platform.home, domain: 'clock.test', issuer: { type: 'local' }, signal: noSignal(), log: () => {} } as const
  expect(await ensureCertificate(call)).toBe('issued')
  await forgetUnwanted(platform.home, 'clock.test')
  expect(await readCertificate(platform.home, 'clock.test')).toBeUndefined()
})

test('attempts that fail come ever less often, and when an authority says so, then', () => {
  expect([1, 2, 3, 20].map((failures) => backOffMs(failures, {}) / 60_000)).toEqual([15, 30, 60, 720])
  expect(backOffMs(1, { details: { rateLimited: true } })).toBe(12 * 3_600_000)
  expect(backOffMs(1, { details: { rateLimited: true, retryAfter: '7200' } })).toBe(7_260_000)
})
