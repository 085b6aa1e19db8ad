import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { directions } from './directions.ts'

const root = path.resolve(import.meta.dirname, '../..')

it('lint fails on imports that point outwards, around the index or from what ships into tests', async () => {
  const problems = await lintFixtures()
  expect(problems).toEqual([
    ['core/src/inner/around.ts', '../../../server/src/index.ts leaves @pilot/core: import another package by its name.'],
    ['core/src/inner/outward.ts', expect.stringContaining('@pilot/core must not import @pilot/host')],
    ['host/src/ships-testing.ts', expect.stringContaining('@pilot/host must not import @pilot/core/testing')],
    ['tui/src/cli/provider-type.ts', expect.stringContaining('@pilot/tui must not import @pilot/provider-local')],
    ['tui/src/cli/whole-server.ts', expect.stringContaining('@pilot/tui must not import @pilot/server')],
  ])
}, 120_000)

it('no two packages may import each other', () => {
  for (const [from, { may }] of Object.entries(directions)) {
    for (const to of may) expect(directions[to.replace('@pilot/', '')]?.may ?? []).not.toContain(`@pilot/${from}`)
  }
})

/** With the workspace's own configuration: [file, message] of each problem. The folder also holds imports that are allowed. */
async function lintFixtures(): Promise<[string, string][]> {
  const args = [path.join(root, 'node_modules/oxlint/bin/oxlint'), '-c', 'scripts/lint/fixtures/oxlintrc.json', '--no-ignore', '--format', 'json', 'scripts/lint/fixtures/packages']
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root }).catch((failure: { code: number; stdout: string }) => {
    expect(failure.code).toBe(1)
    return failure
  })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { filename: string; message: string; code: string }[] }
  expect(new Set(diagnostics.map(({ code }) => code))).toEqual(new Set(['pilot(import-direction)']))
  return diagnostics.map(({ filename, message }): [string, string] => [filename.replace('scripts/lint/fixtures/packages/', ''), message]).sort()
}
