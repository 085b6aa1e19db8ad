import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { definition } from '../testing/definition.ts'
import { configure } from './configure.ts'
import { destroyApp } from './destroy.ts'
import type { LifecycleContext } from './context.ts'
import { failure, openWorkplace, shop, sourceOf, types, type Workplace } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { restart } from './run-state.ts'
import { appStatus } from './status.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => {
  cloud = await startFakeCloud()
})
afterAll(() => cloud?.stop())

const all = Object.fromEntries(['build', 'deploy', 'release', 'rollback', 'destroy'].flatMap((phase) => [[`before-${phase}`, ['tell']], [`after-${phase}`, ['tell']]]))

/** A context that keeps sources, and the hooks that ran in it. */
function watched(place: Workplace, { keeps = true } = {}): { context: LifecycleContext; ran: string[] } {
  const ran: string[] = []
  const context = place.operation({ log: (line) => void (/ ran /.test(line) && ran.push(line)) })
  return { context: { ...context, ...(keeps ? { openSource: async () => sourceOf('any') } : {}) }, ran }
}
const ship = (context: LifecycleContext, text: string, hooks: Record<string, readonly string[]> = all, changes: Parameters<typeof definition>[1] = {}) => up(context, { app: definition('api', { ...changes, hooks }), source: sourceOf(text) })
const notices = ({ events }: Workplace) => events.flatMap((event) => (event.type === 'notice' ? [event.text] : []))
const version = async ({ context }: Workplace) => (await appStatus(context, { app: shop })).deployment?.number

test('run around each phase, in order, with the version; nothing new has none', async () => {
  await using place = await openWorkplace(cloud)
  const { context, ran } = watched(place)
  await ship(context, 'one')
  expect(ran).toEqual(['before-build ran tell for a build', 'after-build ran tell for a build', ...['before-deploy', 'after-deploy', 'before-release', 'after-release'].map((hook) => `${hook} ran tell for v1`)])
  ran.length = 0
  await ship(context, 'one')
  await restart(context, { app: shop })
  expect(ran).toEqual([])
  await configure(context, { app: shop, set: { A: '1' }, unset: [] })
  expect(ran.map((line) => line.split(' ')[0])).toEqual(['before-deploy', 'after-deploy', 'before-release', 'after-release'])
  ran.length = 0
  await rollback(context, { app: shop, to: 1 })
  expect(ran).toEqual(['before-rollback ran tell for v1', 'after-rollback ran tell for v1'])
  ran.length = 0
  await destroyApp(context, { app: shop, deleteData: false })
  expect(ran.map((line) => line.split(' ')[0])).toEqual(['before-destroy', 'after-destroy'])
})

test.each(['build', 'deploy', 'release'])('before-%s that fails leaves everything as it was', async (phase) => {
  await using place = await openWorkplace(cloud)
  const { context } = watched(place)
  await ship(context, 'one')
  const before = await place.cloud.resources()
  expect(await failure(ship(context, 'two', { [`before-${phase}`]: ['fail'] }))).toMatchObject({ code: 'HOOK_FAILED', message: `The hook before-${phase} of shop/api failed`, details: { log: ['it fails'] } })
  expect(await place.cloud.resources()).toEqual(before)
  expect(await version(place)).toBe(1)
})

test('before-deploy and before-release that fail leave a volume with its writer', async () => {
  await using place = await openWorkplace(cloud)
  const { context } = watched(place)
  const data = { volumes: { data: {} } }
  await ship(context, 'one', {}, data)
  for (const phase of ['deploy', 'release']) {
    expect(await failure(ship(context, `two ${phase}`, { [`before-${phase}`]: ['fail'] }, data))).toMatchObject({ code: 'HOOK_FAILED' })
    expect(await version(place)).toBe(1)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'volume'])
    // The old version made room only for what came after the first of the two.
    expect(notices(place).some((text) => text.startsWith('v1 runs again'))).toBe(phase === 'release')
  }
  expect(await place.cloud.violations()).toEqual([])
})

