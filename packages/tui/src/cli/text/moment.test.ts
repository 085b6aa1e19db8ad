import { expect, test } from 'vitest'
import { momentOf } from './moment.ts'

const now = new Date(2026, 10, 22, 15, 30).getTime()
const of = (text: string) => momentOf(text, { option: 'since', now })

test('times as people write them', () => {
  expect(of('10m')).toBe(new Date(now - 600_000).toISOString())
  expect(of('7d')).toBe(new Date(now - 7 * 86_400_000).toISOString())
  expect(of('2026-11-22T10:00')).toBe(new Date(2026, 10, 22, 10).toISOString())
  expect(of('2026-11-22 10:00:05')).toBe(new Date(2026, 10, 22, 10, 0, 5).toISOString())
  expect(of('2026-11-22')).toBe(new Date(2026, 10, 22).toISOString())
  expect(of('9:05')).toBe(new Date(2026, 10, 22, 9, 5).toISOString())
  expect(of('2026-11-22T10:00:05.123456789Z')).toBe('2026-11-22T10:00:05.123Z')
  expect(of('2026-11-22T10:00+02:00')).toBe('2026-11-22T08:00:00.000Z')
})

test.each(['yesterday', '10', '10 minutes', '25:00', '2026-02-30', '2026-13-01', '', '-5m', '22.11.2026'])('%s is refused with the forms that work', (text) => {
  expect(() => of(text)).toThrow(expect.objectContaining({ code: 'USAGE', suggestion: expect.stringContaining('2026-11-22T10:00') }))
})
