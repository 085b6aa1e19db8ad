import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { counted, failStatus } from '../testing/fake-provider.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

let server: TestServer
beforeEach(async () => {
  counted.length = 0
  server = await testServer({ sampleMs: 50 })
  await server.setup()
})
afterEach(async () => {
  failStatus.because = undefined
  await server[Symbol.asyncDispose]()
})

const params = { project: 'shop', app: 'api', environment: 'production' }
const metrics = () => server.client.request('metrics', { params, query: {} })
const count = (requests: number, errors: number): void => void counted.splice(0, 1, { deployment: 'd1', life: 'a', requests, errors, latency: [{ upToMs: 10, count: requests }, { upToMs: undefined, count: 0 }] })

async function until(check: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await check()); await sleep(20)) if (Date.now() > end) throw new Error('It does not come.')
}

test('what an app does is sampled from its release on, without what was counted before the server looked', async () => {
  expect((await metrics().catch((error: unknown) => error)) as object).toMatchObject({ code: 'NOT_FOUND' })
  count(1000, 10)
  await server.run(await upRequest(server.client, [definition('api')]))
  await until(async () => (await metrics()).points.length > 0)
  expect((await metrics()).total).toMatchObject({ requests: 0, errors: 0, instances: 1 })
  count(1040, 12)
  await until(async () => (await metrics()).total?.requests === 40)
  expect((await metrics()).total).toMatchObject({ errors: 2, p50Ms: 5, p99Ms: 9.9 })
})

test('a target that cannot be asked leaves a gap and stops nothing', async () => {
  count(0, 0)
  await server.run(await upRequest(server.client, [definition('api')]))
  await until(async () => (await metrics()).points.length > 0)
  failStatus.because = 'it is stopped'
  await sleep(200)
  count(5, 0)
  failStatus.because = undefined
  await until(async () => (await metrics()).total?.requests === 5)
})

test('a span that is longer than anything is kept is refused', async () => {
  await expect(server.client.request('metrics', { params, query: { seconds: 10 ** 8 } })).rejects.toMatchObject({ code: 'USAGE' })
})
