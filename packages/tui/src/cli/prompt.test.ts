import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createAsker } from './prompt.ts'
import type { Terminal } from './terminal.ts'

const terminalOf = () => {
  const stdin: PassThrough & { isTTY?: boolean; setRawMode?: () => unknown } = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => stdin })
  const stderr = Object.assign(new PassThrough(), { isTTY: true, columns: 80 })
  return { stdin, terminal: { env: {}, stdin, stderr, stdout: stderr, cwd: '/' } as unknown as Terminal }
}

test('a terminal that goes away in the middle of a question changes nothing, and says so', async () => {
  for (const ask of [
    (terminal: Terminal) => createAsker(terminal).confirm({ message: 'Go on?', flag: '--yes' }),
    (terminal: Terminal) => createAsker(terminal).select({ message: 'Which?', options: [{ value: 'a' }, { value: 'b' }], flag: '--app NAME' }),
    (terminal: Terminal) => createAsker(terminal).typed({ message: 'All goes.', expected: 'shop', flag: '--yes' }),
  ]) {
    const { stdin, terminal } = terminalOf()
    const answer = ask(terminal)
    stdin.end()
    await expect(answer).rejects.toMatchObject({ code: 'CANCELLED' })
  }
})

test('an answer is taken', async () => {
  const { stdin, terminal } = terminalOf()
  const answer = createAsker(terminal).confirm({ message: 'Go on?', flag: '--yes' })
  setTimeout(() => stdin.write('y'), 50)
  expect(await answer).toBe(true)
})
