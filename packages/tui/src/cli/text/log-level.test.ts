import { expect, test } from 'vitest'
import { isAtLeast, levelOf } from './log-level.ts'

test.each([
  ['{"level":50,"msg":"no database"}', 'error'],
  ['{"severity":"WARNING","message":"slow"}', 'warn'],
  ['{"level":"nonsense"}', undefined],
  ['{"level":"info"', undefined],
  ['2026-01-01 12:00:00 ERROR no database', 'error'],
  ['[warn] slow', 'warn'],
  ['level=debug msg="cache miss"', 'debug'],
  ['time=x lvl="error" msg=y', 'error'],
  ['an error occurred', undefined],
  ['GET /errors/ERROR-1 200', 'error'],
  ['', undefined],
])('%s is %s', (line, level) => {
  expect(levelOf(line)).toBe(level)
})

test('what does not say its level counts as info', () => {
  expect(isAtLeast('listening', 'info')).toBe(true)
  expect(isAtLeast('listening', 'warn')).toBe(false)
  expect(isAtLeast('[debug] x', 'info')).toBe(false)
})
