import { hostIdentity, processIdentity } from '@pilot/core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEvents } from '../events/streams.ts'
import { emptied, testDatabase, type TestDatabase } from '../testing/database.ts'
import { cancelOperation } from './cancel.ts'
import { createOperation } from './create.ts'
import type { PlannedJob } from './plan.ts'
import { beat, claimJob, finishJob, returnJob, type ClaimedJob } from './queue.ts'
import { maxAttempts, reapJobs } from './reaper.ts'
import { readOperation } from './view.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
beforeEach(() => emptied(database))
afterAll(() => database[Symbol.asyncDispose]())

const me = { ...processIdentity()!, ...hostIdentity() }
const dead = { ...me, pid: 2 ** 22 + 1 }

const jobFor = (app: string, { after = [] }: { after?: readonly number[] } = {}): PlannedJob => {
  const identity = { project: 'shop', app, environment: 'production' }
  return { scope: `app/shop/${app}/production`, app: identity, payload: { action: 'restart', app: identity }, after }
}
const platformJob: PlannedJob = { scope: 'platform', payload: { action: 'destroy-platform', deleteData: false }, after: [] }

const queue = async (...jobs: readonly PlannedJob[]) => (await createOperation(database.db, { action: 'restart', platform: 'local', project: 'shop', environment: 'production', by: 'ada', jobs })).operation
const claim = () => claimJob(database.db, me)
const done = (job: Awaited<ReturnType<typeof claim>>) => finishJob(database.db, job!, { state: 'done', result: {} })
const failed = (job: Awaited<ReturnType<typeof claim>>) => finishJob(database.db, job!, { state: 'failed', error: { code: 'BUILD_FAILED', message: 'The build failed', suggestion: '' } })
const states = async (id: string) => (await readOperation(database.db, id))!.jobs.map(({ state }) => state)

describe('the order', () => {
  test('jobs of one app run one after the other, of two apps at the same time', async () => {
    const [first, second, other] = [await queue(jobFor('api')), await queue(jobFor('api')), await queue(jobFor('web'))]
    const claimed = [await claim(), await claim(), await claim()]
    expect(claimed.map((job) => job?.operation)).toEqual([first.id, other.id, undefined])
    await done(claimed[0])
    expect((await claim())?.operation).toBe(second.id)
  })

  test('a job of the platform waits for its apps, and they for it', async () => {
    const [app, platform, later] = [await queue(jobFor('api')), await queue(platformJob), await queue(jobFor('web'))]
    const running = await claim()
    expect(running?.operation).toBe(app.id)
    expect(await claim()).toBeUndefined()
    await done(running)
    const next = await claim()
    expect(next?.operation).toBe(platform.id)
    expect(await claim()).toBeUndefined()
    await done(next)
    expect((await claim())?.operation).toBe(later.id)
  })

  test('each job that is queued says what it waits for', async () => {
    const [app, second, platform] = [await queue(jobFor('api'), jobFor('web', { after: [0] })), await queue(jobFor('api')), await queue(platformJob)]
    const waits = async (id: string) => (await readOperation(database.db, id))!.jobs.map(({ waitsFor }) => waitsFor)
    expect(await waits(app.id)).toEqual(['waits for a runner', 'waits for restart of shop/api by ada'])
    const running = await claim()
    expect(await waits(app.id)).toEqual([undefined, 'waits for restart of shop/api by ada'])
    expect(await waits(second.id)).toEqual(['waits for restart of shop/api by ada'])
    expect(await waits(platform.id)).toEqual(['waits for restart of shop/api by ada'])
    await done(running)
    expect(await waits(app.id)).toEqual([undefined, 'waits for a runner'])
    expect(await waits(second.id)).toEqual(['waits for a runner'])
  })

  test('a failed job does not hold up the next one of the same app', async () => {
    await queue(jobFor('api'))
    const second = await queue(jobFor('api'))
    await failed(await claim())
    expect((await claim())?.operation).toBe(second.id)
  })

  test('ten runners at once take each job once', async () => {
    for (let n = 0; n < 5; n++) await queue(jobFor(`app-${n}`), jobFor(`app-${n}-b`))
    const claimed = (await Promise.all(Array.from({ length: 20 }, claim))).filter((job) => job !== undefined)
    const rest: typeof claimed = []
    for (let job = await claim(); job !== undefined; job = await claim()) rest.push(job)
    const ids = [...claimed, ...rest].map(({ id }) => id)
    expect(new Set(ids).size).toBe(10)
    expect(ids).toHaveLength(10)
  })

  test('what waits says for what', async () => {
    await queue(jobFor('api'))
    const second = await queue(jobFor('api'))
    expect((await readEvents(database.db, { stream: second.id, after: 0 })).map(({ body }) => body['text'])).toEqual(['Waiting for: restart of shop/api by ada'])
  })
})

