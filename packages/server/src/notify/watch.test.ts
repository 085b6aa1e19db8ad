import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { InstanceStatus } from '@pilot/core'
import { emptied, testDatabase, type TestDatabase } from '../testing/database.ts'
import { createWatch, isFull, isInDanger, type Look } from './watch.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
beforeEach(() => emptied(database))
afterAll(() => database[Symbol.asyncDispose]())

const app = { platform: 'local', project: 'shop', environment: 'production', app: 'api' }
const look = (second: number, instances: readonly Partial<InstanceStatus>[], live = ['d1']): Look => ({ app, reading: { atMs: second * 1000, counters: [], live, instances: instances.map((each) => ({ deployment: 'd1', instance: 'a', state: 'running', ...each })) } })
const told = async () => (await database.db.selectFrom('notices').select('body').orderBy('id').execute()).map(({ body }) => [body.event, body.text])

test('an app that stays down is told once, across a restart of the server, and its recovery once', async () => {
  let watch = createWatch({ db: database.db, patienceMs: 60_000 })
  await watch.apps([look(0, [{}])])
  for (const second of [15, 30, 45, 60]) await watch.apps([look(second, [{ state: 'exited', exitCode: 3 }])])
  expect(await told()).toEqual([])
  await watch.apps([look(75, [{ state: 'exited', exitCode: 3 }])])
  await watch.apps([look(90, [{ state: 'exited', exitCode: 3 }])])
  expect(await told()).toEqual([['app.unhealthy', 'a has ended with exit code 3']])
  watch = createWatch({ db: database.db, patienceMs: 60_000 })
  for (const second of [100, 200]) await watch.apps([look(second, [{ state: 'exited' }])])
  expect(await told()).toHaveLength(1)
  for (const second of [215, 230, 260, 275, 290]) await watch.apps([look(second, [{}])])
  expect((await told()).map(([event]) => event)).toEqual(['app.unhealthy', 'app.recovered'])
})

test('one that runs at each look and is started again between them is unhealthy', async () => {
  const watch = createWatch({ db: database.db, patienceMs: 60_000 })
  for (let n = 0; n < 7; n++) await watch.apps([look(n * 15, [{ restarts: n }])])
  expect(await told()).toEqual([['app.unhealthy', 'Its instances end again and again.']])
})

test('a single crash, a release, other deployments, a gap and a site are nothing to tell', async () => {
  const watch = createWatch({ db: database.db, patienceMs: 60_000 })
  await watch.apps([look(0, [{}])])
  await watch.apps([look(15, [{ state: 'exited' }])])
  for (const second of [30, 120]) await watch.apps([look(second, [{ restarts: 1 }, { deployment: 'd0', state: 'exited' }])])
  await watch.apps([{ app, unknown: true }])
  await database.db.insertInto('operations').values({ id: 'op', action: 'up', platform: 'local', apps: '[]', by: 'ada', state: 'running' }).execute()
  await database.db.insertInto('jobs').values({ id: 'op-1', operation: 'op', action: 'up', platform: 'local', scope: 'app/shop/api/production', project: 'shop', environment: 'production', app: 'api', payload: '{}', payload_version: 1, state: 'running', after: '[]' }).execute()
  for (const second of [315, 330, 400]) await watch.apps([look(second, [{ state: 'exited' }])])
  expect(await told()).toEqual([])
  const site = { ...look(0, []).reading! } as { live?: readonly string[] }
  delete site.live
  await watch.apps([{ app: { ...app, app: 'site' }, reading: site as never }])
  await watch.apps([{ app: { ...app, app: 'site' }, reading: { ...site, atMs: 100_000 } as never }])
  expect(await told()).toEqual([])
})

test('an app whose containers somebody removed is unhealthy; one that is stopped is not, and is forgotten', async () => {
  const watch = createWatch({ db: database.db, patienceMs: 60_000 })
  for (const second of [0, 70]) await watch.apps([look(second, [])])
  expect(await told()).toEqual([['app.unhealthy', 'none of its instances is there']])
  await watch.apps([{ app }])
  expect(await database.db.selectFrom('incidents').selectAll().execute()).toEqual([])
  for (const second of [100, 170]) await watch.apps([look(second, [{}])])
  expect(await told()).toHaveLength(1)
})

