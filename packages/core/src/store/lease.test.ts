import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createFileStore } from './file-store.ts'
import { acquireLease } from './lease.ts'
import { hostIdentity, processIdentity } from './process-identity.ts'
import type { LeaseStore, ScopeStore } from './store.ts'

let dir: string
let store: ScopeStore
const here = () => ({ ...processIdentity()!, ...hostIdentity() })
const elsewhere = () => ({ ...here(), bootId: 'elsewhere', host: 'other-machine' })

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilot-lease-'))
  store = createFileStore({ dir }).scope('app/shop/api/production')
})
afterEach(() => rm(dir, { recursive: true }))

describe('a lease', () => {
  it('is free after its release, and tokens only grow', async () => {
    const first = await acquireLease({ store, title: 'first' })
    await first.checkpoint()
    await first.release()
    await first.release()
    const second = await acquireLease({ store, title: 'second' })
    expect(second.fence.token).toBeGreaterThan(first.fence.token)
    await expect(first.checkpoint()).rejects.toMatchObject({ code: 'LEASE_LOST' })
    await second.release()
  })

  it('is released at the end of its block', async () => {
    {
      await using lease = await acquireLease({ store, title: 'first' })
      await lease.checkpoint()
    }
    expect((await store.lease.read())?.holder).toBeUndefined()
  })

  it('that is held is refused at once, naming who holds it since when', async () => {
    await using _ = await acquireLease({ store, title: 'deploy of shop/api by ada on laptop' })
    await expect(acquireLease({ store, title: 'second' })).rejects.toMatchObject({
      code: 'HELD',
      message: expect.stringMatching(/"deploy of shop\/api by ada on laptop" since \d{4}-/),
      reason: expect.stringContaining(`process ${process.pid} on `),
    })
  })

  it('is given to one that waits, as soon as it is released', async () => {
    const first = await acquireLease({ store, title: 'first', ttlMs: 300 })
    const waitedFor: string[] = []
    const second = acquireLease({ store, title: 'second', waitMs: 10_000, ttlMs: 300, onWait: ({ title }) => waitedFor.push(title) })
    await sleep(150)
    await first.release()
    await (await second).release()
    expect(waitedFor).toEqual(['first'])
  })

  it('is not given to one that stops waiting', async () => {
    await using _ = await acquireLease({ store, title: 'first', ttlMs: 200 })
    await expect(acquireLease({ store, title: 'second', waitMs: 150 })).rejects.toMatchObject({ code: 'HELD' })
    const cancel = AbortSignal.timeout(100)
    await expect(acquireLease({ store, title: 'third', waitMs: 60_000, signal: cancel })).rejects.toMatchObject({ code: 'CANCELLED' })
  })

  it('of a process that is gone is taken at once', async () => {
    await acquireLease({ store, title: 'killed', identity: { ...here(), startTime: '1' } })
    const started = performance.now()
    await using _ = await acquireLease({ store, title: 'next' })
    expect(performance.now() - started).toBeLessThan(1000)
  })

  it('of another machine is refused as soon as its heartbeat is seen, however long the calls are', async () => {
    await using _ = await acquireLease({ store, title: 'far away', ttlMs: 300, identity: elsewhere() })
    const started = performance.now()
    await expect(acquireLease({ store, title: 'next', ttlMs: 300, maxCallMs: 60_000 })).rejects.toMatchObject({ code: 'HELD' })
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('of another machine is taken when its heartbeat stood still for the ttl and the longest call', async () => {
    await store.lease.swap(undefined, { token: 7, beat: 3, ttlMs: 200, holder: { ...elsewhere(), id: 'x', title: 'silent', since: 'then' } })
    const started = performance.now()
    await using lease = await acquireLease({ store, title: 'next', maxCallMs: 300, ttlMs: 100 })
    expect(performance.now() - started).toBeGreaterThanOrEqual(500)
    expect(lease.fence.token).toBe(8)
  })

  it('is known to be lost as soon as somebody else took it', async () => {
    const lease = await acquireLease({ store, title: 'first', ttlMs: 150 })
    await takeAway()
    await expect(lease.checkpoint()).rejects.toMatchObject({ code: 'LEASE_LOST', reason: expect.stringContaining('"thief"') })
    expect(lease.signal.aborted).toBe(true)
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST' })
    await lease.release()
    expect((await store.lease.read())?.holder?.title).toBe('thief')
  })

  it('is known to be lost by its heartbeat alone', async () => {
    const lease = await acquireLease({ store, title: 'first', ttlMs: 150 })
    await takeAway()
    await expect.poll(() => lease.signal.aborted, { timeout: 5000 }).toBe(true)
    await lease.release()
  })

  it('is lost when its heartbeat could not be stored for the ttl, and not before', async () => {
    let broken = false
    const lease = await acquireLease({ store: withLease((real) => ({ ...real, swap: (...records) => (broken ? Promise.reject(new Error('disk gone')) : real.swap(...records)) })), title: 'first', ttlMs: 600 })
    await lease.checkpoint()
    const brokenAt = performance.now()
    broken = true
    await expect.poll(() => lease.signal.aborted, { timeout: 5000, interval: 10 }).toBe(true)
    expect(performance.now() - brokenAt).toBeGreaterThan(300)
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST', reason: 'disk gone' })
    await expect(lease.checkpoint()).rejects.toMatchObject({ code: 'LEASE_LOST' })
    broken = false
    await lease.release()
  })

  it('lets nothing pass while its store cannot be asked, and goes on when it can again', async () => {
    let broken = false
    const lease = await acquireLease({ store: withLease((real) => ({ ...real, read: () => (broken ? Promise.reject(new Error('disk gone')) : real.read()) })), title: 'first', ttlMs: 3000 })
    broken = true
    let passed = false
    const waiting = lease.checkpoint().then(() => (passed = true))
    await sleep(200)
    expect(passed).toBe(false)
    broken = false
    await waiting
    await lease.release()
  })

  it('survives a short outage of its store', async () => {
    let failures = 0
    const lease = await acquireLease({ store: withLease((real) => ({ ...real, swap: (...records) => (records[0] !== undefined && failures++ < 2 ? Promise.reject(new Error('hiccup')) : real.swap(...records)) })), title: 'first', ttlMs: 1500 })
    await expect.poll(() => failures, { timeout: 20_000 }).toBeGreaterThan(2)
    await lease.checkpoint()
    await lease.release()
  })

  it('survives that the answer to a heartbeat is lost on the way', async () => {
    let dropped = 0
    const lease = await acquireLease({
      store: withLease((real) => ({
        ...real,
        async swap(previous, next) {
          const swapped = await real.swap(previous, next)
          if (previous !== undefined && dropped++ === 0) throw new Error('connection reset')
          return swapped
        },
      })),
      title: 'first',
      ttlMs: 900,
    })
    await expect.poll(() => dropped, { timeout: 20_000 }).toBeGreaterThan(1)
    await lease.checkpoint()
    await lease.release()
    expect((await store.lease.read())?.holder).toBeUndefined()
  })

  it('is proven anew at a checkpoint that comes late, as after a suspension', async () => {
    let now = 0
    const sleeping = { monotonicMs: () => now, date: () => new Date(), sleep: () => new Promise<void>(() => {}) }
    const lease = await acquireLease({ store, title: 'first', ttlMs: 1000, clock: sleeping })
    const before = (await store.lease.read())!.beat
    now = 400
    await lease.checkpoint()
    expect((await store.lease.read())!.beat).toBe(before)
    now = 5000
    await lease.checkpoint()
    expect((await store.lease.read())!.beat).toBe(before + 1)
    now = 60_000
    await takeAway()
    await expect(lease.checkpoint()).rejects.toMatchObject({ code: 'LEASE_LOST' })
  })

  it('of an owner that was removed with its scope stays held until the release', async () => {
    const lease = await acquireLease({ store, title: 'destroy', ttlMs: 150 })
    await store.remove(lease.fence)
    await sleep(300)
    await lease.checkpoint()
    await lease.release()
    expect(lease.signal.aborted).toBe(false)
  })

  async function takeAway(): Promise<void> {
    for (;;) {
      const stored = (await store.lease.read())!
      if (await store.lease.swap(stored, { token: stored.token + 1, beat: 0, ttlMs: 60_000, holder: { ...here(), id: 'thief', title: 'thief', since: 'now' } })) return
    }
  }

  function withLease(change: (real: LeaseStore) => LeaseStore): ScopeStore {
    return { ...store, lease: change(store.lease) }
  }
})
