import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openNotifications } from '../db/notifications.ts'
import { emptied, testDatabase, type TestDatabase } from '../testing/database.ts'
import { followEvents } from './follow.ts'
import { appendEvents, lastEvent, readEvents } from './streams.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await testDatabase()
})
beforeEach(() => emptied(database))
afterAll(() => database[Symbol.asyncDispose]())

const append = (stream: string, ...texts: readonly string[]) => database.db.transaction().execute((tx) => appendEvents(tx, stream, texts.map((text) => ({ body: { text } }))))

test('numbers have no gap and no double, whoever writes', async () => {
  await Promise.all(Array.from({ length: 40 }, (_, n) => append('a', `${n}`, `${n}b`)))
  const events = await readEvents(database.db, { stream: 'a', after: 0 })
  expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1))
  expect(await lastEvent(database.db, 'a')).toBe(80)
  expect(await lastEvent(database.db, 'b')).toBe(0)
})

test('a reader that follows while many write sees every event in its order', async () => {
  const notifications = await openNotifications(database.address)
  const stop = new AbortController()
  const seen: number[] = []
  const reading = (async () => {
    for await (const event of followEvents({ db: database.db, notifications, stream: 'a', after: 0, signal: stop.signal })) {
      if (event !== undefined) seen.push(event.seq)
      if (seen.length === 60) stop.abort()
    }
  })()
  // A transaction that takes its number early and commits late: readers must not pass it.
  await Promise.all(
    Array.from({ length: 30 }, (_, n) =>
      database.db.transaction().execute(async (tx) => {
        await appendEvents(tx, 'a', [{ body: { n } }, { body: { n } }])
        await new Promise((resolve) => setTimeout(resolve, n % 3 === 0 ? 20 : 0))
      }),
    ),
  )
  await reading
  expect(seen).toEqual(Array.from({ length: 60 }, (_, index) => index + 1))
  await notifications.close()
})

test('a reader that was told nothing looks again after a reconnect', async () => {
  const notifications = await openNotifications(database.address)
  const stop = new AbortController()
  const following = followEvents({ db: database.db, notifications, stream: 'a', after: 0, signal: stop.signal })[Symbol.asyncIterator]()
  await append('a', 'before')
  expect((await following.next()).value).toMatchObject({ seq: 1 })
  const next = following.next()
  const { sql } = await import('kysely')
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'pilot-listen'`.execute(database.db)
  await append('a', 'while nobody listened')
  expect((await next).value).toMatchObject({ seq: 2, body: { text: 'while nobody listened' } })
  stop.abort()
  await notifications.close()
})

test('many readers of one stream ask the database once for what each of them waits for, and all see every event', async () => {
  const notifications = await openNotifications(database.address)
  const stop = new AbortController()
  let asked = 0
  const db = database.db.withPlugin({
    transformQuery({ node }) {
      asked++
      return node
    },
    transformResult: async ({ result }) => result,
  })
  const readers = Array.from({ length: 200 }, () => {
    const seen: number[] = []
    const reading = (async () => {
      for await (const event of followEvents({ db, notifications, stream: 'a', after: 0, signal: stop.signal })) if (event !== undefined) seen.push(event.seq)
    })()
    return { seen, reading }
  })
  for (let n = 1; n <= 30; n++) await append('a', `${n}`)
  for (const { seen } of readers) await expect.poll(() => seen.length, { timeout: 20_000 }).toBe(30)
  for (const { seen } of readers) expect(seen).toEqual(Array.from({ length: 30 }, (_, index) => index + 1))
  stop.abort()
  await Promise.all(readers.map(({ reading }) => reading))
  await notifications.close()
  // Each on its own they would ask 6,000 times and more.
  expect(asked).toBeLessThan(600)
})
