import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { emptied, testDatabase, type TestDatabase } from '../testing/database.ts'
import { forgetOldSamples, keepSample, readSamples, resolutions, type StoredSample } from './store.ts'

let database: TestDatabase
beforeAll(async () => void (database = await testDatabase()))
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

const app = { platform: 'local', project: 'shop', app: 'api', environment: 'production' }
const secondsAgo = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString()
const sample = (ago: number, requests = 1): StoredSample => ({ at: secondsAgo(ago), seconds: 15, requests, errors: 0, latency: [{ upToMs: 10, count: requests }], memoryBytes: requests, instances: 1 })
const steps = async () => Map.groupBy(await database.db.selectFrom('metrics').select(['step', 'at', 'data']).orderBy('at').execute(), ({ step }) => step)

test('what is fine now becomes coarse, and is forgotten when it is old; what is asked for decides which is read', async () => {
  const { db } = database
  // Four hours, a sample a minute.
  for (let ago = 4 * 3600; ago > 0; ago -= 60) await keepSample(db, app, sample(ago, 2))
  const kept = await steps()
  const oldest = Date.parse(kept.get(15)![0]!.at)
  expect(Date.now() - oldest).toBeLessThan(resolutions[0].keptSeconds * 1000 + 6 * 60_000)
  expect(kept.get(300)!.length).toBeGreaterThan(45)
  for (const { data } of kept.get(300)!.slice(1)) expect(data).toMatchObject({ requests: 10, seconds: 75, latency: [{ upToMs: 10, count: 10 }], memoryBytes: 2 })
  expect((await readSamples(db, app, { since: secondsAgo(1800) })).length).toBe(29)
  const wide = await readSamples(db, app, { since: secondsAgo(4 * 3600 + 60) })
  expect(wide.every(({ seconds }) => seconds <= 75)).toBe(true)
  expect(wide.reduce((sum, { requests }) => sum + requests, 0), 'each sample once, the newest minutes among them').toBe(2 * 240)
  expect((await readSamples(db, { ...app, app: 'web' }, { since: secondsAgo(1800) })).length).toBe(0)
})

test('a wide look at an app that is a minute old shows what there is', async () => {
  await keepSample(database.db, app, sample(60, 3))
  await keepSample(database.db, app, sample(45, 4))
  const found = await readSamples(database.db, app, { since: secondsAgo(7 * 24 * 3600) })
  expect(found.map(({ requests }) => requests)).toEqual([3, 4])
})

test('of apps that nobody looks at any more nothing stays for ever', async () => {
  await keepSample(database.db, app, sample(9 * 24 * 3600))
  await keepSample(database.db, { ...app, app: 'web' }, sample(60))
  await forgetOldSamples(database.db)
  expect((await steps()).get(15)).toHaveLength(1)
})
