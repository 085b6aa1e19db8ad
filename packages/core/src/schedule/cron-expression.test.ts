import { expect, test } from 'vitest'
import { isTimeZone, lastTime, nextTime, scheduleProblem } from './cron-expression.ts'

const times = (schedule: string, timeZone: string, from: string, count: number): readonly string[] => {
  const found: string[] = []
  for (let at: Date | undefined = new Date(from); found.length < count; ) {
    at = nextTime({ schedule, timeZone }, at)
    if (at === undefined) break
    found.push(at.toISOString().slice(5, 16))
  }
  return found
}

test('a fixed time is the wall clock of its zone, in summer and in winter', () => {
  expect(times('0 6 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual(['03-29T04:00', '03-30T04:00'])
  expect(times('0 6 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual(['10-25T05:00', '10-26T05:00'])
  expect(times('0 6 * * *', 'UTC', '2026-03-28T12:00:00Z', 1)).toEqual(['03-29T06:00'])
})

test('a fixed time that the clock leaves out comes right after the gap, once, and the day is not lost', () => {
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual(['03-29T01:00', '03-30T00:30'])
  expect(times('30 2,14 * * *', 'America/New_York', '2026-03-08T00:00:00Z', 3)).toEqual(['03-08T07:00', '03-08T18:30', '03-09T06:30'])
  // Half an hour of a gap, and one at midnight.
  expect(times('15 2 * * *', 'Australia/Lord_Howe', '2026-10-03T00:00:00Z', 2)).toEqual(['10-03T15:30', '10-04T15:15'])
  expect(times('0 0 * * *', 'Africa/Cairo', '2026-04-23T12:00:00Z', 2)).toEqual(['04-23T22:00', '04-24T21:00'])
})

test('a fixed time that the clock repeats comes once, at the first', () => {
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual(['10-25T00:30', '10-26T01:30'])
  // Looked at between the two: still not again.
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:45:00Z', 1)).toEqual(['10-26T01:30'])
})

test('what has a star or a step goes on as time passes, through gap and repetition', () => {
  expect(times('0 * * * *', 'Europe/Berlin', '2026-03-28T23:30:00Z', 3)).toEqual(['03-29T00:00', '03-29T01:00', '03-29T02:00'])
  expect(times('0 * * * *', 'Europe/Berlin', '2026-10-24T23:30:00Z', 4)).toEqual(['10-25T00:00', '10-25T01:00', '10-25T02:00', '10-25T03:00'])
  expect(times('*/20 * * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z', 4)).toEqual(['10-25T00:40', '10-25T01:00', '10-25T01:20', '10-25T01:40'])
})

test('the last time is found without counting up to it, the moment itself included', () => {
  const every = { schedule: '* * * * *', timeZone: 'UTC' }
  const at = (text: string) => new Date(`2026-05-01T${text}Z`)
  expect(lastTime(every, { since: new Date('2020-01-01T00:00:00Z'), at: at('10:00:30') })).toEqual(at('10:00:00'))
  expect(lastTime(every, { since: at('09:59:00'), at: at('10:00:00') })).toEqual(at('10:00:00'))
  expect(lastTime(every, { since: at('10:00:00'), at: at('10:00:59') })).toBeUndefined()
})

test('an expression that is wrong, or that never comes, says why', () => {
  expect(scheduleProblem('0 6 * * MON-FRI')).toBeUndefined()
  expect(scheduleProblem('@daily')).toBeUndefined()
  expect(scheduleProblem('61 * * * *')).toBe('invalid value for minute: 61')
  expect(scheduleProblem('0 0 30 2 *')).toBe('it never comes')
  for (const other of ['* * * * * *', '2026-01-01T00:00:00', '@reboot', '', 'every day at noon please now']) expect(scheduleProblem(other), other).toBeDefined()
})

test('time zones are names, not offsets', () => {
  expect(['UTC', 'Europe/Berlin', 'America/New_York'].filter((zone) => !isTimeZone(zone))).toEqual([])
  expect(['Mars/Base', '+02:00', '', 'Europe/'].filter(isTimeZone)).toEqual([])
})
