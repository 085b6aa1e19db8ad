import { spawn } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import acme from 'acme-client'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readCertificate, releaseSecurePort, reservedPorts, securePort } from '@pilot/host'
import { noSignal, startLocalPlatform, type LocalPlatform } from '../testing/local-platform.ts'
import { startPebble, withoutPebble, type Pebble, type PebbleOptions } from '../testing/pebble.ts'
import { ensureCertificate } from './ensure.ts'
import { certificateFiles, type IssuerSpec } from './files.ts'

const reason = withoutPebble()
let platform: LocalPlatform
let pebble: Pebble | undefined

beforeAll(async () => {
  if (reason === undefined) platform = await startLocalPlatform({ runtime: 'process' })
})
afterAll(async () => {
  if (platform) await releaseSecurePort(platform.home)
  await platform?.stop()
})
afterEach(async () => {
  await pebble?.stop()
  pebble = undefined
})

async function authority(options: Partial<PebbleOptions> = {}): Promise<Pebble> {
  pebble = await startPebble({ httpPort: (await reservedPorts(platform.home))['edge']!, ...options })
  return pebble
}

const issuer = ({ directory, root }: Pebble): IssuerSpec => ({ type: 'acme', directory, root, contact: 'ops@acme.test' })
const files = () => certificateFiles(platform.home.dir)
const ensure = (domain: string, pebble: Pebble, more: { force?: boolean; log?: (line: string) => void } = {}) => ensureCertificate({ home: platform.home, domain, issuer: issuer(pebble), signal: noSignal(), log: () => {}, ...more })
const serial = async (domain: string): Promise<string> => new X509Certificate((await readCertificate(platform.home, domain))!.chain).serialNumber

/** Whether a client that knows the authority's root takes the edge for the domain. */
async function handshake(domain: string, ca: string): Promise<boolean> {
  const port = (await securePort(platform.home))!
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: domain, ca }, () => resolve(socket.end().authorized)).once('error', reject)
  })
}

