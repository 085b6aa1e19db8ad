import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { configure } from './configure.ts'
import { failure, openWorkplace, ship, shop, types, withoutReleases, type Workplace } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { restart, start, stop } from './run-state.ts'
import { scale } from './scale.ts'
import { appStatus, listReleases } from './status.ts'

let cloud: FakeCloud
beforeAll(async () => {
  cloud = await startFakeCloud()
})
afterAll(() => cloud?.stop())

const worker = { processes: { worker: ['work'] } }
const counts = async ({ context }: Workplace) => (await appStatus(context, { app: shop })).scale
const version = async ({ context }: Workplace) => (await appStatus(context, { app: shop })).deployment!.number

test('other counts are a release of the same artifact and configuration, without a build and without the release command', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', { ...worker, release: ['migrate'] })
  expect(await counts(place)).toEqual({ web: 1, worker: 1 })
  const before = (await place.cloud.calls()).length
  expect(await scale(place.context, { app: shop, counts: { web: 3, worker: 2 } })).toMatchObject({ kind: 'scale', number: 2 })
  expect(await counts(place)).toEqual({ web: 3, worker: 2 })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker', 'worker'])
  expect((await place.cloud.resources()).find(({ type }) => type === 'deployment')!.properties).toMatchObject({ instances: 3 })
  expect((await place.cloud.calls()).slice(before).map(({ operation, type }) => `${operation} ${type}`)).not.toContain('create task')
  const { deployments } = await listReleases(place.context, { app: shop })
  expect(new Set(deployments.map(({ artifact, configuration }) => `${artifact.digest} ${configuration}`)).size).toBe(1)
})

test('all instances together keep as much of their logs as a single one', async () => {
  await using place = await openWorkplace(cloud)
  const { provider } = place.context
  const shares = new Set<number | undefined>()
  const compute = provider.compute['container']!
  const seen = {
    ...compute,
    deployment: (spec: Parameters<typeof compute.deployment>[0]) => (shares.add(spec.logShare), compute.deployment(spec)),
    worker: (spec: Parameters<NonNullable<typeof compute.worker>>[0]) => (shares.add(spec.logShare), compute.worker!(spec)),
  }
  const context = { ...place.context, provider: { ...provider, compute: { ...provider.compute, container: seen } } }
  await ship({ ...place, context }, 'one', worker)
  expect([...shares]).toEqual([0.5])
  shares.clear()
  await scale(context, { app: shop, counts: { web: 3, worker: 2 } })
  expect([...shares]).toContain(0.2)
})

test('a process may be scaled to none, and back', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(place.context, { app: shop, counts: { worker: 0 } })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  expect(await counts(place)).toEqual({ web: 1, worker: 0 })
  await scale(place.context, { app: shop, counts: { worker: 1 } })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
})

test('what runs so already makes no new release', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(place.context, { app: shop, counts: { web: 2 } })
  expect((await scale(place.context, { app: shop, counts: { web: 2, worker: 1 } })).number).toBe(2)
})

test('lasts over up, env set, restart, stop and start, over the manifest with a notice', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(place.context, { app: shop, counts: { web: 3, worker: 2 } })
  await ship(place, 'two', { ...worker, instances: 2 })
  expect(place.events).toContainEqual({ type: 'notice', app: 'api', level: 'info', text: '`scale` decides on instances, over the manifest: web=3 worker=2.' })
  await configure(place.context, { app: shop, set: { A: '1' }, unset: [] })
  await restart(place.context, { app: shop })
  await stop(place.context, { app: shop })
  await start(place.context, { app: shop })
  expect(await counts(place)).toEqual({ web: 3, worker: 2 })
  expect((await ship(place, 'two', { ...worker, instances: 2 })).changed).toBe(false)
})

test('a number that the manifest has too lets the manifest decide again', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(place.context, { app: shop, counts: { web: 3 } })
  await scale(place.context, { app: shop, counts: { web: 1 } })
  await ship(place, 'one', { ...worker, instances: 2 })
  expect(await counts(place)).toEqual({ web: 2, worker: 1 })
})

test('a process that the manifest no longer has takes its number with it', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(place.context, { app: shop, counts: { web: 2, worker: 3 } })
  await ship(place, 'one')
  expect(await counts(place)).toEqual({ web: 2 })
})

