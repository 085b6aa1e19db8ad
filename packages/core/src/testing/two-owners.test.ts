import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Graph } from '../provider/graph.ts'
import { ref } from '../provider/value.ts'
import { createFileStore } from '../store/file-store.ts'
import type { ScopeStore } from '../store/store.ts'
import { bundleClient, createClientPool, type Client, type ClientPool } from './client-pool.fixture.ts'
import { startFakeCloud, type FakeAccount, type FakeCloud } from './fake-cloud/index.ts'
import type { Job } from './sigkill.fixture.ts'

/** Two real processes on one scope, and SIGSTOP. A frozen process looks like one on a machine that cannot be looked at. */
const consistencyMs = 40
const graph = (image = 'base'): Graph => [
  { key: 'network', kind: 'fake/network', inputs: {} },
  { key: 'server', kind: 'fake/server', inputs: { network: ref('network').output('id'), image } },
]
const lease = { ttlMs: 300, maxCallMs: 300, waitMs: 60_000 }
let cloud: FakeCloud
let root: string
let pool: ClientPool
let runs = 0
let account: FakeAccount
let job: Job
let scope: ScopeStore
const clients: Client[] = []

beforeAll(async () => {
  cloud = await startFakeCloud()
  root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pilot-owners-'))
  await bundleClient(join(root, 'program.mjs'))
  pool = createClientPool(join(root, 'program.mjs'))
})
afterAll(async () => {
  pool.stop()
  await cloud.stop()
  await rm(root, { recursive: true })
})
beforeEach(async () => {
  account = cloud.account(`owners${++runs}`)
  await account.configure({ consistencyMs })
  job = { url: account.url, dir: join(root, `run${runs}`), desired: graph(), confirm: [], consistencyMs, lease }
  scope = createFileStore({ dir: job.dir }).scope('platform')
})
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.kill()))
})

describe('while one process holds the lease', () => {
  test('another one waits for it, or says who holds it since when', async () => {
    const [first, second] = [start(), start()]
    await account.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', call: 1 }] })
    const applied = first.ask(job)
    await account.held()
    expect(await second.ask({ ...job, lease: { ...lease, waitMs: 0 } })).toMatchObject({
      error: { code: 'HELD', message: expect.stringMatching(new RegExp(`held by "job of ${first.pid}" since \\d{4}-\\d\\d-\\d\\dT`)), reason: expect.stringMatching(new RegExp(`^process ${first.pid} on `)) },
    })
    const waiting = second.ask({ ...job, desired: graph('second') })
    await account.release()
    expect(await applied).not.toHaveProperty('error')
    expect(await waiting).not.toHaveProperty('error')
    expect(await images()).toEqual(['second'])
    const pids = (await account.calls()).map(({ pid }) => pid)
    expect(pids.indexOf(second.pid)).toBeGreaterThan(pids.lastIndexOf(first.pid))
  })
})

describe('a holder that is frozen past its lease', () => {
  test('with a call that has left: that one arrives, nothing else is sent or written, and the next plan settles it', async () => {
    const [frozen, next] = [start(), start()]
    await account.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', type: 'server', call: 1 }] })
    const applied = frozen.ask(job)
    await account.held()
    frozen.signal('SIGSTOP')
    await account.configure({ faults: [] })
    expect(await next.ask({ ...job, desired: graph('next') })).not.toHaveProperty('error')
    expect(await images()).toEqual(['next'])
    const before = await scope.readState()
    const sent = (await callsOf(frozen)).length
    await account.release()
    await expect.poll(images, { timeout: 20_000 }).toHaveLength(2)
    frozen.signal('SIGCONT')
    expect(await applied).toMatchObject({ error: { code: 'LEASE_LOST' } })
    expect(await scope.readState()).toEqual(before)
    expect(await callsOf(frozen)).toHaveLength(sent)
    await settle(next)
  })

  test.each(['before', 'after'] as const)('right %s it looked whether the lease is its own, before its call leaves', async (moment) => {
    const [frozen, next] = [start(), start()]
    const applied = frozen.ask({ ...job, stopAt: { check: 2, moment } })
    await expect.poll(() => readFile(`/proc/${frozen.pid}/stat`, 'utf8'), { timeout: 20_000 }).toMatch(/\) T /)
    expect(await next.ask({ ...job, desired: graph('next') })).not.toHaveProperty('error')
    const before = await scope.readState()
    const sent = (await callsOf(frozen)).length
    frozen.signal('SIGCONT')
    expect(await applied).toMatchObject({ error: { code: 'LEASE_LOST' } })
    expect(await scope.readState()).toEqual(before)
    // Past its check there is one call that nothing can hold back.
    expect((await callsOf(frozen)).length - sent).toBe(moment === 'before' ? 0 : 1)
    expect(await images()).toHaveLength(moment === 'before' ? 1 : 2)
    await settle(next)
  })
})

describe('when all are asleep', () => {
  test('and wake up, the holder goes on, and the one that waits takes nothing from it', async () => {
    const [first, second] = [start(), start()]
    await account.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', type: 'server', call: 1 }] })
    // The lease runs out while they are asleep.
    const patient = { ...job, lease: { ...lease, maxCallMs: 60_000 } }
    const applied = first.ask(patient)
    await account.held()
    const waiting = second.ask(patient)
    await expect.poll(async () => (await scope.lease.read())?.beat, { timeout: 20_000 }).toBeGreaterThan(0)
    for (const client of [first, second]) client.signal('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, 3 * lease.ttlMs))
    for (const client of [second, first]) client.signal('SIGCONT')
    await account.release()
    expect(await applied).not.toHaveProperty('error')
    expect(await waiting).not.toHaveProperty('error')
    expect(await images()).toEqual(['base'])
    expect((await account.calls()).filter(({ operation }) => operation === 'create')).toHaveLength(2)
  })
})

/** Once more, by the new owner: nothing is doubled, and destroy leaves none. */
async function settle(owner: Client): Promise<void> {
  // By then the list shows what arrived.
  await new Promise((resolve) => setTimeout(resolve, 2 * consistencyMs))
  expect(await owner.ask({ ...job, desired: graph('next') })).not.toHaveProperty('error')
  expect(await images()).toEqual(['next'])
  expect(await owner.ask({ ...job, desired: [] })).not.toHaveProperty('error')
  expect(await account.resources()).toEqual([])
  expect(await account.violations()).toEqual([])
}

function start(): Client {
  const client = pool.start()
  clients.push(client)
  return client
}

const images = async () => (await account.resources()).filter(({ type }) => type === 'server').map(({ properties }) => properties['image'])
const callsOf = async ({ pid }: Client) => (await account.calls()).filter((call) => call.pid === pid)
