import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openProviders } from './installed.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'pilot-test-providers-'))
})
afterEach(() => rm(home, { recursive: true }))

async function install(packageName: string, { pilot, code = '', exports = './main.js' }: { pilot?: unknown; code?: string; exports?: string }): Promise<void> {
  const folder = join(home, 'providers', 'node_modules', packageName)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: packageName, version: '2.3.4', type: 'module', exports, ...(pilot === undefined ? {} : { pilot }) }))
  await writeFile(join(folder, 'main.js'), code)
}

const provider = (name: string, contract = 1) => `export default { name: '${name}', title: 'Mars', contract: ${contract}, settings: undefined, check: async () => [], connect: async () => ({}) }`
const find = async (packageName: string) => (await openProviders({ home }).list()).find((each) => each.package === packageName)

test('the provider of this machine is there from the beginning', async () => {
  expect(await openProviders({ home }).list()).toEqual([{ name: 'local', package: '@pilot/provider-local', version: expect.any(String), contract: 1, builtIn: true }])
})

test('a package of a third party is found, also with a scope, and loaded', async () => {
  await install('@mars/pilot-provider', { pilot: { provider: 'mars', contract: 1 }, code: provider('mars') })
  await install('some-dependency', {})
  const providers = openProviders({ home })
  expect((await providers.list()).map(({ name, version, builtIn }) => ({ name, version, builtIn }))).toEqual([
    { name: 'local', version: expect.any(String), builtIn: true },
    { name: 'mars', version: '2.3.4', builtIn: false },
  ])
  expect((await providers.load('mars')).provider.title).toBe('Mars')
})

test('one that speaks another contract is listed with the reason, and none of its code runs', async () => {
  await install('pilot-provider-old', { pilot: { provider: 'old', contract: 0 }, code: `throw new Error('ran')` })
  expect(await find('pilot-provider-old')).toMatchObject({ name: 'old', unusable: 'It speaks version 0 of the contract; this Pilot speaks 1.' })
  await expect(openProviders({ home }).load('old')).rejects.toMatchObject({ code: 'KIND_UNKNOWN', reason: 'It speaks version 0 of the contract; this Pilot speaks 1.' })
})

test('one that takes the name of another does not get it', async () => {
  await install('evil', { pilot: { provider: 'local', contract: 1 }, code: `throw new Error('ran')` })
  expect(await find('evil')).toMatchObject({ unusable: 'The name local belongs to @pilot/provider-local.' })
  expect((await openProviders({ home }).load('local')).installed.package).toBe('@pilot/provider-local')
})

test('one that breaks when it is loaded is an error that names it', async () => {
  await install('broken', { pilot: { provider: 'broken', contract: 1 }, code: `throw new Error('no libfoo')` })
  await expect(openProviders({ home }).load('broken')).rejects.toMatchObject({ code: 'KIND_UNKNOWN', message: 'The provider broken (broken@2.3.4) cannot be used', reason: 'no libfoo' })
  await install('liar', { pilot: { provider: 'liar', contract: 1 }, code: provider('someone-else') })
  await expect(openProviders({ home }).load('liar')).rejects.toMatchObject({ reason: 'Its default export is not the provider liar.' })
  await expect(openProviders({ home }).load('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
