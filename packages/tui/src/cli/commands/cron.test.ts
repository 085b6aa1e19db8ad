import { expect, test } from 'vitest'
import type { ScheduledRunView, ScheduleView } from '@pilot/server/contract'
import { startFakeServer } from '../../testing/fake-server.ts'
import { runCommand, type RunOptions } from '../../testing/run-command.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }
const run = (name: string, more: Partial<ScheduledRunView> = {}): ScheduledRunView => ({ id: 'r1', platform: 'local', app, type: 'cron', name, by: 'schedule', state: 'done', version: 1, startedAt: new Date().toISOString(), ...more })
const schedule = (name: string, more: Partial<ScheduleView> = {}): ScheduleView => ({ platform: 'local', app, type: 'cron', name, schedule: '0 6 * * *', timeZone: 'UTC', overlap: 'skip', missed: 'skip', what: 'npm run report', ...more })

async function cron(argv: readonly string[], { schedules = [schedule('report'), schedule('database', { type: 'backup' })], runs = [] as ScheduledRunView[], ...options }: RunOptions & { schedules?: ScheduleView[]; runs?: ScheduledRunView[] } = {}) {
  await using server = await startFakeServer({
    schedules: () => ({ schedules }),
    runs: ({ query }: { query: { name?: string } }) => ({ runs: runs.filter(({ name }) => query.name === undefined || name === query.name) }),
    status: () => ({ platforms: [], apps: [{ status: { app, state: 'live', instances: [] }, platform: 'local', actions: {} }], jobs: [], failing: [] }),
  } as never)
  return await runCommand(['cron', ...argv, '-p', 'shop'], { ...options, env: { PILOT_HOME: server.home } })
}
const words = ({ stderr }: { stderr: string }): string => stderr.replace(/\s+/g, ' ')

test.each([[['run', 'repotr']], [['logs', 'repotr']], [['history', 'repotr']]])('cron %j of a job that there is not names those that there are', async (argv) => {
  const refused = await cron(argv)
  expect(refused).toMatchObject({ exit: 2, stdout: '' })
  expect(words(refused)).toContain('There is no cron job repotr. Why There is report. Try `pilot cron`')
})

test('what is scheduled and is no cron job is not run by cron, and says what does', async () => {
  const refused = await cron(['run', 'database'])
  expect(refused.exit).toBe(2)
  expect(words(refused)).toContain('Why database is the scheduled backup. Try `pilot db backup` makes one now.')
})

test('a job that is no longer scheduled keeps its history; one that has not run yet says so', async () => {
  expect((await cron(['history', 'old'], { runs: [run('old', { state: 'failed', exitCode: 3 })] })).stdout).toMatch(/^RUN .*\nr1 +old +just now +failed: exit code 3 /)
  expect((await cron(['history', 'report'])).stdout).toBe('No runs yet.\n')
  expect(words(await cron(['logs', 'report']))).toContain('report has not run yet.')
})