describe('certificates by ACME', () => {
  beforeEach(({ skip }) => skip(reason !== undefined, reason))

  test('a domain gets one through the edge itself, although some requests are refused for their nonce', async () => {
    const pebble = await authority({ nonceReject: 15 })
    expect(await ensure('shop.test', pebble)).toBe('issued')
    expect(await handshake('shop.test', await pebble.issuerRoot())).toBe(true)
    expect(await ensure('shop.test', pebble)).toBe('kept')
    expect([readdirSync(platform.home.paths.challenges), existsSync(files().pending('shop.test'))]).toEqual([[], false])
    const [account] = readdirSync(files().accounts)
    expect(statSync(join(files().accounts, account!)).mode & 0o777).toBe(0o600)
  })

  test('one that has a third of its life left is renewed, and one that has more is not', async () => {
    const pebble = await authority({ validSeconds: 3600 })
    await ensure('renew.test', pebble)
    const first = await serial('renew.test')
    expect(await ensure('renew.test', pebble)).toBe('kept')
    await pebble.stop()
    const short = await authority({ validSeconds: 1 })
    expect(await ensure('renew.test', short)).toBe('issued')
    const second = await serial('renew.test')
    // Its end has come a moment later.
    await expect.poll(() => Date.now() > Date.parse(new X509Certificate(readFileSync(join(platform.home.paths.certificates, 'renew.test.json'), 'utf8').match(/"chain": "(.*?)"/)![1]!.replaceAll('\\n', '\n')).validTo), { timeout: 10_000 }).toBe(true)
    expect(await ensure('renew.test', short)).toBe('issued')
    expect(new Set([first, second, await serial('renew.test')]).size).toBe(3)
  })

  test('a domain that points elsewhere: which URL was asked and what came; the old certificate stays, and the next attempt waits', async () => {
    const pebble = await authority()
    await ensure('moved.test', pebble)
    const before = await serial('moved.test')
    await pebble.point('moved.test', '127.0.0.9')
    await expect(ensure('moved.test', pebble, { force: true })).rejects.toMatchObject({
      code: 'CERTIFICATE_FAILED',
      message: expect.stringContaining('could not verify that moved.test is served from here'),
      reason: expect.stringMatching(/It asked for http:\/\/moved\.test\/\.well-known\/acme-challenge\/….*127\.0\.0\.9/),
      suggestion: expect.stringContaining('domains renew moved.test'),
    })
    expect(await serial('moved.test')).toBe(before)
    const state = JSON.parse(readFileSync(files().state('moved.test'), 'utf8')) as { failures: number; nextTryAt: string }
    expect([state.failures, Date.parse(state.nextTryAt) > Date.now() + 10 * 60_000]).toEqual([1, true])
    expect(readdirSync(platform.home.paths.challenges)).toEqual([])
  })

  test('a release with a domain that cannot have one goes on, and says why; when it can, it gets one', async () => {
    const pebble = await authority({ blocked: ['blocked.test'] })
    const other = await startPlatformWith(pebble)
    try {
      const { identity, engine } = other.app('shop')
      const { resources } = other.provider.compute.process!.traffic({ app: identity, hostLabel: 'shop.shop', weights: [], domains: ['blocked.test'], appOutputs: {} })
      const outputs = await engine.apply(resources)
      expect(outputs['certificate/blocked.test']).toEqual({ issued: false })
      expect(outputs['certificate/shop.shop.localhost']).toEqual({ issued: true })
      expect(engine.log.join('\n')).toContain('blocked.test')
      expect((await other.provider.certificates!.list()).find(({ domain }) => domain === 'blocked.test')).toMatchObject({ state: 'missing', error: { code: 'CERTIFICATE_FAILED', reason: expect.stringContaining('rejectedIdentifier') } })
      await engine.destroy()
    } finally {
      await other.stop()
    }
  })

  test('an authority that has forgotten the account, or refuses it, gets another one', async () => {
    const pebble = await authority()
    await ensure('account.test', pebble)
    await pebble.restart()
    expect(await ensure('account.test', pebble, { force: true })).toBe('issued')
    for (const name of readdirSync(files().accounts)) writeFileSync(join(files().accounts, name), JSON.stringify({ key: 'no key' }))
    const log: string[] = []
    expect(await ensure('account.test', pebble, { force: true, log: (line) => log.push(line) })).toBe('issued')
    expect(log.join('\n')).toContain('does not take the account')
  })

  test('one account is kept for all certificates, also without a contact', async () => {
    const pebble = await authority()
    const { directory, root } = pebble
    const without: IssuerSpec = { type: 'acme', directory, root }
    const log: string[] = []
    const keys = new Set<string>()
    for (const domain of ['one.test', 'two.test']) {
      await ensureCertificate({ home: platform.home, domain, issuer: without, signal: noSignal(), log: (line) => log.push(line) })
      keys.add(readFileSync(accountFile(pebble), 'utf8'))
    }
    expect([keys.size, log.filter((line) => line.includes('account'))]).toEqual([1, []])
  })

  test('an account that was deactivated is replaced', async () => {
    const pebble = await authority()
    await ensure('closed.test', pebble)
    const path = accountFile(pebble)
    const { key } = JSON.parse(readFileSync(path, 'utf8')) as { key: string }
    acme.axios.defaults.httpsAgent = new Agent({ ca: readFileSync(pebble.root) })
    const client = new acme.Client({ directoryUrl: pebble.directory, accountKey: key })
    await client.createAccount({ onlyReturnExisting: true })
    await client.updateAccount({ status: 'deactivated' } as object)
    expect(await ensure('closed.test', pebble, { force: true })).toBe('issued')
    expect((JSON.parse(readFileSync(path, 'utf8')) as { key: string }).key).not.toBe(key)
  })

  test.each(['asked', 'is asked for'])('killed right after it says "%s", the next run ends right, with the same order', async (word) => {
    const pebble = await authority({ authzReuse: 100 })
    const domain = `killed${word.length}.test`
    await issueUntil({ domain, pebble, word })
    expect(existsSync(files().pending(domain))).toBe(true)
    const log: string[] = []
    expect(await ensure(domain, pebble, { log: (line) => log.push(line) })).toBe('issued')
    expect(log[0]).toMatch(/^went on with the order/)
    expect(await handshake(domain, await pebble.issuerRoot())).toBe(true)
    expect(existsSync(files().pending(domain))).toBe(false)
  })

  test('an order that the authority has forgotten is made anew', async () => {
    const pebble = await authority()
    await issueUntil({ domain: 'lost.test', pebble, word: 'is asked for' })
    await pebble.restart()
    expect(await ensure('lost.test', pebble)).toBe('issued')
  })

  test('an authority that cannot be reached is named, and no order is lost', async () => {
    const pebble = await authority()
    await issueUntil({ domain: 'off.test', pebble, word: 'is asked for' })
    const root = join(platform.home.dir, 'root.pem')
    writeFileSync(root, readFileSync(pebble.root))
    const spec: IssuerSpec = { type: 'acme', directory: pebble.directory, root }
    await pebble.stop()
    await expect(ensureCertificate({ home: platform.home, domain: 'off.test', issuer: spec, signal: noSignal(), log: () => {} })).rejects.toMatchObject({ code: 'CERTIFICATE_FAILED', message: expect.stringContaining(`${pebble.directory} cannot be reached`) })
    expect(existsSync(files().pending('off.test'))).toBe(true)
  })
})

const accountFile = ({ directory }: Pebble): string => join(files().accounts, `${createHash('sha256').update(directory).digest('hex').slice(0, 16)}.json`)

async function startPlatformWith({ directory, root }: Pebble): Promise<LocalPlatform> {
  return startLocalPlatform({ runtime: 'process', acme: directory, acmeRoot: root })
}

/** The program that issues, killed as soon as it says a word. */
async function issueUntil({ domain, pebble, word }: { domain: string; pebble: Pebble; word: string }): Promise<void> {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=@pilot/source', main], { stdio: ['pipe', 'pipe', 'inherit'] })
  const gone = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
    if (said.includes(word)) child.kill('SIGKILL')
  })
  child.stdin.write(`${JSON.stringify({ home: platform.home.dir, issuer: issuer(pebble), domain })}\n`)
  await gone
  if (!said.includes(word)) throw new Error(`It ended before: ${said}`)
}
