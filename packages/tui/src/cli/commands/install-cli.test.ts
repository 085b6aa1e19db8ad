import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCommand } from '../../testing/run-command.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'pilot cli '))
})
afterEach(() => rm(home, { recursive: true }))

test('writes a command that runs from any folder, twice as well as once', async () => {
  const first = await runCommand(['install-cli'], { env: { HOME: home, PATH: '/usr/bin' } })
  const file = join(home, '.local/bin/pilot')
  expect(first).toMatchObject({ exit: 0, stdout: `Wrote ${file}\n`, stderr: expect.stringContaining(`export PATH="${join(home, '.local/bin')}:$PATH"`) })
  expect((await stat(file)).mode & 0o777).toBe(0o755)
  expect((await readFile(file, 'utf8')).split('\n')[2]).toMatch(/^exec node '.*scripts\/start\.cjs' "\$@"$/)
  const again = await runCommand(['install-cli', '--json'], { env: { HOME: home, PATH: `/usr/bin:${join(home, '.local/bin')}/` } })
  expect(JSON.parse(again.stdout)).toMatchObject({ type: 'operation.finished', outcome: 'done', result: { file, isOnPath: true } })
  // The words that follow arrive as they were typed. The real script would build first; this one says what it got.
  const script = join(home, "it's.cjs")
  await writeFile(script, 'console.log(JSON.stringify(process.argv.slice(2)))')
  await writeFile(file, (await readFile(file, 'utf8')).replace(/'.*start\.cjs'/, () => `'${script.replaceAll("'", `'\\''`)}'`))
  const { stdout } = await promisify(execFile)(file, ['env', 'set', 'A=b c'], { cwd: '/' })
  expect(JSON.parse(stdout)).toEqual(['env', 'set', 'A=b c'])
})

test('leaves a file of somebody else alone, and says where it cannot write', async () => {
  await mkdir(join(home, 'bin'))
  await writeFile(join(home, 'bin/pilot'), '#!/bin/sh\necho mine\n')
  expect(await runCommand(['install-cli', '--to', 'bin'], { cwd: home, env: { HOME: home } })).toMatchObject({ exit: 1, stderr: expect.stringContaining('did not write it') })
  expect(await readFile(join(home, 'bin/pilot'), 'utf8')).toContain('mine')
  expect(await runCommand(['install-cli', '--to', 'bin/pilot/sub'], { cwd: home, env: { HOME: home } })).toMatchObject({ exit: 2, stderr: expect.stringContaining('--to') })
})
