import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Backup, BackupSchedule } from '@pilot/core'
import { fakeClock, type FakeClock } from '../testing/fake-clock.ts'
import { fakeDatabases } from '../testing/fake-databases.ts'
import { definition, eventsOf, finished, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }
const day = '2026-03-02T'

let server: TestServer
let clock: FakeClock
beforeEach(async () => {
  Object.assign(fakeDatabases, { failBackup: undefined, failRemove: undefined })
  fakeDatabases.backups.length = 0
  fakeDatabases.restored.length = 0
  clock = fakeClock(`${day}02:30:00Z`)
  server = await testServer({ clock })
  await server.setup()
})
afterEach(() => server[Symbol.asyncDispose]())

const up = async (backup?: BackupSchedule) => {
  const { state, error } = await server.run(await upRequest(server.client, [definition('api', { database: { own: true, ...(backup ? { backup } : {}) } })]))
  if (state !== 'done') throw new Error(JSON.stringify(error))
  await until(async () => (await server.database.db.selectFrom('schedules_seen').select('name').execute()).length === (backup ? 1 : 0))
  await clock.isAsleep()
}
const runs = async () => (await server.client.request('runs', { params: app, query: { type: 'backup' } })).runs
const made = async (): Promise<readonly Backup[]> => (await server.client.request('backups', { params: app, query: {} })).backups
async function until(is: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await is()); waited += 20) {
    if (waited > 20_000) throw new Error('never')
    await sleep(20)
  }
}
const at = async (time: string) => {
  clock.set(time)
  await until(async () => (await runs()).some(({ dueAt, state }) => dueAt === new Date(time).toISOString() && state !== 'running'))
}

test('backup and restore are jobs: their results are in the operation, a second restore is another one', async () => {
  await up()
  const first = await server.run({ action: 'backup', app })
  expect(first).toMatchObject({ state: 'done', jobs: [{ action: 'backup', result: { backup: { by: 'ada@test', version: 'v1' } } }] })
  const [backup] = await made()
  expect(backup!.id).toContain(first.id)
  expect(backup).not.toHaveProperty('scheduled')
  expect(await server.run({ action: 'restore', app, backup: backup!.id })).toMatchObject({ state: 'done', jobs: [{ result: { kept: 'api_before' } }] })
  expect(await server.run({ action: 'restore', app, backup: { undo: true } })).toMatchObject({ state: 'done' })
  expect(fakeDatabases.restored).toEqual([backup!.id, 'undo'])
  expect(await server.run({ action: 'restore', app, backup: '20260101-nope' })).toMatchObject({ state: 'failed', error: { code: 'NOT_FOUND' } })
  fakeDatabases.failBackup = 'the disk is full'
  expect(await server.run({ action: 'backup', app })).toMatchObject({ state: 'failed', error: { code: 'DISK_FULL' } })
})

test('a scheduled backup is an operation; the newest of them stay, and those made by hand do', async () => {
  await up({ schedule: '0 3 * * *', timeZone: 'UTC', keep: 2 })
  await server.run({ action: 'backup', app })
  for (const date of ['02', '03', '04']) await at(`2026-03-${date}T03:00:00Z`)
  const [newest] = await runs()
  expect(newest).toMatchObject({ state: 'done', by: 'schedule', name: 'database' })
  expect(await finished(server.client, newest!.operation!)).toMatchObject({ action: 'backup', by: 'schedule', state: 'done' })
  expect((await made()).map(({ by, scheduled }) => [by, scheduled])).toEqual([['schedule', true], ['schedule', true], ['ada@test', undefined]])
  const { jobs } = await server.client.request('jobs', { query: { app: 'api', project: 'shop' } })
  expect(jobs.filter(({ by, action }) => by === 'schedule' && action === 'backup')).toHaveLength(3)
})

test('one that fails deletes nothing and shows in status until the next one works; one that could not tidy up is made all the same', async () => {
  await up({ schedule: '0 3 * * *', timeZone: 'UTC', keep: 1 })
  await at('2026-03-02T03:00:00Z')
  fakeDatabases.failBackup = 'the disk is full'
  await at('2026-03-03T03:00:00Z')
  expect(await made()).toHaveLength(1)
  expect((await server.client.request('status', { query: {} })).failing).toMatchObject([{ type: 'backup', state: 'failed', error: { message: 'the disk is full' } }])
  Object.assign(fakeDatabases, { failBackup: undefined, failRemove: 'nothing can be deleted' })
  await at('2026-03-04T03:00:00Z')
  const [last] = await runs()
  expect(last!.state).toBe('done')
  const texts = (await eventsOf(server.client, last!.operation!)).map((event) => ('text' in event ? event.text : ''))
  expect(texts.join()).toContain('older ones could not be deleted: nothing can be deleted')
  expect((await server.client.request('status', { query: {} })).failing).toEqual([])
  fakeDatabases.failRemove = undefined
  await at('2026-03-05T03:00:00Z')
  expect(await made()).toHaveLength(1)
})

test('a night that the server slept through is made up for once, and a server that dies after asking loses nothing', async () => {
  await up({ schedule: '0 3 * * *', timeZone: 'UTC', keep: 7 })
  await server.server().stop()
  clock.set('2026-03-05T09:00:00Z')
  await server.restart()
  await until(async () => (await runs()).some(({ state }) => state === 'done'))
  expect((await runs()).map(({ dueAt, state }) => [dueAt, state])).toEqual([['2026-03-05T03:00:00.000Z', 'done']])
  // As after a death between asking for the operation and saying so: the operation is found by its request.
  const [run] = await runs()
  await server.database.db.updateTable('schedule_runs').set({ state: 'running', operation: null, runner: null, finished_at: null }).where('id', '=', run!.id).execute()
  await server.restart()
  await until(async () => (await runs())[0]!.state === 'done')
  expect((await runs())[0]!.operation).toBe(run!.operation)
})

test('a backup can be deleted, whoever made it; one that is not there is said to be so', async () => {
  await up()
  await server.run({ action: 'backup', app })
  const [backup] = await made()
  await server.client.request('deleteBackup', { params: { ...app, backup: backup!.id }, query: {} })
  expect(await made()).toEqual([])
  await expect(server.client.request('deleteBackup', { params: { ...app, backup: backup!.id }, query: {} })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
