import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pLimit from 'p-limit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { casesOf, inCampaign } from './campaign.ts'
import { bundleClient, createClientPool, type ClientPool } from './client-pool.fixture.ts'
import { startFakeCloud, type CloudResource, type FakeAccount, type FakeCloud } from './fake-cloud/index.ts'
import { changes, copiedMarks, foreignResources } from './sigkill-graphs.fixture.ts'
import type { Job } from './sigkill.fixture.ts'

/**
 * A process that brings ten resources about, updates, replaces or destroys them is killed with SIGKILL before and after each of its
 * calls that change something, and right after each of its journal entries. A new process goes on, and is killed at each of its own
 * points too; a third one ends the work. Then exactly what is desired is there, and what others planted is as it was.
 *
 * What a killed process left (files and account) is copied for each way to go on, so that a pair costs one killed process.
 */
type Action = keyof typeof changes

/** Where a process is killed. A call that is held before its effect is dropped, or has its effect although the client is dead. */
type Point = { readonly entry: number } | { readonly call: number; readonly moment: 'before' | 'after'; readonly drop: boolean }

/** What a process left behind, or began with. */
interface Left {
  readonly dir: string
  readonly saved: Awaited<ReturnType<FakeAccount['save']>>
  readonly foreign: readonly CloudResource[]
}

interface Run extends Left {
  readonly account: FakeAccount
  readonly job: Job
}

const actions = Object.keys(changes) as readonly Action[]
const consistencyMs = 40
const platformId = 'p1'
let cloud: FakeCloud
let root: string
let pool: ClientPool
let runs = 0
const limit = pLimit(3)

beforeAll(async () => {
  cloud = await startFakeCloud()
  root = await mkdtemp(join(memoryFolder(), 'pilot-sigkill-'))
  await bundleClient(join(root, 'program.mjs'))
  pool = createClientPool(join(root, 'program.mjs'))
})
afterAll(async () => {
  pool.stop()
  await cloud.stop()
  await rm(root, { recursive: true })
})

describe('a process killed anywhere in', () => {
  test.each(actions)('%s: the next one ends the work', { timeout: 900_000 }, async (action) => {
    const start = await before(action)
    const whole = await measure(action, start)
    expect(whole.changes).toBe(changes[action].calls)
    const points = pointsOf(whole)
    await Promise.all(casesOf(points, 16).map((point) => limit(() => attempt({ action, start, points: [point] }))))
  })

  test.each(actions)('%s, and the one that goes on killed too: the third one ends the work', { timeout: 3_600_000 }, async (action) => {
    const start = await before(action)
    let [tried, missed] = [0, 0]
    const firsts = casesOf(pointsOf(await measure(action, start)), 6)
    await Promise.all(
      firsts.map(async (first) => {
        const left = await limit(() => killed({ action, start, point: first }))
        const seconds = casesOf(pointsOf(await limit(() => measure(action, left!))), 4)
        await Promise.all(
          seconds.map((second) =>
            limit(async () => {
              tried++
              if (!(await attempt({ action, start: left!, points: [first, second] }))) missed++
            }),
          ),
        )
        await rm(left!.dir, { recursive: true })
      }),
    )
    expect(tried).toBeGreaterThanOrEqual(inCampaign({ full: 800, short: 15 }))
    // Retries make some runs a little longer than others.
    expect(missed / tried).toBeLessThan(0.05)
  })
})

/** Kills at the last of the points and lets another process end the work. False when it ended before that point. */
async function attempt({ action, start, points }: { action: Action; start: Left; points: readonly Point[] }): Promise<boolean> {
  const left = await killed({ action, start, point: points.at(-1)! })
  if (left === undefined) {
    expect(points.length, `${action} ended before ${JSON.stringify(points)}`).toBeGreaterThan(1)
    return false
  }
  await finish({ action, left, title: `${action} killed at ${JSON.stringify(points)}` })
  await rm(left.dir, { recursive: true })
  return true
}

async function before(action: Action): Promise<Left> {
  const account = cloud.account(`${action}${++runs}`)
  const dir = join(root, `${action}${runs}`)
  const { before } = changes[action]
  await account.configure({ consistencyMs, slowMs: 10, delayMs: 1 })
  if (before.length > 0) expect(await pool.ask(jobOf({ account, dir, desired: before }))).not.toHaveProperty('error')
  const planted = [...foreignResources(platformId), ...(before.length > 0 ? copiedMarks(platformId) : [])]
  const ids = await Promise.all(planted.map((resource) => account.plant(resource)))
  const foreign = (await settled(account)).filter(({ id }) => ids.includes(id))
  return { dir, saved: await account.save(), foreign }
}

