import { expect, test } from 'vitest'
import { billOf } from './bill.ts'
import type { Lockfile } from './lockfile.ts'

/** An app of ours that bundles `inside` and leaves `beside`, which brings `inside` once more, in node_modules. */
const lockfile: Lockfile = {
  'packages/own': { name: '@own/app', version: '0.1.0', license: 'MIT', dependencies: { beside: '1.0.0', inside: '2.0.0', '@own/core': '0.1.0' }, optionalDependencies: { elsewhere: '1.0.0' } },
  'packages/core': { name: '@own/core', version: '0.1.0', license: 'MIT' },
  'node_modules/@own/core': { resolved: 'packages/core', link: true },
  'node_modules/beside': { version: '1.0.0', license: 'ISC', dependencies: { inside: '^2.0.0', old: '1.x' } },
  'node_modules/beside/node_modules/inside': { version: '2.0.0', license: '(MIT OR GPL-3.0-only)', integrity: `sha512-${Buffer.alloc(64, 1).toString('base64')}` },
  'node_modules/beside/node_modules/old': { version: '1.4.0', license: 'MIT' },
  'node_modules/old': { version: '3.0.0', license: 'MIT' },
  'node_modules/elsewhere': { version: '1.0.0', license: '0BSD', optional: true },
  'packages/own/node_modules/inside': { version: '2.0.0', license: '(MIT OR GPL-3.0-only)', integrity: `sha512-${Buffer.alloc(64, 1).toString('base64')}` },
  'node_modules/for-tests': { version: '1.0.0', dev: true, license: 'MPL-2.0' },
}
const inputs = ['packages/own/src/main.ts', 'packages/core/src/index.ts', 'packages/own/node_modules/inside/index.js', 'node:net', 'call-later:docker-modem/lib/ssh.js']
const bill = billOf({ folder: 'packages/own', inputs, lockfile })

test('names what is inside and what is installed beside, and no tool of the workspace', () => {
  expect(bill.components.map(({ purl, scope, properties: [{ value } = { value: undefined }] }) => `${purl} ${scope} ${value}`)).toEqual([
    'pkg:npm/%40own/core@0.1.0 required bundled and installed',
    'pkg:npm/beside@1.0.0 required installed',
    'pkg:npm/elsewhere@1.0.0 optional installed',
    'pkg:npm/inside@2.0.0 required bundled and installed',
    'pkg:npm/old@1.4.0 required installed',
  ])
})

test('a component has its licence, an expression as one, and the hash that npm checks', () => {
  const inside = bill.components.find(({ name }) => name === 'inside')
  expect(inside).toMatchObject({ licenses: [{ expression: 'MIT OR GPL-3.0-only' }], hashes: [{ alg: 'SHA-512', content: '01'.repeat(64) }] })
  expect(bill.components.find(({ name }) => name === 'beside')!.licenses).toEqual([{ license: { id: 'ISC' } }])
})

test('says who asks for whom', () => {
  expect(bill.dependencies).toContainEqual({ ref: 'beside@1.0.0', dependsOn: ['inside@2.0.0', 'old@1.4.0'] })
  expect(bill.dependencies).toContainEqual({ ref: '@own/app@0.1.0', dependsOn: ['beside@1.0.0', 'inside@2.0.0', '@own/core@0.1.0', 'elsewhere@1.0.0'] })
})

test('the same sources give the same bill, others another number', () => {
  expect(billOf({ folder: 'packages/own', inputs, lockfile })).toEqual(bill)
  const other = billOf({ folder: 'packages/own', inputs, lockfile: { ...lockfile, 'node_modules/beside/node_modules/old': { version: '1.4.1', license: 'MIT' } } })
  expect(other.serialNumber).not.toBe(bill.serialNumber)
  expect(bill.serialNumber).toMatch(/^urn:uuid:[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-a[\da-f]{3}-[\da-f]{12}$/)
})

test('a file of a package that the lockfile does not know stops the build', () => {
  expect(() => billOf({ folder: 'packages/own', inputs: ['node_modules/planted/index.js'], lockfile })).toThrow('planted')
})
