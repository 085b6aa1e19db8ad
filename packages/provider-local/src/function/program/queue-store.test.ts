import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openQueueStore, type QueueStore } from './queue-store.ts'

let folder: string
let store: QueueStore
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilot-queue-'))
  store = openQueueStore(join(folder, 'queue.sqlite'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const hour = 3_600_000
const now = 100 * hour
const receive = (at: number) => store.receive({ max: 10, visibleInMs: 10_000, retries: 1, now: at })
const bodies = (at: number) => receive(at).map(({ body }) => body)

test('what is renewed stays with whoever took it, and with nobody else', () => {
  store.send([{ body: 'a' }], now)
  const taken = receive(now)
  store.renew(taken, now + 60_000)
  expect(bodies(now + 30_000)).toEqual([])
  const again = receive(now + 60_000)
  expect(again).toHaveLength(1)
  store.renew(taken, now + hour)
  expect(store.nextAt()).toBe(now + 70_000)
})

test('what was given back is there at once and as if it had never been taken', () => {
  store.send([{ body: 'a' }], now)
  for (let time = 0; time < 5; time++) store.release(receive(now))
  expect(receive(now)).toMatchObject([{ body: 'a', receives: 1 }])
})

test('a clock that was set back keeps nothing waiting for longer than it would have', () => {
  store.send([{ body: 'at once' }, { body: 'later', delayMs: 5_000 }], now)
  const taken = receive(now - hour)
  expect(taken.map(({ body }) => body)).toEqual(['at once'])
  store.done(taken)
  store.setBack(hour)
  expect(bodies(now - hour + 4_999)).toEqual([])
  expect(bodies(now - hour + 5_000)).toEqual(['later'])
})

test('what failed too often or was taken too often is put aside, with its last error', () => {
  store.send([{ body: 'fails' }, { body: 'kills' }], now)
  const [fails] = receive(now)
  store.failed([{ ...fails!, error: 'first' }], { retries: 1, now })
  const later = now + 10_000
  const second = receive(later)
  store.failed([{ ...second.find(({ body }) => body === 'fails')!, error: 'second' }], { retries: 1, now: later })
  expect(bodies(later + 10_000)).toEqual([])
  expect(store.dead(10).map(({ body, error }) => [body, error]).sort()).toEqual([['fails', 'second'], ['kills', expect.stringContaining('each time')]])
  expect([store.retry(), store.counts(later)]).toEqual([2, { waiting: 2, inFlight: 0, dead: 0 }])
})
