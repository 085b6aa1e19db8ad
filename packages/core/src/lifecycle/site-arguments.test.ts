import { afterAll, beforeAll, expect, it } from 'vitest'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { build } from './build.ts'
import { configure } from './configure.ts'
import type { LifecycleContext } from './context.ts'
import { failure, openWorkplace, ship, sourceOf } from './lifecycle.fixture.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

/** The provider's builder as one of sites, and the arguments that it was called with. */
function ofSites(context: LifecycleContext): { readonly context: LifecycleContext; readonly builds: Readonly<Record<string, string>>[] } {
  const builds: Readonly<Record<string, string>>[] = []
  const [builder] = context.provider.builders
  const site = { ...builder!, target: 'static' as const, build: (call: Parameters<NonNullable<typeof builder>['build']>[0]) => (builds.push(call.args), builder!.build(call)) }
  return { context: { ...context, provider: { ...context.provider, builders: [site], compute: { ...context.provider.compute, static: context.provider.compute.container! } } }, builds }
}

const web = definition('web', { uses: ['api'], env: { TITLE: 'Shop', REGION: 'eu' }, buildArgs: { MODE: 'fast' } })

it('a site is built with the addresses of what it uses, its variables and what was set; another value is another build', async () => {
  await using place = await openWorkplace(cloud)
  const { context, builds } = ofSites(place.context)
  const builtNow = () => build(context, { app: web, source: sourceOf('site') })
  expect(await failure(builtNow())).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: expect.stringContaining('uses api, which has no address yet'), suggestion: expect.stringContaining('`up --app api`') })

  const { url } = await ship(place, 'api')
  await configure(context, { app: web.app, set: { TITLE: 'Sale' }, unset: [] })
  const { id } = await builtNow()
  expect(builds).toEqual([{ API_URL: url, TITLE: 'Sale', REGION: 'eu', MODE: 'fast' }])
  expect(await builtNow()).toMatchObject({ id })
  await configure(context, { app: web.app, set: {}, unset: ['TITLE'] })
  await builtNow()
  expect(builds.slice(1)).toEqual([{ API_URL: url, TITLE: 'Shop', REGION: 'eu', MODE: 'fast' }])
})

it('what is set for a site that is live waits for the next `up`, and that is said', async () => {
  await using place = await openWorkplace(cloud)
  const { context, builds } = ofSites(place.context)
  const site = { ...web, uses: [] }
  const first = await up(context, { app: site, source: sourceOf('site') })
  expect(await configure(context, { app: web.app, set: { TITLE: 'Sale' }, unset: [] })).not.toHaveProperty('release')
  expect(place.events).toContainEqual(expect.objectContaining({ type: 'notice', text: expect.stringContaining('the next `up`') }))
  const next = await up(context, { app: site, source: sourceOf('site') })
  expect([first.release!.number, next.release!.number, builds.at(-1)!['TITLE']]).toEqual([1, 2, 'Sale'])
})
