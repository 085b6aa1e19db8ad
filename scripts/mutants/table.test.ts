import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { mutated, packageOf } from './apply.ts'
import { mutants } from './table.ts'

const root = path.resolve(import.meta.dirname, '../..')

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('the mutant %s fits the code, and its tests exist', (_, mutant) => {
  const text = readFileSync(path.join(root, mutant.file), 'utf8')
  expect(mutated(text, mutant)).not.toBe(text)
  for (const file of mutant.tests) expect(existsSync(path.join(root, packageOf(mutant.file), file)), file).toBe(true)
})

test('each has a name of its own, and there are enough', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  expect(mutants.length).toBeGreaterThanOrEqual(25)
})