test('a disk is told when it gets full and when it has room again, with a margin between', async () => {
  const GB = 1024 ** 3
  expect(isFull({ freeBytes: 90 * GB, totalBytes: 1000 * GB }, false)).toBe(false)
  expect(isFull({ freeBytes: 9 * GB, totalBytes: 100 * GB }, false)).toBe(true)
  expect(isFull({ freeBytes: 11 * GB, totalBytes: 100 * GB }, false)).toBe(false)
  expect(isFull({ freeBytes: 11 * GB, totalBytes: 100 * GB }, true)).toBe(true)
  expect(isFull({ freeBytes: 1 * GB, totalBytes: 4 * GB }, false)).toBe(true)
  const watch = createWatch({ db: database.db })
  const disk = (free: number) => watch.disks([{ platform: 'local', title: 'Pilot', path: '/home', freeBytes: free * GB, totalBytes: 100 * GB }])
  for (const free of [30, 9, 8, 11, 9, 20, 20]) await disk(free)
  expect((await told()).map(([event]) => event)).toEqual(['disk.full', 'disk.recovered'])
})

test('a certificate is told when it expired, cannot be had, or its renewal is overdue', async () => {
  const day = 24 * 3600_000
  const now = Date.parse('2026-03-01T00:00:00Z')
  const at = (days: number) => new Date(now + days * day).toISOString()
  expect(isInDanger({ state: 'valid', notAfter: at(30), renewAt: at(0) }, now)).toBe(false)
  expect(isInDanger({ state: 'failing', notAfter: at(10), renewAt: at(-20) }, now)).toBe(true)
  expect(isInDanger({ state: 'expired', notAfter: at(-1) }, now)).toBe(true)
  expect(isInDanger({ state: 'missing' }, now)).toBe(false)
  const watch = createWatch({ db: database.db })
  const certificate = { platform: 'local', domain: 'shop.test', app: { project: 'shop', app: 'api', environment: 'production' }, issuer: 'local' }
  const error = { code: 'TIMED_OUT' as const, message: 'The authority did not answer', suggestion: 'Try later.' }
  await watch.certificates([{ ...certificate, state: 'missing', error }])
  await watch.certificates([{ ...certificate, state: 'missing', error }])
  await watch.certificates([{ ...certificate, state: 'valid', notAfter: new Date(Date.now() + 90 * day).toISOString() }])
  expect(await told()).toEqual([['certificate.expiring', 'The authority did not answer'], ['certificate.renewed', undefined]])
  // A domain that is given up has nothing to recover from.
  await watch.certificates([{ ...certificate, state: 'missing', error }])
  await watch.certificates([], { isAll: false })
  expect(await database.db.selectFrom('incidents').selectAll().execute()).toHaveLength(1)
  await watch.certificates([], { isAll: true })
  expect(await database.db.selectFrom('incidents').selectAll().execute()).toEqual([])
  expect(await told()).toHaveLength(3)
})

test('one that ends every 20 seconds is unhealthy, although not between any two looks', async () => {
  const watch = createWatch({ db: database.db, patienceMs: 60_000 })
  for (let second = 0; second <= 150; second += 15) await watch.apps([look(second, [{ restarts: Math.floor(second / 20) }])])
  expect(await told()).toEqual([['app.unhealthy', 'Its instances end again and again.']])
  for (let second = 165; second <= 225; second += 15) await watch.apps([look(second, [{ restarts: 7 }])])
  expect((await told()).map(([event]) => event)).toEqual(['app.unhealthy', 'app.recovered'])
})

test('the disk of a platform that was removed is no open incident for one that comes after it', async () => {
  const watch = createWatch({ db: database.db })
  const disk = { platform: 'local', path: '/', title: 'this home', freeBytes: 1, totalBytes: 2 }
  await watch.disks([disk])
  await watch.disks([], { isAll: false })
  await watch.disks([disk])
  expect(await told()).toHaveLength(1)
  await watch.disks([], { isAll: true })
  await watch.disks([disk])
  expect((await told()).map(([event]) => event)).toEqual(['disk.full', 'disk.full'])
})
