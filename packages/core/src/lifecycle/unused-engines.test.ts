import { afterAll, beforeAll, expect, it } from 'vitest'
import { PilotError } from '../errors/pilot-error.ts'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import type { LifecycleContext } from './context.ts'
import { deployedApps } from './deployed-apps.ts'
import { destroyApp, destroyPlatform } from './destroy.ts'
import { openWorkplace, shop, sourceOf } from './lifecycle.fixture.ts'
import { setup } from './setup.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

/** Nothing that looks for deployments gets an answer, as with a Docker engine that refuses this user. */
const withoutEngine = (context: LifecycleContext, log: string[] = []): LifecycleContext => ({
  ...context,
  log: (line) => void log.push(line),
  provider: {
    ...context.provider,
    kinds: context.provider.kinds.map((kind) => (kind.kind === 'fake/deployment' ? { ...kind, list: () => Promise.reject(new PilotError('ENGINE_DENIED', 'The engine refuses this user')) } : kind)),
  },
})

it('destroys a platform without the engine when nothing of it is recorded, and says what was not looked for', async () => {
  await using place = await openWorkplace(cloud)
  const log: string[] = []
  await setup(place.context)
  await destroyApp(withoutEngine(place.context, log), { app: shop, deleteData: false })
  await destroyPlatform(withoutEngine(place.context, log), { deleteData: true })
  expect(await place.cloud.resources()).toEqual([])
  expect(log).toContainEqual(expect.stringContaining('fake/deployment was not looked for'))
})

it('needs the engine to destroy what it runs, and other failures to look stay errors', async () => {
  await using place = await openWorkplace(cloud)
  await up(place.context, { app: definition(), source: sourceOf('one') })
  await expect(destroyApp(withoutEngine(place.context), { app: shop, deleteData: false })).rejects.toMatchObject({ code: 'ENGINE_DENIED' })
  const denied = { ...place.context, provider: { ...place.context.provider, kinds: place.context.provider.kinds.map((kind) => ({ ...kind, list: () => Promise.reject(new PilotError('ACCESS_DENIED', 'No')) })) } }
  await expect(destroyPlatform({ ...denied, store: { ...denied.store, leasedScopes: async () => [] } }, { deleteData: false })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
})

it('knows which apps have more on the platform than data that was kept', async () => {
  await using place = await openWorkplace(cloud)
  await setup(place.context)
  expect(await deployedApps(place.context)).toEqual([])
  await up(place.context, { app: definition('api', { database: { own: true } }), source: sourceOf('one') })
  expect(await deployedApps(place.context)).toEqual([shop])
  await destroyApp(place.context, { app: shop, deleteData: false })
  expect(await place.cloud.resources()).not.toEqual([])
  expect(await deployedApps(place.context)).toEqual([])
})
