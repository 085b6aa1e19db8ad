import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { definition } from '../testing/definition.ts'
import { failure, openWorkplace, ship, shop, sourceOf, types, type Workplace } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { restart, start, stop } from './run-state.ts'
import { appStatus } from './status.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => {
  cloud = await startFakeCloud()
})
afterAll(() => cloud?.stop())

const worker = (...command: readonly string[]) => ({ processes: { worker: command } })

/** What was made and deleted in the cloud, in order: `create worker`, `update traffic`. */
const changes = async ({ cloud }: Workplace): Promise<string[]> =>
  (await cloud.calls()).filter(({ operation, status }) => ['create', 'update', 'delete'].includes(operation) && status === 200).map(({ operation, type }) => `${operation} ${type}`)

test('the release command runs first, then the new version starts, then its workers, then traffic moves, then the old workers end before the old deployment does', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', { ...worker('work'), release: ['migrate'] })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
  const before = (await changes(place)).length
  await ship(place, 'two', { ...worker('work'), release: ['migrate'] })
  const done = (await changes(place)).slice(before)
  expect(done.slice(0, 5)).toEqual(['create task', 'create deployment', 'create worker', 'update traffic', 'delete worker'])
  expect(done.slice(5).sort()).toEqual(['delete deployment', 'delete task'])
})

test('a worker that does not stay up leaves the old version with the traffic and its workers', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker('work'))
  const before = await place.cloud.resources()
  expect(await failure(ship(place, 'two', worker('fail')))).toMatchObject({ code: 'UNHEALTHY', message: 'The worker of v2 stopped by itself' })
  expect(await place.cloud.resources()).toEqual(before)
  expect((await appStatus(place.context, { app: shop })).deployment?.number).toBe(1)
})

test('a release command that fails removes what was staged, and the next attempt runs it again', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker('work'))
  const before = await place.cloud.resources()
  expect(await failure(ship(place, 'two', { ...worker('work'), release: ['fail'] }))).toMatchObject({ code: 'RELEASE_COMMAND_FAILED', message: 'The release command of v2 failed', details: { log: ['it ends'] } })
  expect(await place.cloud.resources()).toEqual(before)
  expect(await failure(ship(place, 'two', { ...worker('work'), release: ['fail'] }))).toMatchObject({ code: 'RELEASE_COMMAND_FAILED' })
  await ship(place, 'two', { ...worker('work'), release: ['migrate'] })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
})

test('rollback and restart do not run the release command, and take their own workers', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', { ...worker('work'), release: ['migrate'] })
  await ship(place, 'two', { release: ['migrate'] })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  const before = (await changes(place)).length
  await rollback(place.context, { app: shop })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
  await restart(place.context, { app: shop })
  await stop(place.context, { app: shop })
  expect(await types(place)).toEqual(['network', 'traffic'])
  await start(place.context, { app: shop })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
  expect((await changes(place)).slice(before)).not.toContain('create task')
})

test('a worker that somebody removed is made again by the next up, although nothing changed', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker('work'))
  const { id } = (await place.cloud.resources()).find(({ type }) => type === 'worker')!
  await place.cloud.remove(id)
  expect((await ship(place, 'one', worker('work'))).changed).toBe(false)
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
})

test('an app of workers alone has no address', async () => {
  await using place = await openWorkplace(cloud)
  const shipped = await ship(place, 'one', { ...worker('work'), instances: 0 })
  expect(shipped.changed).toBe(true)
  expect(shipped).not.toHaveProperty('url')
  expect(await appStatus(place.context, { app: shop })).not.toHaveProperty('url')
})

test('what was deployed without a release has run its command, and is released without running it again; its workers start with the release', async () => {
  await using place = await openWorkplace(cloud)
  const app = { ...worker('work'), release: ['migrate'] }
  await ship(place, 'one', app)
  const before = (await changes(place)).length
  await up(place.context, { app: definition('api', app), source: sourceOf('two'), release: false })
  expect((await changes(place)).slice(before)).toEqual(['create task', 'create deployment'])
  await release(place.context, { app: shop })
  const done = (await changes(place)).slice(before + 2)
  expect(done.slice(0, 3)).toEqual(['create worker', 'update traffic', 'delete worker'])
  expect(done).not.toContain('create task')
})
