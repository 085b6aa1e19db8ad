import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { startPebble, withoutPebble, type Pebble } from '../../packages/provider-local/src/testing/pebble.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'

let pilot: Pilot | undefined
let pebble: Pebble | undefined
afterEach(async () => {
  await pebble?.stop()
  pebble = undefined
  await pilot?.[Symbol.asyncDispose]()
})

const server = `require('http').createServer((request, response) => response.end('over ' + request.headers['x-forwarded-proto'])).listen(process.env.PORT, '127.0.0.1')`

interface Shown {
  readonly domains: readonly { readonly domain: string; readonly state: string; readonly issuedBy?: string; readonly error?: { readonly message: string } }[]
}

async function app({ folder }: Pilot, project: string, domains: string): Promise<string> {
  const dir = join(folder, project)
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'package.json'), '{ "scripts": { "start": "node server.js" } }')
  await writeFile(join(dir, 'server.js'), server)
  await writeFile(join(dir, 'pilot.yaml'), `project: ${project}\napps:\n  web:\n    source: .\n    domains: [${domains}]\n`)
  return dir
}

const portsOf = async ({ home }: Pilot): Promise<Record<string, number>> => JSON.parse(await readFile(join(home, 'ports.json'), 'utf8')) as Record<string, number>

/** As a visitor whose name server sends the domain here. */
async function visit(domain: string, { port, ca }: { port: number; ca: string }): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '--cacert', ca, '--resolve', `${domain}:${port}:127.0.0.1`, `https://${domain}:${port}/`])
  return stdout
}

test('a domain with a certificate of the home: made with the release, known by its authority, gone with the app', async () => {
  pilot = await openPilot()
  const { ok, run } = pilot
  const dir = await app(pilot, 'shop', 'shop.test')
  await ok(['setup', 'local', '--runtime', 'process', '--yes'])
  const url = (await ok(['up', dir, '--yes'])).last
  expect((await get(url)).text).toBe('over http')
  const ca = (await ok(['domains', 'ca'])).last
  const { 'edge-tls': port = 0 } = await portsOf(pilot)
  for (const domain of ['shop.test', 'web.shop.localhost']) expect(await visit(domain, { port, ca })).toBe('over https')
  expect((await ok(['domains', '-C', dir, '--json'])).json<Shown>().domains.map(({ domain, state }) => [domain, state])).toEqual([['shop.test', 'valid'], ['web.shop.localhost', 'valid']])

  const taken = await run(['up', await app(pilot, 'other', 'shop.test'), '--yes'])
  expect(taken.code).toBe(1)
  expect(taken.stderr).toContain('The host shop.test belongs to shop/web')
  expect(await visit('shop.test', { port, ca })).toBe('over https')

  await app(pilot, 'shop', 'new.test')
  await ok(['up', dir])
  expect(await visit('new.test', { port, ca })).toBe('over https')
  await expect(visit('shop.test', { port, ca })).rejects.toThrow()
  await ok(['destroy', '--project', 'shop', '--yes', '--delete-data'])
  await ok(['destroy', '--project', 'other', '--yes', '--delete-data'])
  expect((await portsOf(pilot))['edge-tls']).toBeUndefined()
})

test('a domain with a certificate by ACME: one that points elsewhere holds up no release, says why, and is mended by hand', async ({ skip }) => {
  const reason = withoutPebble()
  skip(reason !== undefined, reason)
  pilot = await openPilot()
  const { ok, run } = pilot
  await ok(['setup', 'local', '--runtime', 'process', '--yes'])
  const { edge = 0 } = await portsOf(pilot)
  pebble = await startPebble({ httpPort: edge, nonceReject: 5 })
  await pebble.point('lost.test', '127.0.0.9')
  await ok(['setup', 'local', '--acme', pebble.directory, '--set', `acmeRoot=${pebble.root}`, '--yes'])
  const dir = await app(pilot, 'shop', 'shop.test, lost.test')
  const up = await run(['up', dir, '--yes'])
  expect(up.code).toBe(0)
  expect(up.stderr).toContain('could not verify that lost.test is served from here')
  expect(up.stderr).toContain('127.0.0.9')

  const ca = join(pilot.folder, 'root.pem')
  await writeFile(ca, await pebble.issuerRoot())
  const { 'edge-tls': port = 0 } = await portsOf(pilot)
  expect(await visit('shop.test', { port, ca })).toBe('over https')
  const { stdout: moved } = await promisify(execFile)('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', '-H', 'Host: shop.test', `http://127.0.0.1:${edge}/a`])
  expect(moved).toBe('308 https://shop.test/a')
  expect((await ok(['domains', '-C', dir, '--json'])).json<Shown>().domains.find(({ domain }) => domain === 'lost.test')).toMatchObject({ state: 'missing', error: { message: expect.stringContaining('lost.test') } })

  expect((await run(['domains', 'renew', 'lost.test'])).code).toBe(1)
  await pebble.point('lost.test', '127.0.0.1')
  await ok(['domains', 'renew', 'lost.test'])
  expect(await visit('lost.test', { port, ca })).toBe('over https')
})
