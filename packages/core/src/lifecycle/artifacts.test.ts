import { afterAll, beforeAll, expect, it } from 'vitest'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import type { ScopeStore } from '../store/store.ts'
import { keptReleases } from './artifacts.ts'
import { build } from './build.ts'
import { configure } from './configure.ts'
import type { LifecycleContext } from './context.ts'
import { deploy } from './deploy.ts'
import { failure, openWorkplace, shop, sourceOf } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

/** A builder whose artifacts are there until they are removed. */
function withShelf(context: LifecycleContext, { refuses = false } = {}): { readonly context: LifecycleContext; readonly shelf: Set<string>; readonly removed: string[]; readonly log: string[] } {
  const shelf = new Set<string>()
  const removed: string[] = []
  const log: string[] = []
  const builders = context.provider.builders.map((builder) => ({
    ...builder,
    async build(call: Parameters<typeof builder.build>[0]) {
      const artifact = await builder.build(call)
      shelf.add(artifact.location)
      return artifact
    },
    exists: async ({ location }: { location: string }) => shelf.has(location),
    async remove({ location }: { location: string }) {
      if (refuses) throw new Error('it is in use')
      shelf.delete(location)
      removed.push(location)
    },
  }))
  return { context: { ...context, log: (line) => void log.push(line), provider: { ...context.provider, builders } }, shelf, removed, log }
}

/** How often the builds of each scope are read. */
function countingReads(context: LifecycleContext): { readonly context: LifecycleContext; readonly reads: Map<string, number> } {
  const reads = new Map<string, number>()
  const scope = (name: string): ScopeStore => {
    const store = context.store.scope(name)
    return { ...store, listRecords: (type) => (type === 'build' && reads.set(name, (reads.get(name) ?? 0) + 1), store.listRecords(type)) }
  }
  return { context: { ...context, store: { ...context.store, scope } }, reads }
}

const ship = (context: LifecycleContext, text: string) => up(context, { app: definition(), source: sourceOf(text) })

it('the artifacts of the last releases stay, older ones go, and a rollback to one of those says so', async () => {
  await using place = await openWorkplace(cloud)
  const { context, shelf } = withShelf(place.context)
  const shipped: string[] = []
  for (let n = 1; n <= keptReleases + 2; n++) shipped.push((await ship(context, `text ${n}`)).build.artifact.location)
  expect([...shelf]).toEqual(shipped.slice(2))
  expect(await failure(rollback(context, { app: shop, to: 2 }))).toMatchObject({ code: 'ARTIFACT_GONE', message: expect.stringContaining('v2') })
  expect(await rollback(context, { app: shop, to: 3 })).toMatchObject({ kind: 'rollback' })
  expect((await ship(context, 'text 1')).build.artifact.location).toBe(shipped[0])
})

it('what waits to be deployed or released stays, however many releases of something else come', async () => {
  await using place = await openWorkplace(cloud)
  const { context, shelf } = withShelf(place.context)
  await ship(context, 'live')
  const waiting = await deploy(context, { app: definition(), build: await build(context, { app: definition(), source: sourceOf('waiting') }) })
  for (let n = 0; n <= keptReleases; n++) await configure(context, { app: shop, set: { N: String(n) }, unset: [] })
  expect(shelf.size).toBe(2)
  expect(await release(context, { app: shop, deployment: waiting.number })).toMatchObject({ deployment: waiting.id })
})

it('however many builds were never released, the next releases delete all old ones, oldest first, and none twice', async () => {
  await using place = await openWorkplace(cloud)
  const { context, shelf, removed } = withShelf(place.context)
  const built: string[] = []
  for (let n = 1; n <= 50; n++) built.push((await build(context, { app: definition(), source: sourceOf(`build ${n}`) })).artifact.location)
  const { build: live } = await ship(context, 'live')
  expect(removed).toEqual(built.slice(0, 20))
  for (let n = 1; n <= 5; n++) await configure(context, { app: shop, set: { N: String(n) }, unset: [] })
  expect([...shelf]).toEqual([...built.slice(-(keptReleases - 1)), live.artifact.location])
  expect(removed).toEqual(built.slice(0, 41))
})

it('old artifacts are compared with the builds of the same app only', async () => {
  await using place = await openWorkplace(cloud)
  const { context, reads } = countingReads(withShelf(place.context).context)
  const inScope = (app: string, environment = 'production') => ({ ...definition(app), app: { ...shop, app, environment } })
  await up(context, { app: inScope('web'), source: sourceOf('text 1') })
  await up(context, { app: inScope('api', 'preview'), source: sourceOf('text 1') })
  reads.clear()
  for (let n = 1; n <= keptReleases + 1; n++) await ship(context, `text ${n}`)
  expect(reads.get('app/shop/api/preview')).toBe(1)
  expect(reads.has('app/shop/web/production')).toBe(false)
})

it('what another environment has built too stays', async () => {
  await using place = await openWorkplace(cloud)
  const { context, shelf } = withShelf(place.context)
  const preview = { ...definition(), app: { ...shop, environment: 'preview' } }
  const { build: shared } = await up(context, { app: preview, source: sourceOf('text 1') })
  for (let n = 1; n <= keptReleases + 1; n++) await ship(context, `text ${n}`)
  expect(shelf).toContain(shared.artifact.location)
})

it('an artifact that cannot be deleted is told and fails no release', async () => {
  await using place = await openWorkplace(cloud)
  const { context, log } = withShelf(place.context, { refuses: true })
  for (let n = 1; n <= keptReleases + 1; n++) await ship(context, `text ${n}`)
  expect(log.filter((line) => !line.startsWith('building'))).toEqual([expect.stringMatching(/^Could not delete the artifact .*: it is in use$/)])
})

it('the artifact of a deployment that something still works with stays until it does no more', async () => {
  await using place = await openWorkplace(cloud)
  const { context, shelf } = withShelf(place.context)
  const { build: first, deployment } = await ship(context, 'in use')
  const busy: LifecycleContext = { ...context, deploymentsInUse: async () => [deployment.id] }
  for (let n = 1; n <= keptReleases + 1; n++) await ship(busy, `text ${n}`)
  expect(shelf).toContain(first.artifact.location)
  await ship(context, 'one more')
  expect(shelf).not.toContain(first.artifact.location)
})
