import assert from 'node:assert/strict'
import { isPilotError } from '../errors/pilot-error.ts'
import type { ErrorCode } from '../errors/catalogue.ts'
import { stateFormat, type Fence, type JournalEntry, type LeaseRecord, type ResourceState, type ScopeStore, type State, type Store } from '../store/store.ts'
import { defineChecks, type Check, type TestRunner } from './check.ts'

/**
 * What every {@link Store} must keep, whatever it is made of. Use it from a test file:
 *
 * ```ts
 * import { describe, it } from 'vitest'
 * defineStoreContract({ describe, it }, 'bucket store', { create: async () => ({ store, reopen, close }) })
 * ```
 */
export interface StoreContractOptions {
  /** A fresh, empty store. Each check makes one. */
  create(): Promise<StoreUnderTest>
}

export interface StoreUnderTest {
  readonly store: Store
  /** Another object on the same data, as another process would open it. */
  reopen(): Promise<Store>
  close(): Promise<void>
}

export function defineStoreContract(runner: TestRunner, title: string, options: StoreContractOptions): void {
  runner.describe(title, () => defineChecks(runner, storeContract(options)))
}

export function storeContract({ create }: StoreContractOptions): readonly Check[] {
  const check = (group: string, title: string, body: (context: CheckContext) => Promise<void>): Check => ({
    group,
    title,
    async run() {
      const under = await create()
      try {
        const scope = under.store.scope(scopeName)
        const other = async () => (await under.reopen()).scope(scopeName)
        await body({ store: under.store, scope, other, reopen: under.reopen })
      } finally {
        await under.close()
      }
    },
  })

  return [
    check('an empty store', 'has nothing to read', async ({ store, scope }) => {
      assert.equal(await scope.readState(), undefined)
      assert.deepEqual(await scope.stateHistory(), [])
      assert.deepEqual(await scope.readJournal(), [])
      assert.equal(await scope.lease.read(), undefined)
      assert.equal(await scope.getRecord('release', '1'), undefined)
      assert.deepEqual(await scope.listRecords('release'), [])
      assert.deepEqual(await store.scopes(), [])
    }),
    check('an empty store', 'refuses names that are no scopes', async ({ store }) => {
      for (const name of ['', '..', '../platform', 'app', 'app/shop/api', 'app/../../x', 'app/shop/API/production', 'app/shop/a.b/production', 'app//api/x', 'platform/x', '/platform']) {
        assert.throws(() => store.scope(name), { code: 'USAGE' }, `"${name}" was taken`)
      }
    }),

    check('state', 'is read back as it was written, also by another process', async ({ scope, other }) => {
      const fence = await take(scope)
      await scope.writeState(stateOf(1, { key: 'a "quoted" key, ünïcode, \n and 💾' }), fence)
      assert.deepEqual(await scope.readState(), stateOf(1, { key: 'a "quoted" key, ünïcode, \n and 💾' }))
      assert.deepEqual(await (await other()).readState(), await scope.readState())
    }),
    check('state', 'accepts only the version after the newest', async ({ scope }) => {
      const fence = await take(scope)
      await rejects('LEASE_LOST', () => scope.writeState(stateOf(2), fence))
      await scope.writeState(stateOf(1, { key: 'first' }), fence)
      await rejects('LEASE_LOST', () => scope.writeState(stateOf(1, { key: 'again' }), fence))
      await rejects('LEASE_LOST', () => scope.writeState(stateOf(3, { key: 'skipped' }), fence))
      assert.deepEqual(await scope.readState(), stateOf(1, { key: 'first' }))
    }),
    check('state', 'lets exactly one of many writers of one version win', async ({ scope, other }) => {
      const fence = await take(scope)
      const writers = [scope, await other(), scope, await other(), scope, await other()]
      const results = await Promise.allSettled(writers.map((writer, index) => writer.writeState(stateOf(1, { key: `writer-${index}` }), fence)))
      const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []))
      assert.equal(winners.length, 1, `${winners.length} writers won`)
      for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'LEASE_LOST')
      assert.deepEqual(await scope.readState(), stateOf(1, { key: `writer-${winners[0]}` }))
    }),
    check('state', 'keeps earlier versions, newest first', async ({ scope, other }) => {
      const fence = await take(scope)
      for (let version = 1; version <= 12; version++) await scope.writeState(stateOf(version, { key: `v${version}` }), fence)
      const history = await (await other()).stateHistory()
      assert.deepEqual(history.map(({ version }) => version), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
      assert.ok(history.every(({ at }) => at === stateOf(1).at))
      assert.deepEqual(await scope.readStateVersion(7), stateOf(7, { key: 'v7' }))
      await rejects('NOT_FOUND', () => scope.readStateVersion(13))
      await rejects('NOT_FOUND', () => scope.readStateVersion(0))
    }),

    check('journal', 'keeps the order in which entries were appended', async ({ scope, other }) => {
      const fence = await take(scope)
      const entries = Array.from({ length: 200 }, (_, index) => entryOf(index))
      await Promise.all(entries.map((entry) => scope.appendJournal(entry, fence)))
      await scope.appendJournal(entryOf(200), fence)
      assert.deepEqual(await scope.readJournal(), [...entries, entryOf(200)])
      assert.deepEqual(await (await other()).readJournal(), [...entries, entryOf(200)])
    }),
    check('journal', 'goes on after the entries of an earlier owner', async ({ scope, other }) => {
      await scope.appendJournal(entryOf(1), await take(scope))
      const later = await other()
      const fence = await take(later)
      await later.appendJournal(entryOf(2), fence)
      assert.deepEqual(await scope.readJournal(), [entryOf(1), entryOf(2)])
    }),
    check('journal', 'forgets what was truncated and nothing that comes after', async ({ scope, other }) => {
      await scope.appendJournal(entryOf(1), await take(scope))
      const fence = await take(scope)
      await scope.appendJournal(entryOf(2), fence)
      await scope.truncateJournal(fence)
      assert.deepEqual(await scope.readJournal(), [])
      await scope.appendJournal(entryOf(3), fence)
      assert.deepEqual(await (await other()).readJournal(), [entryOf(3)])
      await scope.truncateJournal(fence)
      await scope.truncateJournal(fence)
      await scope.appendJournal(entryOf(4), fence)
      const next = await take(scope)
      await scope.appendJournal(entryOf(5), next)
      assert.deepEqual(await (await other()).readJournal(), [entryOf(4), entryOf(5)])
    }),

    check('lease', 'is taken, renewed and released by compare-and-set', async ({ scope, other }) => {
      const first = leaseOf({ token: 1, beat: 0 })
      const second = leaseOf({ token: 1, beat: 1 })
      const { holder: _, ...free } = second
      assert.equal(await scope.lease.swap(leaseOf({ token: 9, beat: 0 }), first), false, 'swapped although nothing was stored')
      assert.equal(await scope.lease.swap(undefined, first), true)
      assert.deepEqual(await (await other()).lease.read(), first)
      assert.equal(await scope.lease.swap(undefined, second), false, 'swapped although something was stored')
      assert.equal(await scope.lease.swap(first, second), true)
      assert.equal(await (await other()).lease.swap(first, leaseOf({ token: 2, beat: 0 })), false, 'swapped an old record')
      assert.equal(await scope.lease.swap(second, free), true)
      assert.deepEqual(await scope.lease.read(), free)
    }),
    check('lease', 'lets exactly one of many takers win, again and again', async ({ scope, other }) => {
      const takers = [scope, await other(), await other(), await other()]
      let stored: LeaseRecord | undefined
      for (let token = 1; token <= 25; token++) {
        const records = takers.map((_, index) => leaseOf({ token, beat: index }))
        const results = await Promise.all(takers.map((taker, index) => taker.lease.swap(stored, records[index]!)))
        assert.equal(results.filter(Boolean).length, 1, `${results.filter(Boolean).length} takers got token ${token}`)
        stored = records[results.indexOf(true)]
        assert.deepEqual(await scope.lease.read(), stored)
      }
    }),
    check('lease', 'of one scope leaves other scopes alone, and makes no scope by itself', async ({ store, scope }) => {
      await take(scope)
      assert.equal(await store.scope('platform').lease.read(), undefined)
      assert.deepEqual(await store.scopes(), [])
    }),

    check('a fence', 'of a lost lease changes nothing', async ({ scope, other }) => {
      const stale = await take(scope)
      await scope.writeState(stateOf(1), stale)
      await scope.appendJournal(entryOf(1), stale)
      const fence = await take(await other())
      await refusesEverything(scope, stale)
      assert.deepEqual(await scope.readJournal(), [entryOf(1)])
      assert.deepEqual(await scope.readState(), stateOf(1))
      await scope.writeState(stateOf(2), fence)
    }),
    check('a fence', 'of a released lease changes nothing', async ({ scope }) => {
      const fence = await take(scope)
      const { holder: _, ...free } = (await scope.lease.read())!
      await scope.lease.swap(await scope.lease.read(), free)
      await refusesEverything(scope, fence)
    }),
    check('a fence', 'that nobody gave out changes nothing', async ({ store, scope }) => {
      await refusesEverything(scope, { token: 1 })
      assert.deepEqual(await store.scopes(), [])
    }),

    check('records', 'are listed in the order of their numbers, then their names', async ({ scope, other }) => {
      const fence = await take(scope)
      for (const id of ['b', '10', '9', 'a1', '100']) await scope.putRecord('release', id, { id, nested: { text: 'ü\n' } }, fence)
      await scope.putRecord('deployment', '9', { other: true }, fence)
      const listed = await (await other()).listRecords<{ id: string }>('release')
      assert.deepEqual(listed.map(({ id }) => id), ['9', '10', '100', 'a1', 'b'])
      assert.deepEqual(listed[0]!.record, { id: '9', nested: { text: 'ü\n' } })
      if (scope.findLastRecord !== undefined) {
        assert.equal((await scope.findLastRecord<{ id: string }>('release', ({ id }) => /^\d+$/.test(id)))?.id, '100')
        assert.equal(await scope.findLastRecord('release', () => false), undefined)
      }
      assert.deepEqual(await scope.getRecord('deployment', '9'), { other: true })
      assert.equal(await scope.getRecord('deployment', '10'), undefined)
    }),
    check('records', 'are never changed, and may be written twice', async ({ scope, other }) => {
      const fence = await take(scope)
      await scope.putRecord('release', '1', { a: 1, b: [1, 2] }, fence)
      await (await other()).putRecord('release', '1', { b: [1, 2], a: 1 }, fence)
      await rejects('NAME_TAKEN', () => scope.putRecord('release', '1', { a: 2, b: [1, 2] }, fence))
      assert.deepEqual(await scope.getRecord('release', '1'), { a: 1, b: [1, 2] })
    }),
    check('records', 'go when they are deleted, once or twice, and may come again as others', async ({ scope, other }) => {
      const fence = await take(scope)
      for (const id of ['1', '2']) await scope.putRecord('release', id, { id }, fence)
      for (let n = 0; n < 2; n++) await scope.deleteRecord('release', '1', fence)
      assert.deepEqual((await (await other()).listRecords('release')).map(({ id }) => id), ['2'])
      await scope.putRecord('release', '1', { id: 'another' }, fence)
      assert.deepEqual(await scope.getRecord('release', '1'), { id: 'another' })
    }),
    check('records', 'refuse ids that could lead elsewhere', async ({ scope }) => {
      const fence = await take(scope)
      for (const id of ['', '.', '..', '../x', 'a/b', '.hidden', 'a\0b', 'x'.repeat(300)]) {
        await rejects('USAGE', () => scope.putRecord('release', id, {}, fence))
        await rejects('USAGE', () => scope.getRecord('release', id))
        await rejects('USAGE', () => scope.deleteRecord('release', id, fence))
      }
    }),

    check('scopes', 'are those that hold state, a journal or records', async ({ store, reopen }) => {
      const platform = store.scope('platform')
      await platform.writeState(stateOf(1), await take(platform))
      const journaled = store.scope('app/shop/api/production')
      await journaled.appendJournal(entryOf(1), await take(journaled))
      const recorded = store.scope('app/shop/api/preview-42')
      await recorded.putRecord('build', 'x', {}, await take(recorded))
      assert.deepEqual([...(await (await reopen()).scopes())].sort(), ['app/shop/api/preview-42', 'app/shop/api/production', 'platform'])
      assert.deepEqual(await store.scopes('app/shop/api/preview'), ['app/shop/api/preview-42'])
      assert.deepEqual(await store.scopes('app/sho/'), [])
    }),
    check('scopes', 'that had an owner are known although nothing was written', async ({ store, reopen }) => {
      assert.deepEqual(await store.leasedScopes(), [])
      await take(store.scope('app/shop/api/production'))
      assert.deepEqual(await (await reopen()).leasedScopes(), ['app/shop/api/production'])
      assert.deepEqual(await store.scopes(), [])
    }),
    check('removing a scope', 'is refused while its state holds a resource', async ({ store, scope }) => {
      const fence = await take(scope)
      await scope.writeState(stateOf(1, { key: 'server' }), fence)
      await rejects('BLOCKED', () => scope.remove(fence))
      assert.deepEqual(await store.scopes(), [scopeName])
    }),
    check('removing a scope', 'forgets all but the lease, whose tokens are never given out twice', async ({ scope, other, reopen }) => {
      const fence = await take(scope)
      await scope.writeState(stateOf(1, { key: 'server' }), fence)
      await scope.writeState(stateOf(2), fence)
      await scope.appendJournal(entryOf(1), fence)
      await scope.putRecord('release', '1', {}, fence)
      await scope.remove(fence)
      const again = await other()
      assert.deepEqual(await (await reopen()).scopes(), [])
      assert.equal(await again.readState(), undefined)
      assert.deepEqual(await again.readJournal(), [])
      assert.deepEqual(await again.listRecords('release'), [])
      assert.equal((await again.lease.read())?.token, fence.token)
      const next = await take(again)
      await again.writeState(stateOf(1, { key: 'new' }), next)
      await again.appendJournal(entryOf(7), next)
      assert.deepEqual(await scope.readState(), stateOf(1, { key: 'new' }))
      assert.deepEqual(await scope.readJournal(), [entryOf(7)])
    }),
  ]
}

