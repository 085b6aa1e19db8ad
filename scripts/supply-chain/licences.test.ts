import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { exceptions, licenceOf, objection, saidBy } from './licences.ts'
import { nameAt, readLockfile, root, thirdParties } from './lockfile.ts'

const lockfile = await readLockfile()
const packages = thirdParties(lockfile).map(([place, locked]) => ({ place, name: nameAt(place, lockfile), locked, isDevelopment: locked.dev === true }))

test('everything that is installed has a licence that allows what Pilot does with it', () => {
  expect(packages.length).toBeGreaterThan(300)
  expect(packages.flatMap(({ name, locked, isDevelopment }) => objection({ name, licence: licenceOf(name, locked), isDevelopment }) ?? [])).toEqual([])
})

test('what the packages say themselves is what the lockfile says', () => {
  const installed = packages.filter(({ place }) => existsSync(path.join(root, place, 'package.json')))
  expect(installed.length).toBeGreaterThan(200)
  const different = installed.flatMap(({ place, name, locked }) => {
    const said = saidBy(JSON.parse(readFileSync(path.join(root, place, 'package.json'), 'utf8')) as { license?: string })
    return said === licenceOf(name, locked) ? [] : [`${name}: ${said}, not ${licenceOf(name, locked)}`]
  })
  expect(different).toEqual([])
})

test('every exception is still needed', () => {
  const needed = (pattern: string) => packages.some(({ name, locked }) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern) && locked.license === exceptions[pattern]!.licence)
  expect(Object.keys(exceptions).filter((pattern) => !needed(pattern))).toEqual([])
})

test.each([
  ['MIT', true],
  ['MIT OR GPL-3.0-only', true],
  ['Apache-2.0 AND MIT', true],
  ['(MIT OR GPL-2.0) AND BSD-3-Clause', true],
  ['GPL-3.0-only', false],
  ['MIT AND GPL-3.0-only', false],
  ['AGPL-3.0-or-later', false],
  ['SSPL-1.0', false],
  ['BUSL-1.1', false],
  ['UNLICENSED', false],
  ['SEE LICENSE IN LICENSE.md', false],
])('%s: fine is %s', (licence, isFine) => {
  expect(objection({ name: 'x', licence, isDevelopment: false }) === undefined).toBe(isFine)
})

test('an exception for development is none for what is delivered', () => {
  expect(objection({ name: 'lightningcss', licence: 'MPL-2.0', isDevelopment: true })).toBeUndefined()
  expect(objection({ name: 'lightningcss', licence: 'MPL-2.0', isDevelopment: false })).toContain('development only')
  expect(objection({ name: 'lightningcss', licence: 'GPL-3.0-only', isDevelopment: true })).toContain('GPL-3.0-only')
})

test('a package that says no licence stops the build', () => {
  expect(() => licenceOf('nameless', { version: '1.0.0' })).toThrow('nameless 1.0.0 does not say its licence')
})
