import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Graph } from '../provider/graph.ts'
import { ref } from '../provider/value.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import { createFileStore } from '../store/file-store.ts'
import { leaseOf } from '../store/power-oracle.fixture.ts'
import { casesOf } from '../testing/campaign.ts'
import type { DiskOperation } from '../testing/power/disk-model.ts'
import { disksAfterCut, marksBefore, writeDisk, type DiskAfterCut } from '../testing/power/disk-states.ts'
import { createEngine, type Engine } from './engine.ts'
import { copyOf, emptyCloud, powerKinds, type PowerCloud } from './power-cloud.fixture.ts'

const disk = await vi.hoisted(async () => (await import('../testing/power/recorded-disk.ts')).installRecordedDisk())

/**
 * The power of the machine goes while the engine works; the cloud goes on. What the disk may hold then is written out, and an
 * engine that knows nothing else makes what is desired, or destroys it.
 */
let root: string
let folders = 0
beforeAll(async () => void (root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pilot-engine-power-'))))
afterAll(() => rm(root, { recursive: true }))

const on = ref('network').output('id')
const before: Graph = [
  { key: 'network', kind: 'power/name', inputs: {} },
  { key: 'database', kind: 'power/search', inputs: { on } },
  { key: 'server', kind: 'power/token', inputs: { on, size: 1 } },
  { key: 'moved', kind: 'power/search', inputs: { place: 'here' } },
  { key: 'gone', kind: 'power/token', inputs: {} },
]
const after: Graph = [...before.slice(0, 2), { key: 'server', kind: 'power/token', inputs: { on, size: 2 } }, { key: 'moved', kind: 'power/search', inputs: { place: 'there' } }, { key: 'new', kind: 'power/name', inputs: {} }]

async function engineIn(dir: string, cloud: PowerCloud, changed?: () => void): Promise<Engine> {
  const scope = createFileStore({ dir: join(dir, 'store') }).scope('platform')
  const stored = await scope.lease.read()
  const token = (stored?.token ?? 0) + 1
  expect(await scope.lease.swap(stored, leaseOf(token))).toBe(true)
  return createEngine({ kinds: powerKinds(cloud, changed), scope, lease: { fence: { token }, checkpoint: async () => {} }, platformId: 'p1', secrets: { name: 'none' } as SecretStore, lateArrivalMs: 0, retry: { firstPauseMs: 1, longestPauseMs: 1 } })
}

async function work(dir: string, cloud: PowerCloud): Promise<void> {
  const changed = () => disk.mark(copyOf(cloud))
  await (await engineIn(dir, cloud, changed)).apply(before)
  await (await engineIn(dir, cloud, changed)).apply(after)
  await (await engineIn(dir, cloud, changed)).destroy()
}

test('whenever the power goes, the next apply makes exactly what is desired, and a destroy leaves nothing', { timeout: 900_000 }, async () => {
  const operations = await recorded((dir) => work(dir, emptyCloud()))
  const states = casesOf([...disksAfterCut(operations, { tears: 3 })], 120)
  expect(states.length).toBeGreaterThan(100)
  for (const state of states) await recovers(operations, state)
})

test('the same when the process had died in a flush and another had gone on', { timeout: 1_800_000 }, async () => {
  const flushes = (await recorded((dir) => work(dir, emptyCloud()))).filter(({ type }) => type === 'flush').length
  for (const flush of casesOf(Array.from({ length: flushes }, (_, index) => index + 1), 8)) {
    const operations = await recorded(async (dir) => {
      const cloud = emptyCloud()
      await Promise.race([disk.dieInFlush(flush), work(dir, cloud)])
      const changed = () => disk.mark(copyOf(cloud))
      await (await engineIn(dir, cloud, changed)).apply(after)
      await (await engineIn(dir, cloud, changed)).destroy()
    })
    for (const state of casesOf([...disksAfterCut(operations, { tears: 2 })], 14)) await recovers(operations, state, `died in flush ${flush}; `)
  }
})

async function recorded(run: (dir: string) => Promise<void>): Promise<readonly DiskOperation[]> {
  const dir = join(root, `recorded-${folders++}`)
  disk.record(dir)
  await run(dir)
  return disk.stop()
}

async function recovers(operations: readonly DiskOperation[], state: DiskAfterCut, died = ''): Promise<void> {
  for (const next of ['apply', 'destroy'] as const) {
    const dir = join(root, `cut-${folders++}`)
    const cloud = copyOf(marksBefore<PowerCloud>(operations, state.at).at(-1) ?? emptyCloud())
    const database = idOf(cloud, 'database')
    writeDisk(dir, state)
    try {
      if (next === 'apply') {
        await (await engineIn(dir, cloud)).apply(after)
        expect(keysIn(cloud)).toEqual(after.map(({ key }) => key).toSorted())
        if (database !== undefined) expect(idOf(cloud, 'database'), 'the database is the same one').toBe(database)
        expect((await (await engineIn(dir, cloud)).plan(after)).steps.filter(({ action }) => action !== 'keep')).toEqual([])
      }
      const { foreign } = await (await engineIn(dir, cloud)).destroy()
      expect([foreign, keysIn(cloud)]).toEqual([[], []])
    } catch (error) {
      throw new Error(`${died}power cut after ${state.at} of ${operations.length} operations (${state.how}), then ${next}: ${(error as Error).message}`, { cause: error })
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
}

const keysIn = ({ things }: PowerCloud): readonly string[] => [...things.values()].map(({ owner }) => owner.key).toSorted()
const idOf = ({ things }: PowerCloud, key: string): string | undefined => [...things].find(([, { owner }]) => owner.key === key)?.[0]
