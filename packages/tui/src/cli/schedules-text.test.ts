import { expect, test } from 'vitest'
import type { ScheduledRunView } from '@pilot/server/contract'
import { createStyle } from './text/style.ts'
import { runsText } from './runs-text.ts'
import { nextText, schedulesText } from './schedules-text.ts'

const style = createStyle({ color: false, unicode: true })
const now = Date.parse('2026-03-02T09:30:00Z')
const app = { project: 'shop', app: 'api', environment: 'production' }
const run = (more: Partial<ScheduledRunView>): ScheduledRunView => ({ id: 'k3v9x2mqpa', platform: 'local', app, type: 'cron', name: 'report', by: 'schedule', state: 'done', version: 3, startedAt: '2026-03-02T06:00:01Z', finishedAt: '2026-03-02T06:01:06Z', dueAt: '2026-03-02T06:00:00Z', ...more })

test('the next run in words', () => {
  expect(nextText(undefined, now)).toBe('never')
  expect(nextText('2026-03-02T09:30:20Z', now)).toBe('in a minute')
  expect(nextText('2026-03-02T09:45:00Z', now)).toMatch(/^in 15 minutes, \d\d:45$/)
  expect(nextText('2026-03-02T12:30:00Z', now)).toMatch(/^in 3 hours, \d\d:30$/)
  expect(nextText('2026-03-05T09:30:00Z', now)).toMatch(/^in 3 days, \w{3} \d Mar \d\d:30$/)
})

test('schedules with their last run, and the runs', async () => {
  const schedule = { platform: 'local', app, type: 'cron', name: 'report', schedule: '0 6 * * *', timeZone: 'UTC', overlap: 'skip' as const, missed: 'skip' as const, what: 'npm run report' }
  const columns = (text: string): string[][] => text.split('\n').map((line) => line.split(/ {2,}/))
  const text = await schedulesText([{ ...schedule, next: '2026-03-02T09:45:00Z', last: run({}) }, { ...schedule, name: 'clean', last: run({ state: 'failed', exitCode: 3 }) }, { ...schedule, name: 'new' }], { style, now })
  expect(columns(text).map((row) => row.toSpliced(3, 1))).toEqual([
    ['NAME', 'SCHEDULE', 'TIME ZONE', 'LAST', 'TOOK', 'RUNS'],
    ['report', '0 6 * * *', 'UTC', 'done, 3 hours ago', '1 min 05 s', 'npm run report'],
    ['clean', '0 6 * * *', 'UTC', 'failed: exit code 3, 3 hours ago', '1 min 05 s', 'npm run report'],
    ['new', '0 6 * * *', 'UTC', 'not yet', 'npm run report'],
  ])
  expect(await schedulesText([], { style, now })).toMatch('cron:')
  expect(columns(await runsText([run({ state: 'missed' })], { style, now }))[1]).toEqual(['k3v9x2mqpa', 'report', '3 hours ago', 'missed', 'v3', 'schedule'])
})