describe('jobs of one operation', () => {
  test('run after those they need; when one fails, those behind it are skipped with the reason, the others go on', async () => {
    const operation = await queue(jobFor('store'), jobFor('api', { after: [0] }), jobFor('web', { after: [1] }), jobFor('docs'))
    const [store, docs] = [await claim(), await claim()]
    expect([store?.app, docs?.app]).toEqual(['store', 'docs'])
    await failed(store)
    expect(await states(operation.id)).toEqual(['failed', 'skipped', 'skipped', 'running'])
    await done(docs)
    const ended = (await readOperation(database.db, operation.id))!
    expect(ended).toMatchObject({ state: 'failed', error: { code: 'BUILD_FAILED' } })
    expect(ended.jobs.map(({ error }) => error?.message)).toEqual(['The build failed', 'api was skipped because store failed', 'web was skipped because api was skipped', undefined])
    const events = await readEvents(database.db, { stream: operation.id, after: 0 })
    expect(events.at(-1)!.body).toMatchObject({ type: 'operation.finished', outcome: 'failed' })
  })
})

describe('attempts', () => {
  test('what an outdated attempt reports does not count', async () => {
    const operation = await queue(jobFor('api'))
    const first = (await claimJob(database.db, dead))!
    expect(await reapJobs(database.db, { silentMs: 60_000 })).toEqual([first.id])
    const second = (await claim())!
    expect([first.attempt, second.attempt]).toEqual([1, 2])
    expect(await beat(database.db, first)).toEqual({ lost: true })
    expect(await finishJob(database.db, first, { state: 'done', result: { from: 'first' } })).toBe(false)
    expect(await finishJob(database.db, second, { state: 'done', result: { from: 'second' } })).toBe(true)
    expect((await readOperation(database.db, operation.id))!.jobs[0]!.result).toEqual({ from: 'second' })
  })

  test('a runner that lives is left alone until it has been silent for too long', async () => {
    await queue(jobFor('api'))
    await claim()
    expect(await reapJobs(database.db, { silentMs: 60_000 })).toEqual([])
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await reapJobs(database.db, { silentMs: 10 })).toHaveLength(1)
  })

  test('a job that kills its runners again and again is given up', async () => {
    const operation = await queue(jobFor('api'))
    for (let n = 1; n <= maxAttempts; n++) {
      expect((await claimJob(database.db, dead))?.attempt).toBe(n)
      await reapJobs(database.db, { silentMs: 60_000 })
    }
    expect(await claim()).toBeUndefined()
    expect(await readOperation(database.db, operation.id)).toMatchObject({ state: 'failed', error: { code: 'INTERNAL', message: `The runner of this job died ${maxAttempts} times` } })
  })

  test('a job that is given back is taken again', async () => {
    await queue(jobFor('api'))
    await returnJob(database.db, (await claim())!)
    expect((await claim())?.attempt).toBe(2)
  })
})

describe('cancel', () => {
  test('what waits never starts; what runs is told', async () => {
    const operation = await queue(jobFor('api'), jobFor('web', { after: [0] }))
    const running = (await claim())!
    expect(await cancelOperation(database.db, operation.id, 'bob')).toMatchObject({ state: 'running', jobs: [{ state: 'running', cancelRequested: true }, { state: 'cancelled' }] })
    expect(await beat(database.db, running)).toEqual({ lost: false, cancelledBy: 'bob' })
    await finishJob(database.db, running, { state: 'cancelled', error: { code: 'CANCELLED', message: 'Cancelled by bob', suggestion: '' } })
    expect(await readOperation(database.db, operation.id)).toMatchObject({ state: 'cancelled', error: { code: 'CANCELLED' } })
  })

  test('of an operation that has not begun, and of one that has ended', async () => {
    const operation = await queue(jobFor('api'))
    expect(await cancelOperation(database.db, operation.id, 'bob')).toMatchObject({ state: 'cancelled' })
    expect(await claim()).toBeUndefined()
    expect(await cancelOperation(database.db, operation.id, 'carol')).toMatchObject({ state: 'cancelled', error: { message: 'Cancelled by bob before it started' } })
    await expect(cancelOperation(database.db, 'nothing', 'bob')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test.each([
    ['died', async (job: ClaimedJob) => void (await reapJobs(database.db, { silentMs: 60_000 })).includes(job.id)],
    ['stopped and gave its job back', (job: ClaimedJob) => returnJob(database.db, job)],
  ])('of a job whose runner %s before it heard of it: nothing of it runs again', async (_, end) => {
    const operation = await queue(jobFor('api'), jobFor('web', { after: [0] }))
    const job = (await claimJob(database.db, dead))!
    await cancelOperation(database.db, operation.id, 'bob')
    await end(job)
    expect(await claim()).toBeUndefined()
    expect(await readOperation(database.db, operation.id)).toMatchObject({ state: 'cancelled', error: { code: 'CANCELLED', message: 'Cancelled by bob' }, jobs: [{ state: 'cancelled' }, { state: 'cancelled' }] })
    const events = await readEvents(database.db, { stream: operation.id, after: 0 })
    expect(events.at(-1)!.body).toMatchObject({ type: 'operation.finished', outcome: 'cancelled' })
  })
})
