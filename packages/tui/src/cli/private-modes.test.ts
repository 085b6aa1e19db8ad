import { expect, test } from 'vitest'
import { privateModes } from './private-modes.ts'

const after = (...pieces: readonly string[]): string => {
  const modes = privateModes()
  for (const piece of pieces) modes.see(Buffer.from(piece))
  return modes.restore()
}

test('what a program left switched on is switched off, and the cursor is shown again', () => {
  expect(after('\u001b[?1049h\u001b[?25l text \u001b[?1000;1006h')).toBe('\u001b[?1049l\u001b[?25h\u001b[?1000l\u001b[?1006l\u001b[0m')
})

test('one that cleans up after itself leaves nothing to do', () => {
  expect(after('\u001b[?1049h', '\u001b[?25l', 'text', '\u001b[?25h\u001b[?1049l')).toBe('')
  expect(after('no terminal at all', '\u001b[31mred')).toBe('')
})

test('a sequence may come in pieces', () => {
  expect(after('\u001b', '[?10', '49h', ' \u001b[?2', '5l\u001b[?25', 'h')).toBe('\u001b[?1049l\u001b[0m')
})