test('a rollback goes to the version before, in the numbers of today', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await ship(place, 'two', worker)
  await scale(place.context, { app: shop, counts: { web: 3 } })
  await rollback(place.context, { app: shop })
  const { releases, deployments } = await listReleases(place.context, { app: shop })
  const live = deployments.find(({ id }) => id === releases.at(-1)!.deployment)!
  expect(live.artifact.digest).toBe(deployments[0]!.artifact.digest)
  expect(await counts(place)).toEqual({ web: 3, worker: 1 })
  expect(place.events).toContainEqual(expect.objectContaining({ type: 'notice', text: 'Instances stay as they are now: v1 ran in other numbers.' }))
})

test('a rollback or a release to what differs in its numbers alone says that it runs', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(place.context, { app: shop, counts: { web: 3 } })
  expect(await failure(rollback(place.context, { app: shop, to: 1 }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', reason: 'v2 is the same with other numbers of instances.' })
  expect(await failure(rollback(place.context, { app: shop }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: expect.stringContaining('no earlier release'), reason: expect.stringContaining('other numbers of instances are no version'), suggestion: expect.stringContaining('rollback vN') })
  expect((await release(place.context, { app: shop, deployment: 1 })).number).toBe(2)
  expect(await version(place)).toBe(2)
})

test('numbers that did not become healthy are gone: nothing changed, and the next up does not try them', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  const before = await place.cloud.resources()
  await place.cloud.configure({ faults: [{ operation: 'create', type: 'deployment', action: 'deny', moment: 'before' }] })
  await failure(scale(place.context, { app: shop, counts: { web: 50 } }))
  await place.cloud.configure({ faults: [] })
  expect(await place.cloud.resources()).toEqual(before)
  await ship(place, 'two', worker)
  expect(await counts(place)).toEqual({ web: 1, worker: 1 })
})

test('an attempt that ended between the traffic and its record is finished by the next one', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  await scale(withoutReleases(place.context), { app: shop, counts: { web: 2 } }).catch(() => {})
  await scale(place.context, { app: shop, counts: { web: 2 } })
  expect(await counts(place)).toEqual({ web: 2, worker: 1 })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
})

test.each([
  [{ mail: 2 }, { code: 'NOT_FOUND', message: 'shop/api has no process mail', reason: 'It has web, worker; web is the app itself.' }],
  [{ constructor: 2 }, { code: 'NOT_FOUND' }],
  [{ web: 0 }, { code: 'USAGE', suggestion: '`stop api` stops all of it and keeps its data.' }],
  [{ worker: 101 }, { code: 'USAGE', reason: 'It takes a whole number from 0 to 100.' }],
  [{ worker: -1 }, { code: 'USAGE' }],
  [{ worker: 1.5 }, { code: 'USAGE' }],
])('%j is refused and changes nothing', async (wanted, error) => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', worker)
  const before = await place.cloud.resources()
  expect(await failure(scale(place.context, { app: shop, counts: wanted as Record<string, number> }))).toMatchObject(error)
  expect(await place.cloud.resources()).toEqual(before)
  expect(await version(place)).toBe(1)
})

test('an app of workers alone has no web, and keeps one of them', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', { ...worker, instances: 0 })
  await scale(place.context, { app: shop, counts: { worker: 3 } })
  expect(await counts(place)).toEqual({ worker: 3 })
  expect(await failure(scale(place.context, { app: shop, counts: { web: 2 } }))).toMatchObject({ code: 'NOT_FOUND', reason: 'It has worker.' })
  expect(await failure(scale(place.context, { app: shop, counts: { worker: 0 } }))).toMatchObject({ code: 'USAGE', suggestion: expect.stringContaining('stop api') })
})

test('what does not run has nothing to scale', async () => {
  await using place = await openWorkplace(cloud)
  expect(await failure(scale(place.context, { app: shop, counts: { web: 2 } }))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
  await ship(place, 'one')
  await stop(place.context, { app: shop })
  expect(await failure(scale(place.context, { app: shop, counts: { web: 2 } }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', reason: expect.stringContaining('start it with `start`') })
})
