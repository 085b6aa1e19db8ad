import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { acquireLease } from '../store/lease.ts'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { setSecret } from './app-secrets.ts'
import type { LifecycleContext } from './context.ts'
import { destroyApp, destroyPlatform } from './destroy.ts'
import { failure, openWorkplace, ship, shop, sourceOf, types, type Workplace } from './lifecycle.fixture.ts'
import { planSetup, setup } from './setup.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

/** A build that lasts until it is told to go on. */
function withSlowBuild({ context }: Workplace): { readonly context: LifecycleContext; readonly begun: Promise<void>; goOn(): void } {
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const builders = context.provider.builders.map((builder) => ({
    ...builder,
    async build(call: Parameters<typeof builder.build>[0]) {
      begun.resolve()
      await goOn.promise
      return builder.build(call)
    },
  }))
  return { context: { ...context, provider: { ...context.provider, builders } }, begun: begun.promise, goOn: goOn.resolve }
}

describe('destroy of a platform', () => {
  it('waits for its apps', async () => {
    await using place = await openWorkplace(cloud)
    expect((await planSetup(place.context)).steps).toMatchObject([{ key: 'network', action: 'create' }])
    await setup(place.context)
    await ship(place, 'one')
    expect(await failure(destroyPlatform(place.context, { deleteData: false }))).toMatchObject({ code: 'BLOCKED', message: expect.stringContaining('app/shop/api/production') })
    await destroyApp(place.context, { app: shop, deleteData: true })
    const whenGone = vi.fn<() => Promise<void>>(async () => {})
    expect(await destroyPlatform(place.context, { deleteData: true, whenGone })).toEqual({ deleted: ['network'], kept: [], foreign: [] })
    expect(whenGone).toHaveBeenCalledOnce()
    expect(await types(place)).toEqual([])
  })

  it('shows what is left in any scope, and is not over before that is gone', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const { platform } = place.context
    const id = await place.cloud.plant({ type: 'deployment', marks: { platformId: platform.id, scope: 'app/shop/api/production', key: 'network', generation: '1' } })
    const whenGone = vi.fn<() => Promise<void>>(async () => {})
    expect(await destroyPlatform(place.context, { deleteData: true, whenGone })).toMatchObject({ deleted: ['network'], foreign: [{ kind: 'fake/deployment', id, reason: 'it belongs to app/shop/api/production' }] })
    expect(whenGone).not.toHaveBeenCalled()
    const notices = place.events.flatMap((event) => (event.type === 'notice' ? [event.text] : []))
    expect(notices).toEqual([expect.stringContaining(`${id} (fake/deployment): it belongs to app/shop/api/production`), expect.stringContaining('destroy --platform fake')])
    await place.cloud.remove(id)
    expect(await destroyPlatform(place.context, { deleteData: true, whenGone })).toEqual({ deleted: [], kept: [], foreign: [] })
    expect(whenGone).toHaveBeenCalledOnce()
  })

  it('is refused while an app is built for the first time, before anything is deleted', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const slow = withSlowBuild(place)
    const work = up(slow.context, { app: definition(), source: sourceOf('one') })
    await slow.begun
    expect(await place.context.store.scopes()).toEqual(['platform'])
    expect(await failure(destroyPlatform(place.context, { deleteData: true }))).toMatchObject({ code: 'HELD', message: expect.stringContaining('up of shop/api by ada') })
    expect(await types(place)).toEqual(['network'])
    slow.goOn()
    await work
  })

  it('counts what a crash left in the journal of an app only', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const scope = place.context.store.scope('app/shop/api/production')
    const lease = await acquireLease({ store: scope, title: 'an up that died' })
    const resource = { key: 'network', kind: 'fake/network', kindVersion: 1, generation: 1, inputs: {}, dependsOn: [] }
    await scope.appendJournal({ seq: 1, at: new Date().toISOString(), type: 'intent', action: 'create', resource }, lease.fence)
    await lease.release()
    expect(await failure(destroyPlatform(place.context, { deleteData: true }))).toMatchObject({ code: 'BLOCKED', message: expect.stringContaining('app/shop/api/production') })
  })

  it('leaves nothing to an operation that waited for it', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    await setSecret(place.context, { app: shop, name: 'JWT_KEY', value: 'secret-value' })
    await place.cloud.configure({ faults: [{ operation: 'delete', type: 'network', action: 'hold', moment: 'before' }] })
    const destroyed = destroyPlatform(place.context, { deleteData: true, whenGone: () => rm(place.storeDir, { recursive: true, maxRetries: 3 }) })
    await place.cloud.held()
    const waiting = failure(up(place.operation({ waitForLeaseMs: 20_000 }), { app: definition(), source: sourceOf('one') }))
    await new Promise((resolve) => setTimeout(resolve, 100))
    await place.cloud.release()
    await destroyed
    expect(await waiting).toMatchObject({ code: 'NOT_FOUND' })
    expect(await types(place)).toEqual([])
  })

  it('stops when it no longer holds one of its apps', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    await ship(place, 'one')
    await destroyApp(place.context, { app: shop, deleteData: true })
    await place.cloud.configure({ faults: [{ operation: 'delete', type: 'network', action: 'hold', moment: 'before' }] })
    const whenGone = vi.fn<() => Promise<void>>(async () => {})
    const destroyed = failure(destroyPlatform(place.context, { deleteData: true, whenGone }))
    await place.cloud.held()
    const { lease } = place.context.store.scope('app/shop/api/production')
    const stored = (await lease.read())!
    await lease.swap(stored, { ...stored, token: stored.token + 1, holder: { ...stored.holder!, id: 'another', title: 'an up from elsewhere' } })
    // Its next heartbeat finds out.
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    await place.cloud.release({ drop: true })
    expect(await destroyed).toMatchObject({ code: 'LEASE_LOST', message: expect.stringContaining('app/shop/api/production') })
    expect(await types(place)).toEqual(['network'])
    expect(whenGone).not.toHaveBeenCalled()
  }, 30_000)
})
