import { createRequire } from 'node:module'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const require = createRequire(import.meta.url)
const paths = require('../start/paths.cjs') as { root: string }
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilot-summary-'))
  await result('core', { passed: 3, failed: 0, skipped: 0, failures: [], skips: [] })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('adds up; the last line is the sum alone', () => {
  expect(summarize(['core', 'core'])).toEqual({ text: '6 passed, 0 failed, 0 skipped', isGood: true })
})

it('names what was skipped, with the reason', async () => {
  await result('host', { passed: 1, failed: 0, skipped: 1, failures: [], skips: [{ name: 'a.test.ts > runs a container', reason: 'there is no Docker engine on this machine' }] })
  const { text, isGood } = summarize(['core', 'host'])
  expect(isGood).toBe(true)
  expect(text).toBe('Skipped one test, because there is no Docker engine on this machine:\n  host: a.test.ts > runs a container\n\n4 passed, 0 failed, 1 skipped')
})

it('many that are skipped for one reason are told by file', async () => {
  const skips = ['a', 'a', 'b'].flatMap((file) => Array.from({ length: 5 }, (_, index) => ({ name: `${file}.test.ts > test ${index}`, reason: 'this is no Linux' })))
  await result('host', { passed: 1, failed: 0, skipped: 15, failures: [], skips })
  expect(summarize(['host']).text).toBe('Skipped 15 tests, because this is no Linux:\n  host: a.test.ts (10)\n  host: b.test.ts (5)\n\n1 passed, 0 failed, 15 skipped')
})

it('a skip is a failure in CI', async () => {
  await result('host', { passed: 1, failed: 0, skipped: 1, failures: [], skips: [{ name: 'a' }] })
  expect(summarize(['core', 'host'], true).isGood).toBe(false)
})

it('a package whose tests left no result counts as failed', () => {
  expect(summarize(['core', 'tui'])).toMatchObject({ isGood: false, text: expect.stringMatching(/\n3 passed, 1 failed, 0 skipped$/) })
})

function summarize(folders: readonly string[], isCi = false): { text: string; isGood: boolean } {
  paths.root = folder
  delete require.cache[require.resolve('./summary.cjs')]
  return (require('./summary.cjs') as { summarize(options: object): { text: string; isGood: boolean } }).summarize({ folders, isCi })
}

async function result(name: string, content: object): Promise<void> {
  await mkdir(path.join(folder, name), { recursive: true })
  await writeFile(path.join(folder, name, 'test-results.json'), JSON.stringify(content))
}
