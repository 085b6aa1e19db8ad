import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { HookCall, PilotError } from '@pilot/core'
import { processesMarked } from '@pilot/host'
import { noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from '../testing/local-platform.ts'

let platform: LocalPlatform
beforeAll(async () => void (platform = await startLocalPlatform({ runtime: 'process' })))
afterAll(() => platform?.stop())

const { openSource } = sourceOf({ 'notify.sh': '#!/bin/sh\necho "$PILOT_HOOK of $PILOT_APP in $(basename "$PWD") as $(id -un)"\necho made > made\n', 'word.txt': 'hello' })
async function run(command: readonly string[], changes: Partial<HookCall> = {}): Promise<string[]> {
  const lines: string[] = []
  await platform.provider.hooks!.run({ app: platform.app('web').identity, hook: 'after-release', command, env: { PILOT_HOOK: 'after-release', PILOT_APP: 'web' }, openSource, timeoutMs: 60_000, signal: noSignal(), log: (line) => void lines.push(line), ...changes })
  return lines
}
const failure = (work: Promise<unknown>) => work.then(() => expect.fail('it went well'), (error: PilotError) => error)

test('runs in a copy of the source with the variables, and nothing of it stays', async () => {
  const lines = await run(['./notify.sh'])
  expect(lines.join('\n')).toMatch(/after-release of web in source as \S+/)
  expect(await run(['sh', '-c', 'cat word.txt; ls'])).not.toContain('made')
  expect(await readdir(join(platform.home.paths.reachable, 'builds'), { recursive: true }).then((found) => found.filter((path) => path.endsWith('word.txt')))).toEqual([])
})

test('knows nothing of Pilot\'s own environment', async () => {
  process.env['PILOT_TEST_SECRET'] = 'hidden'
  try {
    expect((await run(['env'])).join('\n')).not.toContain('hidden')
  } finally {
    delete process.env['PILOT_TEST_SECRET']
  }
})

test('that fails says its exit code and last lines', async () => {
  expect(await failure(run(['sh', '-c', 'echo no such channel; exit 3']))).toMatchObject({ code: 'HOOK_FAILED', message: 'The hook after-release of shop/web failed', reason: 'exit code 3', details: { log: ['no such channel'] } })
})

test('whose program is not there names it', async () => {
  expect(await failure(run(['no-such-program', '--x']))).toMatchObject({ code: 'HOOK_FAILED', message: 'The hook after-release of shop/web needs no-such-program, which is not on this machine', reason: 'The command was: no-such-program --x', suggestion: 'Install no-such-program.' })
})

test('that takes too long, or is cancelled, ends with all that it started', async () => {
  const mark = `PILOT_HOOK_TEST=${process.pid}`
  const [name, value] = mark.split('=') as [string, string]
  const command = ['sh', '-c', 'setsid sleep 300 & sleep 300']
  const started = async () => {
    await expect.poll(() => processesMarked(mark).length, { timeout: 20_000 }).toBeGreaterThan(0)
  }
  const slow = failure(run(command, { timeoutMs: 3_000, env: { [name]: value } }))
  await started()
  expect(await slow).toMatchObject({ code: 'HOOK_FAILED', message: expect.stringContaining('did not end within') })
  expect(processesMarked(mark)).toEqual([])
  const cancel = new AbortController()
  const cancelled = failure(run(command, { signal: cancel.signal, env: { [name]: value } }))
  await started()
  cancel.abort(new Error('enough'))
  expect(await cancelled).toMatchObject({ message: 'enough' })
  expect(processesMarked(mark)).toEqual([])
})
