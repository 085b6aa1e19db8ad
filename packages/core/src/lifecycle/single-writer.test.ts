import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pLimit from 'p-limit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { definition } from '../testing/definition.ts'
import { configure } from './configure.ts'
import { deploy } from './deploy.ts'
import { build } from './build.ts'
import { destroyApp } from './destroy.ts'
import { failure, openWorkplace, ship, shop, sourceOf, types, type Workplace } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { restart, start, stop } from './run-state.ts'
import { scale } from './scale.ts'
import { appStatus } from './status.ts'
import { deleteVolume, listVolumes } from './volumes.ts'

let cloud: FakeCloud
beforeAll(async () => {
  cloud = await startFakeCloud()
})
afterAll(() => cloud?.stop())

const data = { volumes: { data: { path: '/data' } } }
const unhealthy = { env: { PILOT_FAKE_HEALTH: 'unhealthy' } }
const failingWorker = { processes: { worker: ['fail'] } }
const running = ['deployment', 'network', 'traffic', 'volume']

const changes = async ({ cloud }: Workplace): Promise<string[]> =>
  (await cloud.calls()).filter(({ operation, status }) => ['create', 'update', 'delete'].includes(operation) && status === 200).map(({ operation, type }) => `${operation} ${type}`)
const volume = async ({ cloud }: Workplace) => (await cloud.resources()).find(({ type }) => type === 'volume')?.id
const version = async ({ context }: Workplace) => (await appStatus(context, { app: shop })).deployment?.number
const texts = ({ events }: Workplace) => events.flatMap((event) => (event.type === 'notice' ? [event.text] : []))

/** Exactly what is live runs, and never did two versions have the volume. */
async function expectOneWriter(place: Workplace, title = ''): Promise<void> {
  const resources = await place.cloud.resources()
  expect(resources.map(({ type }) => type).sort(), title).toEqual(running)
  const deployment = resources.find(({ type }) => type === 'deployment')!
  const weights = resources.find(({ type }) => type === 'traffic')!.properties['weights'] as { deployment: string; target?: string }[]
  expect(weights, title).toEqual([{ deployment: deployment.properties['deployment'], percent: 100, target: deployment.id }])
  expect((await appStatus(place.context, { app: shop })).deployment?.id, title).toBe(deployment.properties['deployment'])
  expect(await place.cloud.violations(), title).toEqual([])
}

test('the old version ends before the new one starts, and the volume stays the same one', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  const id = await volume(place)
  const before = (await changes(place)).length
  await ship(place, 'two', data)
  expect((await changes(place)).slice(before)).toEqual(['update traffic', 'delete deployment', 'create deployment', 'update traffic'])
  expect((await place.cloud.resources()).find(({ type }) => type === 'deployment')!.properties['env']).toMatchObject({ VOLUME_DATA: '/data' })
  await expectOneWriter(place)
  await restart(place.context, { app: shop })
  await configure(place.context, { app: shop, set: { A: '1' }, unset: [] })
  await rollback(place.context, { app: shop, to: 1 })
  await stop(place.context, { app: shop })
  await start(place.context, { app: shop })
  await ship(place, 'three', { volumes: { data: { path: '/elsewhere' } } })
  expect(await volume(place)).toBe(id)
  await expectOneWriter(place)
})

test.each([
  ['a new version that does not become healthy', unhealthy, 'UNHEALTHY'],
  ['a worker that does not stay up', failingWorker, 'UNHEALTHY'],
  ['a release command that fails', { release: ['fail'] }, 'RELEASE_COMMAND_FAILED'],
])('%s puts the old one back', async (_, wrong, code) => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  expect(await failure(ship(place, 'two', { ...data, ...wrong }))).toMatchObject({ code })
  expect(await version(place)).toBe(1)
  expect(texts(place)).toContain('v1 runs again, with the data as v2 left it.')
  await expectOneWriter(place)
})

test('a cancelled release puts the old one back', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  const made = (await place.cloud.calls()).filter(({ operation, type }) => operation === 'create' && type === 'deployment').length
  await place.cloud.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', type: 'deployment', call: made + 1 }] })
  const cancel = new AbortController()
  const shipped = failure(ship({ ...place, context: place.operation({ signal: cancel.signal }) }, 'two', data))
  await place.cloud.held()
  cancel.abort()
  await place.cloud.configure({ faults: [] })
  await place.cloud.release()
  expect(await shipped).toMatchObject({ code: 'CANCELLED' })
  expect(await version(place)).toBe(1)
  await expectOneWriter(place)
})

test('when the old one cannot be put back either, the next up of it brings it back', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  const made = (await place.cloud.calls()).filter(({ operation, type }) => operation === 'create' && type === 'deployment').length
  await place.cloud.configure({ faults: [{ action: 'deny', moment: 'before', operation: 'create', type: 'deployment', call: made + 1, times: 2 }] })
  expect(await failure(ship(place, 'two', data))).toMatchObject({ code: 'ACCESS_DENIED' })
  expect(texts(place).find((text) => text.startsWith('v1 could not be started again'))).toContain('release v1')
  await release(place.context, { app: shop, deployment: 1 })
  expect(await version(place)).toBe(1)
  await expectOneWriter(place)
})

