import { describe, expect, test } from 'vitest'
import type { JournalEntry, State } from '../store/store.ts'
import type { JournalFact } from './journal.ts'
import { createRecorded, keptRetired } from './recorded.ts'

const resource = (generation = 1, inputs: Record<string, unknown> = { size: 1 }) => ({ key: 'a', kind: 'k', kindVersion: 1, generation, inputs, dependsOn: [] })
const facts = (generation = 1) => ({ key: 'a', generation })

function replay(entries: readonly JournalFact[], state?: State) {
  const recorded = createRecorded(state)
  entries.forEach((entry, index) => recorded.apply({ ...entry, at: `t${index}`, seq: (state?.journalSeq ?? 0) + index + 1 } as JournalEntry))
  return recorded
}
const created: readonly JournalFact[] = [
  { type: 'intent', action: 'create', resource: resource() },
  { type: 'accepted', action: 'create', ...facts(), id: 'i1', operation: 'o1' },
  { type: 'settled', action: 'create', ...facts(), outputs: { url: 'u' } },
]
const statusOf = (...entries: JournalFact[]) => replay(entries).current('a')?.status

describe('what a journal means, wherever it ends', () => {
  test('a create call', () => {
    expect(statusOf(created[0]!)).toBe('unknown')
    expect(replay(created.slice(0, 2)).current('a')).toMatchObject({ status: 'created', id: 'i1', operation: 'o1' })
    expect(replay(created).current('a')).toEqual({ ...resource(), id: 'i1', outputs: { url: 'u' }, status: 'ready', createdAt: 't0', changedAt: 't0', readyAt: 't2' })
  })

  test('a create call that was refused leaves nothing but a used generation', () => {
    const recorded = replay([created[0]!, { type: 'failed', action: 'create', ...facts(), reason: 'no', certain: true }])
    expect(recorded.all()).toEqual([])
    expect(recorded.nextGeneration('a')).toBe(2)
    expect(statusOf(created[0]!, { type: 'failed', action: 'create', ...facts(), reason: '?', certain: false })).toBe('unknown')
  })

  test('a creation that failed is tainted, and counts no more', () => {
    const recorded = replay([...created.slice(0, 2), { type: 'failed', action: 'create', ...facts(), reason: 'bad', certain: true }])
    expect(recorded.current('a')).toBeUndefined()
    expect(recorded.all().map(({ status }) => status)).toEqual(['tainted'])
  })

  test('a replacement: the old one counts until the new one has begun, and is deposed when that is ready', () => {
    const next: JournalFact[] = [
      { type: 'intent', action: 'create', resource: resource(2) },
      { type: 'accepted', action: 'create', ...facts(2), id: 'i2' },
      { type: 'settled', action: 'create', ...facts(2), outputs: {} },
    ]
    const all = (...entries: JournalFact[]) => replay([...created, ...entries]).all().map(({ generation, status }) => [generation, status])
    expect(all(...next.slice(0, 1))).toEqual([[1, 'ready'], [2, 'unknown']])
    expect(all(...next)).toEqual([[1, 'deposed'], [2, 'ready']])
    expect(all(...next, { type: 'deleted', ...facts(1) })).toEqual([[2, 'ready']])
  })

  test('an update that did not end leaves its fields unsettled; one that was refused leaves nothing', () => {
    const intent: JournalFact = { type: 'intent', action: 'update', resource: { ...resource(1, { size: 2 }), id: 'i1' }, changed: ['size'] }
    const accepted: JournalFact = { type: 'accepted', action: 'update', ...facts(), id: 'i1' }
    expect(replay([...created, intent]).current('a')).toMatchObject({ status: 'ready', inputs: { size: 2 }, unsettled: ['size'] })
    expect(replay([...created, intent, accepted]).current('a')).toMatchObject({ status: 'created', readyAt: 't2', unsettled: ['size'], outputs: { url: 'u' } })
    const done = replay([...created, intent, accepted, { type: 'settled', action: 'update', ...facts(), outputs: { url: 'v' } }]).current('a')!
    expect(done).toMatchObject({ status: 'ready', inputs: { size: 2 }, outputs: { url: 'v' } })
    expect(done).not.toHaveProperty('unsettled')
    expect(replay([...created, intent, { type: 'failed', action: 'update', ...facts(), reason: 'no', certain: true }]).current('a')).toMatchObject({ inputs: { size: 1 }, status: 'ready' })
    expect(replay([...created, intent, accepted, { type: 'failed', action: 'update', ...facts(), reason: 'bad', certain: true }]).current('a')).toMatchObject({ status: 'ready', unsettled: ['size'] })
  })

  test('a delete call: accepted is not wanted any more, without an answer it is as it was until somebody looks', () => {
    const intent: JournalFact = { type: 'intent', action: 'delete', resource: { ...resource(), id: 'i1' } }
    const accepted: JournalFact = { type: 'accepted', action: 'delete', ...facts(), id: 'i1' }
    expect(statusOf(...created, intent)).toBe('ready')
    expect(statusOf(...created, intent, { type: 'failed', action: 'delete', ...facts(), reason: 'no', certain: true })).toBe('ready')
    expect(replay([...created, intent, accepted]).all()[0]).toMatchObject({ status: 'deposed', id: 'i1' })
    expect(statusOf(...created, intent, accepted, { type: 'failed', action: 'delete', ...facts(), reason: 'no', certain: true })).toBeUndefined()
    expect(replay([...created, intent, accepted, { type: 'deleted', ...facts() }]).all()).toEqual([])
  })

  test('entries that the state includes are skipped', () => {
    const state = replay(created).toState({ at: 'now', managedBy: undefined })
    expect(state.journalSeq).toBe(3)
    const recorded = createRecorded(state)
    created.forEach((entry, index) => recorded.apply({ ...entry, at: 'x', seq: index + 1 } as JournalEntry))
    expect(recorded.isChanged()).toBe(false)
    expect(recorded.all()).toEqual(state.resources)
  })
})

test('generations of deleted resources are remembered, the oldest as a floor for all', () => {
  const recorded = createRecorded(undefined)
  let seq = 0
  const use = (key: string) => {
    const generation = recorded.nextGeneration(key)
    recorded.apply({ type: 'intent', action: 'create', resource: { ...resource(generation), key }, at: '', seq: ++seq })
    recorded.apply({ type: 'deleted', key, generation, at: '', seq: ++seq })
    return generation
  }
  expect([use('a'), use('a'), use('b')]).toEqual([1, 2, 1])
  for (let n = 0; n < keptRetired; n++) use(`k${n}`)
  const state = recorded.toState({ at: '', managedBy: undefined })
  expect(Object.keys(state.retired!.generations)).toHaveLength(keptRetired)
  expect(createRecorded(state).nextGeneration('a')).toBe(3)
  expect(createRecorded(state).isOurs({ key: 'k9', generation: 1 })).toBe(true)
  expect(createRecorded(state).isOurs({ key: 'k9', generation: 2 })).toBe(false)
})
