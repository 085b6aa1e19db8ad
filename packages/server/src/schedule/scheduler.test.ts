import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AppDefinition, CronJob } from '@pilot/core'
import { openNotifications } from '../db/notifications.ts'
import { silentLog } from '../log.ts'
import { fakeClock, type FakeClock } from '../testing/fake-clock.ts'
import { interrupted, letWaitingGo, waiting } from '../testing/fake-provider.ts'
import { findOptionsOf } from '../testing/find-options.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'
import { startScheduler } from './scheduler.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }
const job = (more: Partial<CronJob> = {}): CronJob => ({ schedule: '0 * * * *', timeZone: 'UTC', command: ['exit', '0'], overlap: 'skip', missed: 'skip', timeoutMs: 60_000, ...more })
const day = '2026-03-02T'

let server: TestServer
let clock: FakeClock
beforeEach(async () => {
  clock = fakeClock(`${day}09:30:00Z`)
  interrupted.length = 0
  waiting.length = 0
  server = await testServer({ clock })
  await server.setup()
})
afterEach(() => server[Symbol.asyncDispose]())

const up = async (cron: Record<string, CronJob>, more: Partial<AppDefinition> = {}) => {
  const done = await server.run(await upRequest(server.client, [definition('api', { env: { LOG_LEVEL: 'info' }, cron, ...more })]))
  if (done.state !== 'done') throw new Error(JSON.stringify(done.error))
  // The scheduler has seen what is live now.
  await until(async () => (await server.database.db.selectFrom('schedules_seen').select('name').execute()).map(({ name }) => name).sort().join() === Object.keys(cron).sort().join())
  await clock.isAsleep()
}
const runs = async (name = 'report') => (await server.client.request('runs', { params: app, query: { name } })).runs
const ended = async (count: number, name?: string) => {
  await until(async () => (await runs(name)).filter(({ state }) => state !== 'running').length >= count)
  return runs(name)
}
async function until(is: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await is()); waited += 20) {
    if (waited > 20_000) throw new Error('never')
    await sleep(20)
  }
}

test('a job runs at its time, once, with its output and exit code kept, and its failure in the activity', async () => {
  await up({ report: job({ command: ['exit', '3'] }), later: job({ schedule: '0 12 * * *' }) })
  clock.set(`${day}10:00:00Z`)
  const [run] = await ended(1)
  expect(run).toMatchObject({ state: 'failed', exitCode: 3, dueAt: `${day}10:00:00.000Z`, by: 'schedule', version: 1 })
  let log = ''
  for await (const { text } of server.client.runLog({ app, run: run!.id })) log += text
  expect(log).toBe('exit 3 info\n\uFFFD\n')
  clock.set(`${day}10:00:59Z`)
  await clock.isAsleep()
  expect(await runs()).toHaveLength(1)
  expect(await runs('later')).toEqual([])
  const { schedules } = await server.client.request('schedules', { query: { project: 'shop' } })
  expect(schedules).toMatchObject([
    { name: 'report', type: 'cron', schedule: '0 * * * *', what: 'exit 3', next: `${day}11:00:00.000Z`, last: { state: 'failed' } },
    { name: 'later', next: `${day}12:00:00.000Z` },
  ])
  const { rows } = { rows: await server.database.db.selectFrom('events').select('body').where('stream', '=', 'activity').execute() }
  expect(rows.map(({ body }) => body['text'])).toContain('report of shop/api failed: exit code 3')
})

test('the runs of an app go with it, and are none of the app that takes its name', async () => {
  await up({ report: job({ command: ['exit', '3'] }) })
  clock.set(`${day}10:00:00Z`)
  const { id } = (await ended(1))[0]!
  const log = join(server.home.paths.logs, 'runs', `${id}.log`)
  expect(await readFile(log, 'utf8')).toContain('exit 3')
  expect((await server.run({ action: 'destroy-app', app, deleteData: true })).state).toBe('done')
  expect(await runs()).toEqual([])
  await expect(readFile(log)).rejects.toMatchObject({ code: 'ENOENT' })
  await up({ report: job({ command: ['exit', '3'] }) })
  expect((await server.client.request('status', { query: {} })).failing).toEqual([])
})

test('two servers on one database: a time runs once', async () => {
  await up({ report: job() })
  const notifications = await openNotifications(server.database.address)
  const other = startScheduler({ db: server.database.db, notifications, logs: server.home.paths.logs, log: silentLog, clock, ...findOptionsOf(server) })
  await until(async () => (await other.list()).length === 1)
  for (const hour of ['10', '11', '12', '13']) {
    clock.set(`${day}${hour}:00:00Z`)
    await until(async () => (await runs()).some(({ dueAt, state }) => dueAt === `${day}${hour}:00:00.000Z` && state === 'done'))
  }
  await other.stop()
  await notifications.close()
  expect(await runs()).toHaveLength(4)
  expect(new Set((await runs()).map(({ state }) => state))).toEqual(new Set(['done']))
})