test('deploy without a release leaves the volume with what is live, and the release takes it over', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  const app = definition('api', data)
  await deploy(place.context, { app, build: await build(place.context, { app, source: sourceOf('two') }) })
  expect(await version(place)).toBe(1)
  expect(texts(place).at(-1)).toContain('v2 starts with its release')
  await expectOneWriter(place)
  await release(place.context, { app: shop })
  expect(await version(place)).toBe(2)
  await expectOneWriter(place)
})

test('a shared volume is had by both versions during a release, and by several instances', async () => {
  await using place = await openWorkplace(cloud)
  const shared = { volumes: { data: { path: '/data', shared: true as const } } }
  await ship(place, 'one', { ...shared, instances: 2 })
  const before = (await changes(place)).length
  await ship(place, 'two', { ...shared, instances: 2 })
  expect((await changes(place)).slice(before)).toEqual(['create deployment', 'update traffic', 'delete deployment'])
  await scale(place.context, { app: shop, counts: { web: 3 } })
})

test('several instances on a volume with one writer are refused, with the line to write, and change nothing', async () => {
  await using place = await openWorkplace(cloud)
  expect(await failure(ship(place, 'one', { ...data, instances: 2 }))).toMatchObject({ code: 'USAGE', suggestion: expect.stringContaining('volumes: { data: { path: /data, shared: true } }') })
  await ship(place, 'one', data)
  const before = await changes(place)
  expect(await failure(scale(place.context, { app: shop, counts: { web: 2 } }))).toMatchObject({ code: 'USAGE', message: 'shop/api is to run 2 times as web, and its volume data takes one writer at a time' })
  expect(await changes(place)).toEqual(before)
  expect(await version(place)).toBe(1)
})

test('a volume that the manifest no longer has is kept and named; destroy keeps it, the next up finds it, --delete-data deletes it', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  const id = await volume(place)
  await ship(place, 'two')
  expect(await volume(place)).toBe(id)
  expect(texts(place).at(-1)).toContain('`volumes delete api data`')
  expect((await destroyApp(place.context, { app: shop, deleteData: false })).kept.map(({ key }) => key)).toEqual(['volume/data'])
  expect(await types(place)).toEqual(['volume'])
  await ship(place, 'one', data)
  expect(await volume(place)).toBe(id)
  expect(await failure(deleteVolume(place.context, { app: shop, volume: 'data' }))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
  expect(await failure(deleteVolume(place.context, { app: shop, volume: 'dta' }))).toMatchObject({ code: 'NOT_FOUND', suggestion: 'It has data.' })
  expect(await listVolumes(place.context, { app: shop })).toEqual([{ volume: 'data', kind: 'fake/volume', id, path: '/data', inUse: true, shared: false }])
  await destroyApp(place.context, { app: shop, deleteData: true })
  expect(await types(place)).toEqual([])
})

test('volumes delete deletes what no version has any more', async () => {
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  await ship(place, 'two')
  await deleteVolume(place.context, { app: shop, volume: 'data' })
  expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  expect(await listVolumes(place.context, { app: shop })).toEqual([])
})

test('killed at any call of a release that hands a volume over, the next up ends right, and a failed one puts back what was live', { timeout: 300_000 }, async () => {
  const limit = pLimit(2)
  const kills = [1, 2, 3, 4].flatMap((call) => (['before', 'late', 'after'] as const).flatMap((moment) => ['two', 'three'].map((next) => ({ call, moment, next }))))
  await Promise.all(kills.map((kill) => limit(() => killAndGoOn(kill))))
})

async function killAndGoOn({ call, moment, next }: { call: number; moment: 'before' | 'late' | 'after'; next: string }): Promise<void> {
  const title = `killed ${moment} change ${call}, then ${next}`
  await using place = await openWorkplace(cloud)
  await ship(place, 'one', data)
  const id = await volume(place)
  const done = (await place.cloud.calls()).filter(({ operation }) => operation !== 'get' && operation !== 'list').length
  await place.cloud.configure({ faults: [{ action: 'hold', moment: moment === 'after' ? 'after' : 'before', operation: 'change', call: done + call }] })
  const argument = JSON.stringify({ home: join(place.storeDir, '../../..'), text: 'two', changes: data })
  const child = spawn(process.execPath, ['--conditions=@pilot/source', fileURLToPath(new URL('./single-writer.fixture.ts', import.meta.url)), argument], { stdio: ['ignore', 'inherit', 'inherit'] })
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const held = await Promise.race([place.cloud.held(), gone])
  expect(held, title).toHaveProperty('pid', child.pid)
  child.kill('SIGKILL')
  await gone
  await place.cloud.configure({ faults: [] })
  await place.cloud.release({ drop: moment !== 'late' })
  const context = place.operation({ waitForLeaseMs: 30_000 })
  if (next === 'two') {
    await ship({ ...place, context }, 'two', data)
    expect(await version(place), title).toBe(2)
  } else {
    expect(await failure(ship({ ...place, context }, 'three', { ...data, ...unhealthy })), title).toMatchObject({ code: 'UNHEALTHY' })
    expect(await version(place), title).toBe(call === 4 ? 2 : 1)
  }
  expect(await volume(place), title).toBe(id)
  await expectOneWriter(place, title)
}
