import { contractVersion, defineProvider, type AnyProvider, type Finding } from '@pilot/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import fakeProvider from '../testing/fake-provider.ts'
import { definition, eventsOf, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

/** The fake cloud with a choice as the local provider has it: containers, unless their engine refuses. */
const picky = { problem: undefined as Finding | undefined, cidr: undefined as string | undefined }
const provider = defineProvider({
  ...fakeProvider,
  name: 'picky',
  contract: contractVersion,
  settings: z.object({ url: z.string(), runtime: z.enum(['docker', 'process']).default('docker') }),
  changeable: ['runtime'],
  check: async ({ settings }) => (settings?.runtime === 'docker' && picky.problem !== undefined ? [picky.problem] : []),
  async connect(context) {
    const capabilities = await fakeProvider.connect(context as never)
    // The id of the platform stands in an input, as it does in the name of a bucket.
    const cidr = picky.cidr ?? `10.${Number.parseInt(context.platformId.slice(0, 2), 16)}.0.0/16`
    return { ...capabilities, platform: () => ({ resources: [{ key: 'network', kind: 'fake/network', inputs: { cidr } }], outputs: {} }) }
  },
}) as AnyProvider

const denied: Finding = { id: 'docker.engine', status: 'problem', code: 'ENGINE_DENIED', title: 'The engine refuses this user', fix: 'Join the group' }

let server: TestServer
beforeEach(async () => {
  picky.problem = undefined
  picky.cidr = undefined
  server = await testServer({ providers: [provider] })
})
afterEach(() => server[Symbol.asyncDispose]())

const request = (settings: object = {}) => ({ action: 'setup', provider: 'picky', settings: { url: server.cloud.url, ...settings } }) as const
const platforms = async () => (await server.client.request('platforms')).platforms

test('setup stops on what the platform cannot do without, with its fix, and leaves nothing', async () => {
  picky.problem = denied
  const plan = await server.client.request('planPlatform', { body: { provider: 'picky', settings: { url: server.cloud.url } } })
  expect(plan).toMatchObject({ findings: [denied], problem: { code: 'ENGINE_DENIED', message: denied.title, suggestion: denied.fix } })
  expect(await server.run(request())).toMatchObject({ state: 'failed', error: { code: 'ENGINE_DENIED', message: denied.title, suggestion: denied.fix } })
  expect(await platforms()).toEqual([])
  expect(await server.cloud.resources()).toEqual([])
  expect(await server.run(request({ runtime: 'process' }))).toMatchObject({ state: 'done' })
})

test('a problem without a code of its own stops it too', async () => {
  picky.problem = { id: 'quota', status: 'problem', title: 'No quota', fix: 'Ask for more' }
  expect(await server.run(request())).toMatchObject({ state: 'failed', error: { code: 'CHECK_FAILED', message: 'No quota', suggestion: 'Ask for more' } })
})

test('a setting that may change is changed while no app is deployed, and that is said', async () => {
  expect(await server.run(request())).toMatchObject({ state: 'done' })
  // Its engine is gone since: the way out must not need it.
  picky.problem = denied
  const plan = await server.client.request('planPlatform', { body: { provider: 'picky', settings: { runtime: 'process' } } })
  expect(plan).toMatchObject({ changedSettings: [{ name: 'runtime', from: 'docker', to: 'process' }], changes: [{ key: 'network', action: 'keep' }] })
  expect(await platforms()).toMatchObject([{ settings: { runtime: 'docker' } }])

  const { operation } = await server.client.request('startOperation', { body: { action: 'setup', provider: 'picky', settings: { runtime: 'process' } } })
  const events = await eventsOf(server.client, operation.id)
  expect(events.at(-1)).toMatchObject({ type: 'operation.finished', outcome: 'done' })
  expect(events).toContainEqual(expect.objectContaining({ type: 'notice', text: 'The platform picky has runtime process now; it was docker' }))
  expect(await platforms()).toMatchObject([{ settings: { runtime: 'process', url: server.cloud.url }, state: 'ready' }])
})

test('with an app it stays, and the error says what to do', async () => {
  await server.run(request())
  expect(await server.run(await upRequest(server.client, [definition('api')]))).toMatchObject({ state: 'done' })
  const refused = {
    code: 'NOT_ALLOWED_NOW',
    message: 'The platform picky was set up with runtime docker, and shop/api is deployed on it',
    suggestion: 'Remove what is deployed first (`destroy --project shop`; databases are kept), or set up another platform with `--name`.',
  }
  await expect(server.client.request('planPlatform', { body: { provider: 'picky', settings: { runtime: 'process' } } })).rejects.toMatchObject(refused)
  expect(await server.run(request({ runtime: 'process' }))).toMatchObject({ state: 'failed', error: refused })
  expect(await platforms()).toMatchObject([{ settings: { runtime: 'docker' } }])
  expect(await server.run({ action: 'destroy-project', project: 'shop', platform: 'picky' })).toMatchObject({ state: 'done' })
  expect(await server.run(request({ runtime: 'process' }))).toMatchObject({ state: 'done' })
})

test('what is fixed once a platform is made stays fixed', async () => {
  await server.run(request())
  expect(await server.run(request({ url: 'http://127.0.0.1:1' }))).toMatchObject({ state: 'failed', error: { code: 'NOT_ALLOWED_NOW', reason: 'url cannot change later.' } })
})

test('what was approved is what is made, down to the inputs, also for a platform that did not exist', async () => {
  const body = { provider: 'picky', settings: { url: server.cloud.url } }
  const { hash } = await server.client.request('planPlatform', { body })
  picky.cidr = '0.0.0.0/0'
  expect(await server.run({ ...request(), plan: hash! })).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE' } })
  expect(await server.cloud.resources()).toEqual([])

  picky.cidr = undefined
  const again = await server.client.request('planPlatform', { body: { ...body, name: 'other' } })
  expect(await server.run({ ...request(), name: 'other', plan: again.hash! })).toMatchObject({ state: 'done' })
  expect((await platforms()).find(({ name }) => name === 'other')!.id).toBe(again.hash!.split('.')[0])

  // A plan of what is there already.
  const third = await server.client.request('planPlatform', { body: { ...body, name: 'other' } })
  expect(third).toMatchObject({ platform: { exists: true }, changes: [{ action: 'keep' }] })
  expect(await server.run({ ...request(), name: 'other', plan: third.hash! })).toMatchObject({ state: 'done', jobs: [{ result: { changed: false } }] })
  // The same, of another platform.
  expect(await server.run({ ...request(), plan: third.hash! })).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE' } })
})

test('a setting that is misspelt or has another type is named, and nothing is made', async () => {
  const error = await server.client.request('planPlatform', { body: { provider: 'picky', settings: { url: 5, runtim: 'process' } } }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'USAGE', reason: expect.stringContaining('There is no setting runtim: did you mean runtime?'), details: { settings: [{ path: ['runtim'] }, { path: ['url'] }] } })
  expect(await platforms()).toEqual([])
})