interface CheckContext {
  readonly store: Store
  readonly scope: ScopeStore
  /** The same scope as another process sees it. */
  other(): Promise<ScopeStore>
  reopen(): Promise<Store>
}

const scopeName = 'app/shop/api/production'

/** Takes the lease whoever holds it: the fence of the next owner. */
async function take(scope: ScopeStore): Promise<Fence> {
  const stored = await scope.lease.read()
  const next = leaseOf({ token: (stored?.token ?? 0) + 1, beat: 0 })
  assert.equal(await scope.lease.swap(stored, next), true)
  return { token: next.token }
}

async function refusesEverything(scope: ScopeStore, fence: Fence): Promise<void> {
  const version = ((await scope.readState())?.version ?? 0) + 1
  await rejects('LEASE_LOST', () => scope.writeState(stateOf(version), fence))
  await rejects('LEASE_LOST', () => scope.appendJournal(entryOf(99), fence))
  await rejects('LEASE_LOST', () => scope.truncateJournal(fence))
  await rejects('LEASE_LOST', () => scope.putRecord('release', '99', {}, fence))
  await rejects('LEASE_LOST', () => scope.deleteRecord('release', '1', fence))
  await rejects('LEASE_LOST', () => scope.remove(fence))
  assert.equal(await scope.getRecord('release', '99'), undefined)
}

