import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { casesOf, inCampaign, isFullCampaign } from '../testing/campaign.ts'
import type { DiskOperation } from '../testing/power/disk-model.ts'
import { disksAfterCut, marksBefore, writeDisk, type DiskAfterCut } from '../testing/power/disk-states.ts'
import { createFileStore } from './file-store.ts'
import { checkPromises, entryOf, leaseOf, stateOf, worker, type Note } from './power-oracle.fixture.ts'
import type { ScopeStore } from './store.ts'

const disk = await vi.hoisted(async () => (await import('../testing/power/recorded-disk.ts')).installRecordedDisk())

/**
 * The power goes at every moment of a scope's life. The file operations are the real ones, recorded; each disk that may be left
 * is written out, and a store opened on it.
 */
let root: string
let folders = 0
beforeAll(async () => void (root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pilot-power-'))))
afterAll(() => rm(root, { recursive: true }))

const name = 'app/shop/api/production'
const open = (dir: string): ScopeStore => createFileStore({ dir: join(dir, 'store') }).scope(name)
const mark = (note: Note): void => disk.mark(note)

/** Two owners, all that is ever written, and the end of the scope and its second life. */
async function life(scope: ScopeStore): Promise<void> {
  const first = worker(scope, mark)
  await first.take()
  await first.put('build', '1', { built: 'once' })
  await first.append(1)
  await Promise.all([2, 3, 4, 5].map((seq) => first.append(seq, seq === 2 || seq === 4 ? 1500 : 10)))
  await first.beat()
  await first.state(1, 5, ['a'])
  await first.truncate()
  await first.append(6)
  await first.state(2, 6, ['a', 'b'])
  await first.put('release', '1', { of: 'build 1' })
  await first.delete('build', '1')
  const second = worker(scope, mark)
  await second.take()
  await second.append(7, 100)
  await second.append(8)
  await second.state(3, 8)
  await second.truncate()
  await second.remove()
  const third = worker(scope, mark)
  await third.take()
  await third.append(1)
  await third.state(1, 1)
}

test('whenever the power goes, what the store promised is there, and the rest whole or not at all', { timeout: 600_000 }, async () => {
  const operations = await recorded((dir) => life(open(dir)))
  const states = casesOf([...disksAfterCut(operations, { tears: inCampaign({ full: Infinity, short: 4 }) })], 500)
  expect(states.length).toBeGreaterThan(isFullCampaign ? 5_000 : 400)
  for (const state of states) await opens(operations, state)
})

test('nor when a process died in any flush, another went on from what it saw, and then the power goes', { timeout: 1_800_000 }, async () => {
  const flushes = (await recorded((dir) => life(open(dir)))).filter(({ type }) => type === 'flush').length
  let tried = 0
  for (let flush = 1; flush <= flushes; flush++) {
    const operations = await recorded(async (dir) => {
      const died = disk.dieInFlush(flush)
      await Promise.race([died, life(open(dir)).then(() => Promise.reject(new Error('it did not die')))])
      await successor(open(dir))
    })
    // In short the cut comes when its first entry is promised, and when all is done: what it built on must be there.
    const firstEntry = operations.findLastIndex((each) => each.type === 'mark' && isPromisedEntry(each.mark as Note)) + 1
    const states = [...disksAfterCut(operations, { tears: 3, ...(isFullCampaign ? {} : { cuts: [firstEntry, operations.length] }) })]
    for (const state of states) await opens(operations, state, `died in flush ${flush}; `)
    tried += states.length
  }
  expect(tried).toBeGreaterThan(flushes * 2)
})

const isPromisedEntry = ({ step, action }: Note): boolean => step === 'done' && action.type === 'append'

/** What an engine does after a crash: it takes the lease, learns what was recorded, makes it the state if it is not, and forgets the journal. */
async function successor(scope: ScopeStore): Promise<void> {
  const next = worker(scope, mark)
  await next.take()
  const state = await scope.readState()
  const journal = await scope.readJournal()
  const last = Math.max(state?.journalSeq ?? 0, ...journal.map(({ seq }) => seq))
  const isChanged = last > (state?.journalSeq ?? 0)
  if (isChanged || state === undefined) {
    await next.append(last + 1)
    // Its entry means something only on top of those that it saw.
    for (const entry of journal) next.relyOn({ type: 'append', entry })
    next.relyOn({ type: 'append', entry: entryOf(last + 1) })
    await next.state((state?.version ?? 0) + 1, last + 1)
  }
  // Its phases begin again, and write what they wrote.
  await next.put('build', '1', { built: 'once' })
  await next.put('release', '1', { of: 'build 1' })
  await next.truncate()
  const kept = await scope.readState()
  if (kept !== undefined) next.relyOn({ type: 'state', state: kept })
}

async function recorded(run: (dir: string) => Promise<void>): Promise<readonly DiskOperation[]> {
  const dir = join(root, `recorded-${folders++}`)
  disk.record(dir)
  await run(dir)
  return disk.stop()
}

/** The disk is read, does not break a promise, and the next owner works on it as ever. */
async function opens(operations: readonly DiskOperation[], state: DiskAfterCut, before = ''): Promise<void> {
  const dir = join(root, `cut-${folders++}`)
  writeDisk(dir, state)
  try {
    const scope = open(dir)
    await checkPromises(scope, marksBefore<Note>(operations, state.at))
    const stored = await scope.lease.read()
    const fence = { token: (stored?.token ?? 0) + 1 }
    expect(await scope.lease.swap(stored, leaseOf(fence.token))).toBe(true)
    const version = ((await scope.readState())?.version ?? 0) + 1
    const seen = await scope.readJournal()
    await scope.appendJournal(entryOf(999), fence)
    expect(await open(dir).readJournal()).toEqual([...seen, entryOf(999)])
    await scope.writeState(stateOf(version, 999, ['z']), fence)
    await scope.truncateJournal(fence)
    await scope.putRecord('release', '999', { new: true }, fence)
    expect([await open(dir).readState(), await open(dir).readJournal(), await open(dir).getRecord('release', '999')]).toEqual([stateOf(version, 999, ['z']), [], { new: true }])
  } catch (error) {
    throw new Error(`${before}power cut after ${state.at} of ${operations.length} operations (${state.how}): ${(error as Error).message}`, { cause: error })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