test('a time at which the platform cannot be read is not lost: the job runs as soon as it can', async () => {
  await up({ report: job() })
  const own = fakeClock(`${day}09:55:00Z`)
  const find = findOptionsOf(server)
  let isAway = false
  const platforms = { ...find.platforms, reader: (...call: Parameters<typeof find.platforms.reader>) => (isAway ? Promise.reject(new Error('The disk is away')) : find.platforms.reader(...call)) }
  const notifications = await openNotifications(server.database.address)
  const other = startScheduler({ db: server.database.db, notifications, logs: server.home.paths.logs, log: silentLog, clock: own, ...find, platforms })
  try {
    await own.isAsleep()
    // Right at the time, and for the whole look at what is live.
    for (const [time, again] of [['10:00:00', '10:01:00'], ['11:00:00', '11:01:00']]) {
      isAway = true
      own.set(`${day}${time}Z`)
      await own.isAsleep()
      isAway = false
      own.set(`${day}${again}Z`)
      await until(async () => (await runs()).some(({ dueAt, state }) => dueAt === `${day}${time}.000Z` && state === 'done'))
      await own.isAsleep()
    }
    expect(await runs()).toHaveLength(2)
  } finally {
    await other.stop()
    await notifications.close()
  }
})

test('what is live decides: a release changes the next run, a rollback brings the old one back, a stopped app runs none', async () => {
  await up({ report: job({ command: ['exit', '0'] }) })
  await up({ report: job({ command: ['exit', '5'] }) })
  clock.set(`${day}10:00:00Z`)
  expect((await ended(1))[0]).toMatchObject({ exitCode: 5, version: 2 })
  await server.run({ action: 'rollback', app })
  await clock.isAsleep()
  clock.set(`${day}11:00:00Z`)
  expect((await ended(2))[0]).toMatchObject({ state: 'done', version: 1 })
  await server.run({ action: 'stop', app })
  await until(async () => (await server.database.db.selectFrom('schedules_seen').selectAll().execute()).length === 0)
  clock.set(`${day}12:00:00Z`)
  await clock.isAsleep()
  expect(await runs()).toHaveLength(2)
  expect((await server.client.request('schedules', {})).schedules).toEqual([])
  await server.run({ action: 'start', app })
  await until(async () => (await server.database.db.selectFrom('schedules_seen').selectAll().execute()).length === 1)
  await clock.isAsleep()
  clock.set(`${day}13:00:00Z`)
  expect((await ended(3))[0]).toMatchObject({ state: 'done', dueAt: `${day}13:00:00.000Z` })
})

test('a long run holds nobody up, and ends when its app is stopped', async () => {
  await up({ report: job({ command: ['wait', 'long'] }) })
  clock.set(`${day}10:00:00Z`)
  await until(async () => waiting.length === 1)
  expect((await server.run({ action: 'restart', app })).state).toBe('done')
  expect((await runs())[0]).toMatchObject({ state: 'running', version: 1 })
  clock.set(`${day}11:00:00Z`)
  expect((await ended(1))[0]).toMatchObject({ state: 'skipped', dueAt: `${day}11:00:00.000Z` })
  await expect(server.client.command('runCron', { ...app, name: 'report' }, { body: {}, output: () => {} })).rejects.toMatchObject({ code: 'NOT_ALLOWED_NOW' })
  await server.run({ action: 'stop', app })
  await ended(2)
  expect((await runs())[1]).toMatchObject({ state: 'cancelled', error: { message: 'shop/api was stopped' } })
  expect(interrupted).toEqual(['wait long'])
})

test('overlap: allow runs both, replace ends the earlier one first', async () => {
  await up({ both: job({ command: ['wait', 'both'], overlap: 'allow' }), newest: job({ command: ['wait', 'newest'], overlap: 'replace' }) })
  clock.set(`${day}10:00:00Z`)
  await until(async () => waiting.length === 2)
  clock.set(`${day}11:00:00Z`)
  await until(async () => waiting.length === 4)
  expect((await runs('both')).map(({ state }) => state)).toEqual(['running', 'running'])
  expect((await runs('newest')).map(({ state }) => state)).toEqual(['running', 'replaced'])
  expect(interrupted).toEqual(['wait newest'])
})

test('times that passed while no server ran are not made up, or once for all of them', async () => {
  await up({ skipped: job({ schedule: '*/5 * * * *' }), caught: job({ schedule: '*/5 * * * *', missed: 'once' }) })
  await server.server().stop()
  clock.set(`${day}15:03:00Z`)
  await server.restart()
  await ended(1, 'caught')
  expect((await runs('caught')).map(({ dueAt, state }) => [dueAt, state])).toEqual([[`${day}15:00:00.000Z`, 'done']])
  await ended(1, 'skipped')
  expect((await runs('skipped')).map(({ dueAt, state }) => [dueAt, state])).toEqual([[`${day}15:00:00.000Z`, 'missed']])
  // A server that is back within a moment has missed nothing.
  await server.server().stop()
  clock.set(`${day}15:05:20Z`)
  await server.restart()
  await ended(2, 'skipped')
  expect((await runs('skipped'))[0]).toMatchObject({ dueAt: `${day}15:05:00.000Z`, state: 'done' })
})

