import { expect, test } from 'vitest'
import { mergeHistograms, percentile } from './histogram.ts'
import { mergeSamples, sampleBetween, type Reading } from './sample.ts'

const histogram = (...counts: readonly number[]) => counts.map((count, index) => ({ upToMs: [10, 20, 50][index], count }))

test.each([
  { counts: [10, 0, 0, 0], share: 0.5, ms: 5 },
  { counts: [5, 5, 0, 0], share: 0.95, ms: 19 },
  { counts: [0, 0, 2, 0], share: 1, ms: 50 },
  { counts: [1, 0, 0, 9], share: 0.99, ms: 50 },
  { counts: [0, 0, 0, 0], share: 0.5, ms: undefined },
])('$share of $counts came within $ms ms', ({ counts, share, ms }) => {
  expect(percentile(histogram(...counts), share)).toBe(ms)
})

test('histograms add up by bound, also where their bounds differ', () => {
  expect(mergeHistograms([histogram(1, 2, 3, 4), [{ upToMs: 15, count: 7 }, { upToMs: 20, count: 1 }, { upToMs: undefined, count: 1 }]])).toEqual([
    { upToMs: 10, count: 1 },
    { upToMs: 15, count: 7 },
    { upToMs: 20, count: 3 },
    { upToMs: 50, count: 3 },
    { upToMs: undefined, count: 5 },
  ])
})

const reading = (more: Partial<Reading>): Reading => ({ atMs: 0, instances: [], counters: [], ...more })
const counter = (deployment: string, requests: number, { life = 'a', errors = 0 } = {}) => ({ deployment, life, requests, errors, latency: histogram(requests, 0, 0, 0) })
const instance = (name: string, cpuMs: number, memoryBytes = 100) => ({ deployment: 'd1', instance: name, state: 'running' as const, cpuMs, memoryBytes })

test('what happened between two looks', () => {
  const before = reading({ counters: [counter('d1', 10, { errors: 1 })], instances: [instance('one', 500)] })
  const now = reading({ atMs: 15_000, counters: [counter('d1', 25, { errors: 3 })], instances: [instance('one', 800), instance('two', 50)] })
  expect(sampleBetween(before, now)).toEqual({ seconds: 15, requests: 15, errors: 2, latency: [{ upToMs: 10, count: 15 }], cpuMs: 350, memoryBytes: 200, instances: 2 })
})

test('counts that began anew count from zero: another edge, a new deployment, an instance that was started again', () => {
  const before = reading({ counters: [counter('d1', 1000)], instances: [instance('one', 9000)] })
  const now = reading({ atMs: 15_000, counters: [counter('d1', 5, { life: 'b' }), counter('d2', 7, { life: 'b' })], instances: [instance('one', 40)] })
  expect(sampleBetween(before, now)).toMatchObject({ requests: 12, cpuMs: 40 })
})

test('several samples as one: counts add up, memory is the most', () => {
  const sample = (requests: number, memoryBytes: number) => ({ seconds: 15, requests, errors: 1, latency: histogram(requests), cpuMs: 10, memoryBytes, instances: 1 })
  expect(mergeSamples([sample(3, 50), sample(4, 20)])).toEqual({ seconds: 30, requests: 7, errors: 2, latency: [{ upToMs: 10, count: 7 }], cpuMs: 20, memoryBytes: 50, instances: 1 })
})
