import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { registerPlatform } from '@pilot/core'
import type { AppView, Releases } from '../contract/apps.ts'
import { counted, unwell } from '../testing/fake-provider.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

let server: TestServer
/** Time passes when a test says so. */
let ahead = 0
const canaries = { everyMs: 30, now: () => Date.now() + ahead }
beforeEach(async () => {
  counted.length = 0
  unwell.clear()
  ahead = 0
  server = await testServer({ canaries })
  await server.setup()
})
afterEach(() => server[Symbol.asyncDispose]())

const app = { project: 'shop', app: 'api', environment: 'production' }
const minute = 60_000
const steps = { steps: [10, 50], everyMs: 10 * minute }

async function begin(canary: object | null = steps, changes: object = {}): Promise<AppView> {
  expect((await server.run(await upRequest(server.client, [definition('api')]))).state).toBe('done')
  const second = await upRequest(server.client, [{ ...definition('api'), ...changes }], { 'index.html': 'two' })
  expect(await server.run({ ...second, ...(canary ? { canary } : {}) })).toMatchObject({ state: 'done' })
  return view()
}

const view = (): Promise<AppView> => server.client.request('app', { params: app, query: {} })
const releases = (): Promise<Releases> => server.client.request('releases', { params: app, query: {} })
const share = async (): Promise<number> => (await view()).status.canary?.percent ?? 0
const count = (deployment: string, requests: number, errors = 0) => ({ deployment, life: 'a', requests, errors, latency: [] })

/** With its release written down, and all done. */
const ended = (): Promise<void> => until(async () => (await share()) === 0 && (await view()).job === undefined)

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await check()); await sleep(20)) if (Date.now() > end) throw new Error('It does not come.')
}
const operations = async (by: string) => (await server.client.request('jobs', { query: {} })).jobs.filter((job) => job.by === by)

test('steps are taken when they are due, each as an operation of its own, and the last gives all of the traffic', async () => {
  const { status, actions } = await begin()
  expect(status).toMatchObject({ state: 'live', deployment: { number: 1 }, canary: { percent: 10, deployment: { number: 2 }, next: { percent: 50 } } })
  expect(Date.parse(status.canary!.next!.at)).toBe(Date.parse(status.canary!.release!.at) + 10 * minute)
  expect(actions['up']).toMatchObject({ allowed: false, reason: expect.stringContaining('A canary is on') })
  expect(await releases()).toMatchObject({ current: 1, canary: { release: 2, percent: 10 } })
  ahead += 9 * minute
  await sleep(200)
  expect(await share()).toBe(10)
  ahead += 2 * minute
  await until(async () => (await share()) === 50)
  ahead += 11 * minute
  await until(async () => (await share()) === 0)
  await until(async () => (await view()).job === undefined)
  expect((await view()).status).toMatchObject({ deployment: { number: 2 } })
  expect((await operations('canary')).map(({ action, state }) => `${action} ${state}`)).toEqual(['release done', 'release done'])
})

test('errors of the canary give the traffic back, and the history has the figures', async () => {
  const { status } = await begin()
  const [stable, canary] = [status.deployment!.id, status.canary!.deployment.id]
  counted.push(count(stable, 90, 0), count(canary, 10, 3))
  await until(async () => (await view()).status.canary?.traffic?.canary.requests === 10)
  expect(await share(), 'ten requests are no verdict').toBe(10)
  counted.splice(0, 2, count(stable, 270, 1), count(canary, 30, 8))
  await ended()
  const { releases: [newest] } = await releases()
  expect(newest).toMatchObject({ deployment: stable, kind: 'rollback', by: 'canary', aborted: { deployment: canary, because: 'v2 failed 8 of 30 requests (26.7 %) with 10 % of the traffic, the version before 1 of 270 (0.4 %); 1 % is allowed' } })
  expect((await server.cloud.resources()).filter(({ type }) => type === 'deployment')).toHaveLength(1)
})

test('a canary by hand that becomes unhealthy ends too, and does not go on by itself', async () => {
  const { status } = await begin({ percent: 25 })
  expect(status.canary!.next).toBeUndefined()
  ahead += 100 * minute
  await sleep(200)
  expect(await share()).toBe(25)
  unwell.add(status.canary!.deployment.id)
  await ended()
  expect((await releases()).releases[0]).toMatchObject({ aborted: { because: 'v2 is unhealthy' } })
})

test('a server that starts again goes on with it', async () => {
  await begin()
  await server.server().stop()
  ahead += 11 * minute
  await server.restart()
  await until(async () => (await share()) === 50)
})

test('a platform whose provider is gone takes the canaries of the others from nobody', async () => {
  await begin()
  await server.server().stop()
  await registerPlatform(server.home.dir, { id: '0'.repeat(32), name: 'aaa', provider: { name: 'gone', package: 'pilot-provider-gone', version: '1.0.0' }, settings: {} })
  ahead += 11 * minute
  await server.restart()
  await until(async () => (await server.client.request('app', { params: app, query: { platform: 'fake' } })).status.canary?.percent === 50)
})

test('a step that cannot be taken ends the canary, once', async () => {
  await begin(steps, { processes: { worker: ['fail'] } })
  ahead += 11 * minute
  await until(async () => (await share()) === 50)
  ahead += 11 * minute
  await ended()
  expect((await releases()).releases[0]!.aborted!.because).toMatch(/^the step to 100 % failed: The worker of v2/)
  expect((await operations('canary')).map(({ action, state }) => `${action} ${state}`).toReversed()).toEqual(['release done', 'release failed', expect.stringMatching(/^rollback /)])
})

test('the manifest decides unless the request does, and bad shares are refused before anything is built', async () => {
  expect((await begin(null, { canary: { steps: [20], everyMs: minute, maxErrors: 0.5, minRequests: 5 } })).status.canary).toMatchObject({ percent: 20, next: { percent: 100 } })
  const third = await upRequest(server.client, [definition('api')], { 'index.html': 'three' })
  expect(await server.run(third)).toMatchObject({ state: 'failed', error: { code: 'NOT_ALLOWED_NOW' } })
  await expect(server.run({ ...third, canary: { percent: 100 } })).rejects.toMatchObject({ code: 'USAGE' })
  await expect(server.run({ action: 'release', app, canary: { steps: [30, 20] } })).rejects.toMatchObject({ code: 'USAGE' })
  await server.run({ action: 'rollback', app })
  const planned = { ...definition('api'), canary: { steps: [20], everyMs: minute, maxErrors: 0.5, minRequests: 5 } }
  await server.run({ ...(await upRequest(server.client, [planned], { 'index.html': 'four' })), canary: false })
  expect((await view()).status).toMatchObject({ deployment: { number: 3 } })
  expect(await share()).toBe(0)
})