test('before-rollback and before-destroy that fail stop both; after-* that fail are warnings', async () => {
  await using place = await openWorkplace(cloud)
  const { context } = watched(place)
  await ship(context, 'one', { 'before-rollback': ['fail'] })
  await ship(context, 'two', { 'before-destroy': ['fail'], 'after-build': ['fail'], 'after-deploy': ['fail'], 'after-release': ['fail'] })
  expect(await version(place)).toBe(2)
  for (const phase of ['build', 'deploy', 'release']) expect(notices(place)).toContain(`The hook after-${phase} of shop/api failed: exit code 1. What it ran after stands.`)
  expect(await failure(rollback(context, { app: shop }))).toMatchObject({ code: 'HOOK_FAILED' })
  expect(await failure(destroyApp(context, { app: shop, deleteData: true }))).toMatchObject({ code: 'HOOK_FAILED', suggestion: expect.stringContaining('`destroy api --no-hooks`') })
  expect(await version(place)).toBe(2)
  expect(await destroyApp(context, { app: shop, deleteData: true, hooks: false })).toMatchObject({ kept: [] })
})

test('before-release runs before a canary has any traffic, after-release when it has all', async () => {
  await using place = await openWorkplace(cloud)
  const { context, ran } = watched(place)
  await ship(context, 'one', {})
  const canary = (text: string, hooks: Record<string, readonly string[]>) => up(context, { app: definition('api', { hooks }), source: sourceOf(text), canary: { percent: 10 } })
  expect(await failure(canary('two', { 'before-release': ['fail'] }))).toMatchObject({ code: 'HOOK_FAILED' })
  expect((await place.cloud.resources()).filter(({ type }) => type === 'deployment').length).toBe(1)
  ran.length = 0
  await canary('three', all)
  expect(ran.map((line) => line.split(' ')[0])).toEqual(['before-build', 'after-build', 'before-deploy', 'after-deploy', 'before-release'])
  ran.length = 0
  await release(context, { app: shop, canary: { percent: 50 } })
  expect(ran).toEqual([])
  await release(context, { app: shop })
  expect(ran.map((line) => line.split(' ')[0])).toEqual(['after-release'])
  await ship(context, 'four', {})
  ran.length = 0
  await release(context, { app: shop, deployment: 3, canary: { percent: 10 } })
  expect(ran.map((line) => line.split(' ')[0])).toEqual(['before-deploy', 'after-deploy', 'before-release'])
})

test('a canary that does badly ends whatever its hooks do; one that a person ends has them', async () => {
  await using place = await openWorkplace(cloud)
  const { context } = watched(place)
  for (const because of ['5 % of its requests failed', undefined]) {
    await ship(context, `one ${because}`, { 'before-rollback': ['fail'] })
    await up(context, { app: definition('api', { hooks: {} }), source: sourceOf(`two ${because}`), canary: { percent: 10 } })
    const ended = rollback(context, { app: shop, ...(because === undefined ? {} : { because }) })
    if (because === undefined) expect(await failure(ended)).toMatchObject({ code: 'HOOK_FAILED' })
    else expect(await ended).toMatchObject({ kind: 'rollback' })
  }
})

test('a hook whose source is no longer kept is named and left out', async () => {
  await using place = await openWorkplace(cloud)
  const { context } = watched(place, { keeps: false })
  await ship(context, 'one')
  await ship(context, 'two')
  await rollback(context, { app: shop })
  expect(notices(place)).toContain('The hook before-rollback was not run: the source of v1 is no longer kept here.')
  expect(await version(place)).toBe(1)
})

test('hooks of code from elsewhere need trust', async () => {
  await using place = await openWorkplace(cloud)
  expect(await failure(ship(place.context, 'one', all, { trusted: false }))).toMatchObject({ code: 'TRUST_NEEDED' })
  expect(await types(place)).toEqual([])
})
