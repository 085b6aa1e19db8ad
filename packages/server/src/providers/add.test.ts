import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { addProvider } from './add.ts'
import { openProviders } from './installed.ts'

let place: string
let home: string
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'pilot-test-add-'))
  home = join(place, 'home')
  await mkdir(home)
})
afterEach(() => rm(place, { recursive: true }))

interface Made {
  readonly name?: string
  readonly version?: string
  readonly pilot?: unknown
  readonly scripts?: Record<string, string>
  readonly body?: string
  readonly dependencies?: Record<string, string>
}

/** A package in a folder, with the peer that a provider has. */
async function packageOf({ name = 'pilot-provider-mars', version = '2.0.0', pilot = { provider: 'mars', contract: 1 }, scripts, body = provider(), dependencies = {} }: Made = {}): Promise<string> {
  const folder = join(place, 'packages', `${name}-${version}`)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name, version, type: 'module', exports: './main.js', ...(pilot ? { pilot } : {}), ...(scripts ? { scripts } : {}), peerDependencies: { '@pilot/core': '0.1.0' }, dependencies }))
  await writeFile(join(folder, 'main.js'), body)
  return folder
}

const provider = ({ name = 'mars', contract = 1, connect = `async () => ({ kinds: [{ permissions: ['rockets'] }, { permissions: ['rockets', 'fuel'] }], close: async () => {} })` } = {}) =>
  `const settings = { safeParse: () => ({ success: true, data: {} }) }\nexport default { name: '${name}', title: 'Mars', contract: ${contract}, settings, check: async () => [], connect: ${connect} }\n`

const add = (spec: string, signal = new AbortController().signal) => addProvider({ home, spec, signal })
const names = async () => (await openProviders({ home }).list()).map(({ name, version }) => `${name} ${version}`).slice(1)

test('a provider is installed with what it depends on and a lockfile, says what it needs, and can be used', async () => {
  const zod = dirname(await realpath(createRequire(import.meta.url).resolve('zod/package.json')))
  const body = provider().replace(/^const settings.*/, `import * as z from 'zod'\nconst settings = z.object({ dome: z.string().default('north') })`)
  const { installed, permissions, replaces } = await add(await packageOf({ body, dependencies: { zod: `file:${zod}` } }))
  expect([installed, permissions, replaces]).toEqual([{ name: 'mars', package: 'pilot-provider-mars', version: '2.0.0', contract: 1, builtIn: false }, ['rockets', 'fuel'], undefined])
  expect((await openProviders({ home }).load('mars')).provider.title).toBe('Mars')
  expect(await readdir(join(home, 'providers'))).toEqual(['node_modules', 'package-lock.json', 'package.json'])
  // Pilot's own core, which no registry has to have.
  expect(JSON.parse(await readFile(join(home, 'providers/node_modules/@pilot/core/package.json'), 'utf8'))).toMatchObject({ name: '@pilot/core' })
})

test('a second one and a newer version go beside and in place of what is there, although the first package is gone', async () => {
  const first = await packageOf()
  await add(first)
  await rename(first, `${first}-gone`)
  await add(await packageOf({ name: '@venus/pilot', pilot: { provider: 'venus', contract: 1 }, body: provider({ name: 'venus' }) }))
  expect(await names()).toEqual(['venus 2.0.0', 'mars 2.0.0'])
  expect(await add(await packageOf({ version: '2.1.0' }))).toMatchObject({ replaces: '2.0.0', installed: { version: '2.1.0' } })
  expect(await names()).toEqual(['venus 2.0.0', 'mars 2.1.0'])
})

test('no script of a package runs', async () => {
  const ran = join(place, 'ran')
  await add(await packageOf({ scripts: { preinstall: `touch ${ran}`, install: `touch ${ran}`, postinstall: `touch ${ran}`, prepare: `touch ${ran}` } }))
  expect(existsSync(ran)).toBe(false)
})

const kept = { pilot: { provider: 'venus', contract: 1 }, name: '@venus/pilot', body: provider({ name: 'venus' }) }
test.each<{ title: string; made: Made; says: unknown }>([
  { title: 'a package that is no provider', made: { pilot: null }, says: { code: 'PROVIDER_UNUSABLE', message: 'pilot-provider-mars is no provider of Pilot' } },
  { title: 'another contract, before any of its code runs', made: { pilot: { provider: 'mars', contract: 7 }, body: `throw new Error('ran')` }, says: { code: 'PROVIDER_UNUSABLE', reason: 'It speaks version 7 of the contract; this Pilot speaks 1.' } },
  { title: 'a name that is taken', made: { pilot: { provider: 'local', contract: 1 } }, says: { code: 'PROVIDER_UNUSABLE', reason: 'The name local belongs to @pilot/provider-local.' } },
  { title: 'code that throws', made: { body: `throw new Error('no libfoo')` }, says: { code: 'PROVIDER_UNUSABLE', reason: 'It does not load: no libfoo' } },
  { title: 'code that ends the process', made: { body: 'process.exit(0)' }, says: { code: 'PROVIDER_UNUSABLE', reason: expect.stringContaining('It does not load') } },
  { title: 'another provider than it says', made: { body: provider({ name: 'pluto' }) }, says: { code: 'PROVIDER_UNUSABLE', reason: 'Its default export is not the provider mars.' } },
  { title: 'an incomplete shape', made: { body: `export default { name: 'mars', contract: 1, check() {} }` }, says: { code: 'PROVIDER_UNUSABLE', reason: 'It lacks a title, the function connect, settings as a zod schema.' } },
])('$title is refused, and what is there stays as it was', async ({ made, says }) => {
  await add(await packageOf(kept))
  await expect(add(await packageOf(made))).rejects.toMatchObject(says as object)
  expect(await names()).toEqual(['venus 2.0.0'])
  expect((await readdir(home)).filter((name) => name.startsWith('providers.') && name !== 'providers.lock')).toEqual([])
  expect((await openProviders({ home }).load('venus')).provider.name).toBe('venus')
})

test('one that wants its settings first is installed without a word on what it needs', async () => {
  expect(await add(await packageOf({ body: provider({ connect: `async () => { throw new Error('which account?') }` }) }))).toEqual({ installed: expect.objectContaining({ name: 'mars' }) })
})

test('what is no package is told so, and never becomes an option of npm', async () => {
  for (const spec of ['--prefix=/', 'https://example.org/x.tgz', 'git+ssh://x', './here', 'a b', '']) await expect(add(spec)).rejects.toMatchObject({ code: 'USAGE' })
  await expect(add(join(place, 'nowhere.tgz'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(existsSync(join(home, 'providers'))).toBe(false)
})

test('cancelled, it leaves nothing', async () => {
  const controller = new AbortController()
  const adding = add(await packageOf(), controller.signal)
  setTimeout(() => controller.abort(), 150)
  await expect(adding).rejects.toMatchObject({ name: 'AbortError' })
  expect((await readdir(home)).filter((name) => name !== 'providers.lock')).toEqual([])
})

test('what a crash left between two steps is put back', async () => {
  await add(await packageOf())
  await rename(join(home, 'providers'), join(home, 'providers.old'))
  await add(await packageOf(kept))
  expect(await names()).toEqual(['venus 2.0.0', 'mars 2.0.0'])
})
