import assert from 'node:assert/strict'
import type { Fence, JournalEntry, RecordType, ScopeStore, State } from './store.ts'

/**
 * What a scope was asked and what it promised, in order: `done` is a promise. After a power cut everything promised must be there,
 * and what was only begun is there whole or not at all.
 */
export type Action =
  | { readonly type: 'take'; readonly token: number }
  | { readonly type: 'state'; readonly state: State }
  | { readonly type: 'append'; readonly entry: JournalEntry }
  | { readonly type: 'truncate' }
  | { readonly type: 'put'; readonly record: RecordType; readonly id: string; readonly body: object }
  | { readonly type: 'delete'; readonly record: RecordType; readonly id: string }
  | { readonly type: 'remove' }

export interface Note {
  readonly step: 'begun' | 'done'
  readonly action: Action
}

export async function checkPromises(scope: ScopeStore, notes: readonly Note[]): Promise<void> {
  const begun = notes.filter(({ step }) => step === 'begun').map(({ action }) => action)
  const done = new Set(notes.filter(({ step }) => step === 'done').map(({ action }) => action))
  const of = <Type extends Action['type']>(type: Type, actions: readonly Action[] = begun) => actions.filter((action): action is Extract<Action, { type: Type }> => action.type === type)

  // Nothing is unreadable, whatever was going on.
  const state = await scope.readState()
  const journal = await scope.readJournal()
  const lease = await scope.lease.read()
  assert.ok((lease?.token ?? 0) >= Math.max(0, ...of('take').filter((each) => done.has(each)).map(({ token }) => token)), 'a token of the lease may be given out again')

  const removals = of('remove')
  const removing = removals.some((each) => !done.has(each))
  const life = begun.slice(begun.findLastIndex((action) => action.type === 'remove' && done.has(action)) + 1)
  if (removing) return

  const states = of('state', life)
  const promised = Math.max(0, ...states.filter((each) => done.has(each)).map((each) => each.state.version))
  assert.ok((state?.version ?? 0) >= promised, `version ${promised} of the state is gone, ${state?.version ?? 'none'} is the newest`)
  if (state !== undefined) assert.deepEqual(state, states.findLast((each) => each.state.version === state.version)?.state)
  for (const each of states) if (done.has(each)) assert.deepEqual(await scope.readStateVersion(each.state.version), each.state)

  checkJournal({ journal, life, done })

  for (const { record, id } of of('put', life)) {
    const found = await scope.getRecord(record, id)
    const history = life.filter((action) => (action.type === 'put' || action.type === 'delete') && action.record === record && action.id === id)
    const sure = history.findLastIndex((action) => done.has(action))
    const possible = history.slice(Math.max(0, sure)).map((action) => (action.type === 'put' ? action.body : undefined))
    if (sure < 0) possible.push(undefined)
    assert.ok(possible.some((body) => JSON.stringify(body) === JSON.stringify(found)), `the ${record} ${id} is ${JSON.stringify(found)}`)
  }
}

/** All that was promised since the last truncation that surely happened; one that was only begun takes all before it, or nothing. */
function checkJournal({ journal, life, done }: { journal: readonly JournalEntry[]; life: readonly Action[]; done: ReadonlySet<Action> }): void {
  const since = life.slice(life.findLastIndex((action) => action.type === 'truncate' && done.has(action)) + 1)
  const begunTruncation = since.findLastIndex((action) => action.type === 'truncate')
  const problems = [since, ...(begunTruncation === -1 ? [] : [since.slice(begunTruncation + 1)])].map((possible) => {
    const entries = possible.flatMap((action) => (action.type === 'append' ? [action] : []))
    const known = new Map(entries.map(({ entry }) => [entry.seq, JSON.stringify(entry)]))
    const strange = journal.find((entry) => known.get(entry.seq) !== JSON.stringify(entry))
    if (strange !== undefined) return `entry ${strange.seq} was never written like this, or was forgotten`
    const lost = entries.find((action) => done.has(action) && !journal.some(({ seq }) => seq === action.entry.seq))
    if (lost !== undefined) return `entry ${lost.entry.seq} is lost`
    const order = journal.map(({ seq }) => seq)
    return order.every((seq, index) => index === 0 || order[index - 1]! < seq) ? undefined : `out of order: ${order.join()}`
  })
  assert.ok(problems.includes(undefined), problems[0])
}

/** A process that works on a scope and notes what it does. */
export function worker(scope: ScopeStore, mark: (note: Note) => void) {
  let fence: Fence = { token: 0 }
  async function act(action: Action, run: () => Promise<unknown>): Promise<void> {
    mark({ step: 'begun', action })
    await run()
    mark({ step: 'done', action })
  }
  return {
    async take(): Promise<void> {
      const stored = await scope.lease.read()
      const token = (stored?.token ?? 0) + 1
      fence = { token }
      await act({ type: 'take', token }, async () => assert.ok(await scope.lease.swap(stored, leaseOf(token))))
    },
    beat: async () => {
      const stored = (await scope.lease.read())!
      await scope.lease.swap(stored, { ...stored, beat: stored.beat + 1 })
    },
    state: (version: number, journalSeq: number, keys: readonly string[] = []) => act({ type: 'state', state: stateOf(version, journalSeq, keys) }, () => scope.writeState(stateOf(version, journalSeq, keys), fence)),
    append: (seq: number, size = 10) => act({ type: 'append', entry: entryOf(seq, size) }, () => scope.appendJournal(entryOf(seq, size), fence)),
    truncate: () => act({ type: 'truncate' }, () => scope.truncateJournal(fence)),
    put: (record: RecordType, id: string, body: object) => act({ type: 'put', record, id, body }, () => scope.putRecord(record, id, body, fence)),
    delete: (record: RecordType, id: string) => act({ type: 'delete', record, id }, () => scope.deleteRecord(record, id, fence)),
    remove: () => act({ type: 'remove' }, () => scope.remove(fence)),
    /** From now on it counts on what it sees. */
    relyOn(action: Action): void {
      mark({ step: 'begun', action })
      mark({ step: 'done', action })
    },
  }
}

export const leaseOf = (token: number) => ({ token, beat: 0, ttlMs: 60_000, holder: { id: `owner-${token}`, title: 'a test', host: 'here', bootId: 'boot', pid: 1, startTime: '1', since: 'now' } })

export const entryOf = (seq: number, size = 10): JournalEntry => ({ at: 'now', seq, type: 'deleted', key: String(seq).repeat(size), generation: 1 })

export const stateOf = (version: number, journalSeq: number, keys: readonly string[]): State => ({
  format: 1,
  version,
  at: '2026-01-01T00:00:00.000Z',
  journalSeq,
  resources: keys.map((key) => ({ key, kind: 'test/thing', kindVersion: 1, generation: 1, id: 'i-1', inputs: {}, outputs: {}, dependsOn: [], status: 'ready', createdAt: 'now' })),
})
