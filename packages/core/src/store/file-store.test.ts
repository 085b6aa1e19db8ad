import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defineStoreContract } from '../testing/store-contract.ts'
import { createFileStore, keptStates } from './file-store.ts'
import { stateFormat, type Fence, type JournalEntry, type ScopeStore, type State } from './store.ts'

defineStoreContract({ describe, it }, 'file store', {
  async create() {
    const folder = await mkdtemp(join(tmpdir(), 'pilot-store-'))
    return { store: createFileStore({ dir: folder }), reopen: async () => createFileStore({ dir: folder }), close: () => rm(folder, { recursive: true }) }
  },
})

describe('files of a store', () => {
  let dir: string
  let scope: ScopeStore
  let fence: Fence
  const folder = (...parts: string[]) => join(dir, 'app/shop/api/production', ...parts)
  const reopened = () => createFileStore({ dir }).scope('app/shop/api/production')

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pilot-store-'))
    scope = reopened()
    fence = await take(scope)
  })
  afterEach(() => rm(dir, { recursive: true }))

  it('are for their owner only', async () => {
    await scope.writeState(stateOf(1), fence)
    await scope.appendJournal(entryOf(1), fence)
    await scope.putRecord('release', '1', {}, fence)
    const entries = await readdir(join(dir, 'app'), { recursive: true, withFileTypes: true })
    expect(entries.length).toBeGreaterThan(10)
    for (const entry of entries) {
      const { mode } = await stat(join(entry.parentPath, entry.name))
      expect(mode & 0o777, entry.name).toBe(entry.isDirectory() ? 0o700 : 0o600)
    }
  })

  it('leave no temporary names behind, and sweep those of killed writers', async () => {
    await scope.writeState(stateOf(1), fence)
    await writeFile(folder('state', '.new-1-dead'), 'half a st')
    await utimes(folder('state', '.new-1-dead'), 0, 0)
    await writeFile(folder('state', '.new-2-alive'), 'half a st')
    for (let version = 2; version <= 16; version++) await scope.writeState(stateOf(version), fence)
    const names = await readdir(folder('state'))
    expect(names.filter((name) => name.startsWith('.'))).toEqual(['.new-2-alive'])
  })

  it(`keep the last ${keptStates} states and few swaps of the lease`, async () => {
    for (let version = 1; version <= keptStates + 3; version++) await scope.writeState(stateOf(version), fence)
    for (let beat = 0; beat < 40; beat++) fence = await take(scope)
    expect(await scope.stateHistory()).toHaveLength(keptStates)
    expect((await readdir(folder('state'))).sort()[0]).toBe('00000004.json')
    expect((await readdir(folder('lease'))).length).toBeLessThanOrEqual(16)
    expect((await reopened().readState())?.version).toBe(keptStates + 3)
  })

  it('refuse a state of a newer Pilot and leave it untouched', async () => {
    const newer = JSON.stringify({ format: stateFormat + 1, version: 1, resources: 'in some new shape' })
    await mkdir(folder('state'), { recursive: true })
    await writeFile(folder('state', '00000001.json'), newer)
    await expect(scope.readState()).rejects.toMatchObject({ code: 'STATE_NEWER' })
    await expect(scope.writeState(stateOf(2), fence)).rejects.toMatchObject({ code: 'STATE_NEWER' })
    await expect(scope.remove(fence)).rejects.toMatchObject({ code: 'STATE_NEWER' })
    expect(await readdir(folder('state'))).toEqual(['00000001.json'])
    expect(await readFile(folder('state', '00000001.json'), 'utf8')).toBe(newer)
  })

  it('migrate an older state when it is read, and keep a copy of it when it is written over', async () => {
    const older = JSON.stringify({ format: stateFormat - 1, version: 1, at: 'then', things: [] })
    const migrating = createFileStore({ dir, migrations: { [stateFormat - 1]: ({ things, ...rest }) => ({ ...rest, resources: things }) } }).scope(scope.name)
    await mkdir(folder('state'), { recursive: true })
    await writeFile(folder('state', '00000001.json'), older)
    expect(await migrating.readState()).toEqual({ format: stateFormat, version: 1, at: 'then', resources: [] })
    expect(await readdir(folder('state'))).toEqual(['00000001.json'])
    for (let version = 2; version <= keptStates + 2; version++) await migrating.writeState(stateOf(version), fence)
    const names = await readdir(folder('state'))
    expect(names).not.toContain('00000001.json')
    expect(await readFile(folder('state', `00000001.json.format-${stateFormat - 1}`), 'utf8')).toBe(older)
  })

  it.each([
    ['half a document', '{"format":1,"version":1,"at":"x","resou', /JSON/],
    ['another type', '[]', /not a JSON object/],
    ['no format', '{}', /no format/],
    ['a resource without a kind', JSON.stringify({ ...stateOf(1), resources: [{ key: 'a' }] }), /resources\.0\.kind/],
    ['another version', JSON.stringify(stateOf(4)), /version 4/],
  ])('call a state corrupt that holds %s, and name the file', async (_, text, reason) => {
    await mkdir(folder('state'), { recursive: true })
    await writeFile(folder('state', '00000001.json'), text)
    await expect(scope.readState()).rejects.toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining('00000001.json'), reason: expect.stringMatching(reason), suggestion: expect.stringContaining('backup of the home') })
  })

  describe('journal', () => {
    const file = () => folder('journal', '00000001-0000.jsonl')
    beforeEach(async () => {
      for (let seq = 1; seq <= 3; seq++) await scope.appendJournal(entryOf(seq), fence)
    })

    it('drops a torn last line at every length, and goes on after it', async () => {
      const content = await readFile(file())
      const secondEnd = content.lastIndexOf(10, content.length - 2) + 1
      for (let length = secondEnd; length < content.length; length += 7) {
        await writeFile(file(), content.subarray(0, length))
        expect(await reopened().readJournal()).toEqual([entryOf(1), entryOf(2)])
      }
      await scope.appendJournal(entryOf(9), fence)
      expect(await reopened().readJournal()).toEqual([entryOf(1), entryOf(2), entryOf(9)])
    })

    it('drops a last line that a power cut left as zeros', async () => {
      await appendFile(file(), Buffer.alloc(40))
      expect(await scope.readJournal()).toEqual([entryOf(1), entryOf(2), entryOf(3)])
      await appendFile(file(), '\n')
      expect(await scope.readJournal()).toEqual([entryOf(1), entryOf(2), entryOf(3)])
    })

    it('keeps what a next owner writes after a torn line', async () => {
      const { size } = await stat(file())
      await truncate(file(), size - 5)
      const next = await take(scope)
      await scope.appendJournal(entryOf(4), next)
      expect(await reopened().readJournal()).toEqual([entryOf(1), entryOf(2), entryOf(4)])
    })

    it('is read without what an owner wrote that slept between its look at the lease and the write', async () => {
      const before = await readFile(file())
      await scope.appendJournal(entryOf(4), fence)
      const late = (await readFile(file())).subarray(before.length)
      await writeFile(file(), before)
      const next = await take(scope)
      expect(await reopened().readJournal()).toEqual([entryOf(1), entryOf(2), entryOf(3)])
      const own = { ...entryOf(4), key: 'of the next owner' }
      await scope.appendJournal(own, next)
      await scope.appendJournal(entryOf(5), next)
      await appendFile(file(), late)
      expect(await reopened().readJournal()).toEqual([entryOf(1), entryOf(2), entryOf(3), own, entryOf(5)])
    })

    it('is corrupt when a line before the last is damaged, and names file, line and what to do', async () => {
      const content = await readFile(file(), 'utf8')
      await writeFile(file(), content.replace('"seq":2', '"seq":8'))
      await expect(scope.readJournal()).rejects.toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringMatching(/00000001-0000\.jsonl, line 2,/), suggestion: expect.stringContaining('delete line 2') })
    })

    it('is not truncated by an owner that lost the lease between the look and the act', async () => {
      const next = await take(scope)
      await scope.appendJournal(entryOf(4), next)
      await scope.truncateJournal(next)
      await scope.appendJournal(entryOf(5), next)
      // What a stale owner that passed its check would do next.
      await writeFile(folder('journal', '00000001-0001.jsonl'), '')
      expect(await reopened().readJournal()).toEqual([entryOf(5)])
    })

    it('forgets everything even if the files of a truncation were not all deleted', async () => {
      const before = await readFile(file())
      await scope.truncateJournal(fence)
      await writeFile(file(), before)
      expect(await reopened().readJournal()).toEqual([])
    })
  })

  it('name the folder when it cannot be written', async () => {
    const blocked = join(dir, 'a-file')
    await writeFile(blocked, '')
    const other = createFileStore({ dir: blocked }).scope('platform')
    await expect(other.lease.swap(undefined, { token: 1, beat: 0, ttlMs: 1 })).rejects.toMatchObject({ code: 'HOME_UNUSABLE', message: expect.stringContaining(blocked) })
  })
})

async function take(scope: ScopeStore): Promise<Fence> {
  const stored = await scope.lease.read()
  const token = (stored?.token ?? 0) + 1
  await scope.lease.swap(stored, { token, beat: 0, ttlMs: 60_000, holder: { id: `${token}`, title: 'a test', host: 'here', bootId: 'boot', pid: 1, startTime: '1', since: 'now' } })
  return { token }
}

const stateOf = (version: number): State => ({ format: stateFormat, version, at: '2026-01-01T00:00:00.000Z', resources: [] })

const entryOf = (seq: number): JournalEntry => ({ at: 'now', seq, type: 'deleted', key: 'a', generation: 1 })