async function rejects(code: ErrorCode, run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (error) {
    if (isPilotError(error) && error.code === code) return
    throw new assert.AssertionError({ message: `expected ${code}, got ${String(error)}`, actual: error, expected: code })
  }
  throw new assert.AssertionError({ message: `expected ${code}, but it succeeded` })
}

function leaseOf({ token, beat }: { token: number; beat: number }): LeaseRecord {
  return { token, beat, ttlMs: 60_000, holder: { id: `owner-${token}`, title: 'a test', host: 'here', bootId: 'boot', pid: 1, startTime: '1', since: '2026-01-01T00:00:00.000Z' } }
}

function stateOf(version: number, { key }: { key?: string } = {}): State {
  return { format: stateFormat, version, at: '2026-01-01T00:00:00.000Z', managedBy: 'script', resources: key === undefined ? [] : [resourceOf(key)] }
}

function resourceOf(key: string): ResourceState {
  return { key, kind: 'test/thing', kindVersion: 1, generation: 1, id: 'i-1', inputs: { size: 1 }, outputs: { address: 'x' }, dependsOn: [], status: 'ready', createdAt: '2026-01-01T00:00:00.000Z' }
}

function entryOf(seq: number): JournalEntry {
  return { at: '2026-01-01T00:00:00.000Z', seq, type: 'failed', key: 'server', generation: 1, action: 'create', reason: 'zwölf\n"Boxkämpfer" 💾', certain: true }
}