/** The same files and the same account once more. */
async function begin(action: Action, { dir, saved, foreign }: Left): Promise<Run> {
  const account = cloud.account(`run${++runs}`)
  const copy = join(root, `run${runs}`)
  if (existsSync(dir)) await cp(dir, copy, { recursive: true })
  await account.restore(saved)
  await account.configure({ consistencyMs, slowMs: 10, delayMs: 1 })
  return { account, dir: copy, saved, foreign, job: jobOf({ account, dir: copy, desired: changes[action].after }) }
}

async function measure(action: Action, start: Left): Promise<{ changes: number; entries: number }> {
  const run = await begin(action, start)
  const { entries = 0, error } = await pool.ask(run.job)
  expect(error).toBeUndefined()
  await rm(run.dir, { recursive: true })
  return { changes: (await run.account.calls()).filter(({ operation }) => operation !== 'get' && operation !== 'list').length, entries }
}

function pointsOf({ changes, entries }: { changes: number; entries: number }): readonly Point[] {
  const calls = range(changes).flatMap((call): readonly Point[] => [
    { call, moment: 'before', drop: true },
    { call, moment: 'before', drop: false },
    { call, moment: 'after', drop: true },
  ])
  return [...calls, ...range(entries).map((entry) => ({ entry }))]
}

/** Undefined when the work ended before that point. */
async function killed({ action, start, point }: { action: Action; start: Left; point: Point }): Promise<Left | undefined> {
  const { account, job, dir, foreign } = await begin(action, start)
  const client = pool.start()
  if ('entry' in point) {
    const answer = await client.ask({ ...job, dieAt: { entry: point.entry, moment: 'after' } })
    if (answer !== 'killed') return void (await client.kill())
  } else {
    await account.configure({ faults: [{ action: 'hold', moment: point.moment, operation: 'change', call: point.call }] })
    const held = await Promise.race([account.held(), client.ask(job)])
    await client.kill()
    if (held === 'killed' || !('n' in held)) return undefined
    await account.configure({ faults: [] })
    await account.release({ drop: point.drop })
    // The effect comes a moment after the release.
    await expect.poll(async () => (await account.calls()).at(held.n - 1)!.status !== 0 || point.drop, { interval: 1, timeout: 20_000 }).toBe(true)
  }
  return { dir, saved: await account.save(), foreign }
}

/** Exactly what is desired, nothing twice, no rule of the cloud broken, nothing foreign touched; then destroy leaves none. */
async function finish({ action, left, title }: { action: Action; left: Left; title: string }): Promise<void> {
  const { account, job, dir, foreign } = await begin(action, left)
  const isForeign = ({ id }: CloudResource) => foreign.some((each) => each.id === id)
  const ours = async () => (await account.resources()).filter((each) => !isForeign(each)).map(({ marks }) => marks['key']!)
  expect(await pool.ask(job), title).not.toHaveProperty('error')
  if (job.desired.length > 0) {
    expect((await ours()).toSorted(), title).toEqual(job.desired.map(({ key }) => key).toSorted())
    expect(await pool.ask({ ...job, desired: [] }), title).not.toHaveProperty('error')
  }
  expect(await ours(), title).toEqual([])
  expect((await account.resources()).filter(isForeign), title).toEqual(foreign)
  expect(await account.violations(), title).toEqual([])
  await rm(dir, { recursive: true })
}

function jobOf({ account, dir, desired }: { account: FakeAccount; dir: string; desired: Job['desired'] }): Job {
  return { url: account.url, dir, desired, confirm: changes.apply.after.map(({ key }) => key), consistencyMs }
}

async function settled(account: FakeAccount): Promise<readonly CloudResource[]> {
  await expect.poll(async () => (await account.resources()).every(({ state }) => state === 'ready'), { interval: 5, timeout: 20_000 }).toBe(true)
  return account.resources()
}

/** What a killed process wrote is in the kernel's hands whether a disk is below or not, and thousands of flushes take time. */
const memoryFolder = () => (existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
const range = (n: number) => Array.from({ length: n }, (_, index) => index + 1)
