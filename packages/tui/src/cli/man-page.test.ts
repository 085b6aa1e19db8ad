import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { runCommand } from '../testing/run-command.ts'
import { commandTable } from './command-table.ts'

test('the manual page holds every command, and groff has nothing to say about it', async ({ skip }) => {
  const { exit, stdout } = await runCommand(['help', '--man'])
  expect(exit).toBe(0)
  for (const { name } of commandTable) expect(stdout).toContain(`.SS "pilot ${name.replaceAll('-', '\\-')} `)
  const groff = (() => {
    try {
      return execFileSync('groff', ['-man', '-Tutf8', '-ww', '-z'], { input: stdout, stdio: ['pipe', 'pipe', 'pipe'] }).toString()
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : String((error as { stderr: Buffer }).stderr)
    }
  })()
  if (groff === undefined) skip('groff is not installed')
  expect(groff).toBe('')
})

test('help alone, of a command, and of help itself', async () => {
  expect((await runCommand(['help'])).stdout).toBe((await runCommand(['--help'])).stdout)
  for (const argv of [['help', '--json'], ['help', '--man', '--json']]) expect(JSON.parse((await runCommand(argv)).stdout)).toMatchObject({ text: expect.stringContaining('rollback') })
  expect((await runCommand(['help', 'env', 'set'])).stdout).toContain('Usage: pilot env set')
  expect((await runCommand(['help', 'help'])).stdout).toContain('Usage: pilot help')
  expect(await runCommand(['help', 'nonsense'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('There is no command nonsense') })
})