test('a clock that goes back runs no time twice, and one that was wrong by a year keeps nothing waiting', async () => {
  await up({ report: job() })
  clock.set(`${day}10:00:00Z`)
  await ended(1)
  clock.set(`${day}09:59:00Z`)
  await server.restart()
  await clock.isAsleep()
  clock.set(`${day}10:00:00Z`)
  await clock.isAsleep()
  expect(await runs()).toHaveLength(1)
  clock.set('2027-03-02T10:00:00Z')
  await ended(2)
  clock.set(`${day}10:30:00Z`)
  await server.restart()
  await clock.isAsleep()
  clock.set(`${day}11:00:00Z`)
  await until(async () => (await runs()).some(({ dueAt, state }) => dueAt === `${day}11:00:00.000Z` && state === 'done'))
})

test('a server that stops ends its runs as interrupted, and does not run them again', async () => {
  await up({ report: job({ command: ['wait', 'here'], missed: 'once' }) })
  clock.set(`${day}10:00:00Z`)
  await until(async () => waiting.length === 1)
  await server.restart()
  await clock.isAsleep()
  expect((await runs()).map(({ state }) => state)).toEqual(['interrupted'])
  letWaitingGo(Promise.resolve())
  clock.set(`${day}11:00:00Z`)
  await ended(2)
  expect((await runs())[0]).toMatchObject({ state: 'done', dueAt: `${day}11:00:00.000Z` })
  letWaitingGo(new Promise(() => {}))
})

test('a scheduler that is killed in the middle of a run: another one records it as interrupted, and its time is not run again', async () => {
  await up({ report: job({ command: ['wait', 'elsewhere'], missed: 'once' }) })
  const child = spawn(process.execPath, ['--conditions=@pilot/source', join(import.meta.dirname, '../testing/scheduler-process.ts')], {
    env: { ...process.env, PILOT_TEST_SCHEDULER: JSON.stringify({ home: server.home.dir, database: server.database.address, now: `${day}09:59:55Z` }) },
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const gone = new Promise((resolve) => child.once('close', resolve))
  try {
    await until(async () => (await runs()).some(({ state }) => state === 'running'))
    const log = join(server.home.paths.logs, 'runs', `${(await runs())[0]!.id}.log`)
    await until(async () => (await readFile(log, 'utf8').catch(() => '')).includes('wait elsewhere'))
  } finally {
    child.kill('SIGKILL')
    await gone
  }
  clock.set(`${day}10:01:00Z`)
  expect((await ended(1)).map(({ dueAt, state }) => [dueAt, state])).toEqual([[`${day}10:00:00.000Z`, 'interrupted']])
  await clock.isAsleep()
  expect(await runs()).toHaveLength(1)
})

test('a job by hand is told what it prints and how it ends, keeps both, and ends with who asked', async () => {
  await up({ report: job({ command: ['exit', '4'] }), hang: job({ command: ['wait', 'hand'] }) })
  const seen: string[] = []
  const output = (_: string, data: Uint8Array): void => void seen.push(Buffer.from(data).toString('latin1'))
  expect(await server.client.command('runCron', { ...app, name: 'report' }, { body: {}, output })).toBe(4)
  expect(seen.join('')).toBe('exit 4 info\n\xff\n')
  expect((await runs())[0]).toMatchObject({ state: 'failed', exitCode: 4, by: 'ada@test' })
  const stop = new AbortController()
  const running = server.client.command('runCron', { ...app, name: 'hang' }, { body: {}, output, signal: stop.signal }).catch(() => 'left')
  await until(async () => waiting.length === 1)
  stop.abort()
  await running
  expect((await ended(1, 'hang'))[0]).toMatchObject({ state: 'cancelled' })
  await expect(server.client.command('runCron', { ...app, name: 'nope' }, { body: {}, output })).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'shop/api has no cron job nope', reason: 'It has report, hang.' })
})

test('a run that takes too long is ended, and what it printed holds no secret', async () => {
  await up({ report: job({ command: ['wait', 'tick'], timeoutMs: 1 }) })
  clock.set(`${day}10:00:00Z`)
  expect((await ended(1))[0]).toMatchObject({ state: 'failed', error: { code: 'TIMED_OUT' } })
  await server.client.request('putSecrets', { params: app, body: { values: { TOKEN: 'swordfish-77' } } })
  await up({ report: job({ command: ['exit', '0', 'swordfish-77'] }) })
  clock.set(`${day}11:00:00Z`)
  await ended(2)
  const folder = join(server.home.paths.logs, 'runs')
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')))
  expect(texts.join()).toContain('exit 0 [redacted]')
  expect(texts.join()).not.toContain('swordfish')
})
