import { describe, expect, it } from 'vitest'
import { judgeCanary, type CanaryLook, type CanaryMemory } from './canary-verdict.ts'
import type { CanaryCount, ReleaseRecord } from './records.ts'

const at = '2026-01-01T00:00:00.000Z'
const release = (canary: Partial<NonNullable<ReleaseRecord['canary']>> = {}): ReleaseRecord => ({ number: 7, app: { project: 'shop', app: 'api', environment: 'production' }, deployment: 'new', kind: 'release', at, by: 'ada', canary: { percent: 10, stable: 'old', steps: [10, 50], everyMs: 60_000, maxErrors: 0.01, minRequests: 20, counted: [], ...canary } })
const count = (deployment: string, requests: number, errors = 0, life = 'a'): CanaryCount => ({ deployment, life, requests, errors })
const look = (more: Partial<CanaryLook> & { readonly afterMs?: number } = {}): CanaryLook => ({ atMs: Date.parse(at) + (more.afterMs ?? 1000), release: release(), title: 'v2', wanted: 1, instances: [{ deployment: 'new', instance: 'i', state: 'running' }], counted: [], ...more })
const judge = (...looks: readonly CanaryLook[]) => {
  let memory: CanaryMemory | undefined
  return looks.map((each) => {
    const judged = judgeCanary(each, memory)
    memory = judged.memory
    return judged.decision.do === 'advance' ? `${judged.decision.percent} %` : judged.decision.do
  })
}

describe('errors', () => {
  it.each([
    { title: 'one in three is no verdict', canary: [3, 1], stable: [100, 0], says: 'wait' },
    { title: 'two of twenty may be chance', canary: [20, 2], stable: [100, 0], says: 'wait' },
    { title: 'three of twenty are too many', canary: [20, 3], stable: [100, 0], says: 'abort' },
    { title: 'three of nineteen are too few requests', canary: [19, 3], stable: [100, 0], says: 'wait' },
    { title: 'three of three hundred are allowed', canary: [300, 3], stable: [1000, 0], says: 'wait' },
    { title: 'four of three hundred are not', canary: [300, 4], stable: [1000, 0], says: 'abort' },
    { title: 'what fails both versions alike is not the canary', canary: [100, 40], stable: [900, 350], says: 'wait' },
    { title: 'unless it fails much more often', canary: [100, 60], stable: [900, 350], says: 'abort' },
    { title: 'a version before that has no traffic is nothing to compare with', canary: [100, 40], stable: [10, 10], says: 'abort' },
    { title: 'a canary that mends what is broken goes on', canary: [100, 2], stable: [900, 900], says: 'wait' },
  ])('$title', ({ canary, stable, says }) => {
    expect(judge(look({ counted: [count('new', canary[0]!, canary[1]), count('old', stable[0]!, stable[1])] }))).toEqual([says])
  })

  it('count from the beginning of the step', () => {
    const counted = [count('new', 1000, 500), count('old', 5000, 0)]
    expect(judge(look({ release: release({ counted }), counted: [count('new', 1100, 500), count('old', 5900, 0)] }))).toEqual(['wait'])
    expect(judge(look({ release: release({ counted }), counted: [count('new', 1100, 510), count('old', 5900, 0)] }))).toEqual(['abort'])
  })

  it('of an edge that was killed in between add up', () => {
    const looks = [look({ counted: [count('new', 15, 2)] }), look({ counted: [count('new', 0, 0, 'b')] }), look({ counted: [count('new', 5, 1, 'b')] })]
    expect(judge(...looks)).toEqual(['wait', 'wait', 'abort'])
    expect(judgeCanary(looks[0]!).traffic.canary).toEqual({ requests: 15, errors: 2 })
  })

  it('of a step whose beginning nobody counted are counted from the first look', () => {
    const { counted: _, ...canary } = release().canary!
    const old = { ...release(), canary }
    expect(judge(look({ release: old, counted: [count('new', 100, 90)] }), look({ release: old, counted: [count('new', 120, 92)] }), look({ release: old, counted: [count('new', 121, 93)] }))).toEqual(['wait', 'wait', 'abort'])
  })

  it('say the figures', () => {
    expect(judgeCanary(look({ counted: [count('new', 210, 34), count('old', 1890, 2)] })).decision).toEqual({ do: 'abort', because: 'v2 failed 34 of 210 requests (16.2 %) with 10 % of the traffic, the version before 2 of 1890 (0.1 %); 1 % is allowed' })
  })
})

describe('health', () => {
  const down = look({ instances: [{ deployment: 'new', instance: 'i', state: 'exited', exitCode: 1 }] })
  const gone = look({ instances: [] })

  it('counts when it is bad twice in a row', () => {
    expect(judge(down, look(), down, down)).toEqual(['wait', 'wait', 'wait', 'abort'])
    expect(judge(gone, down)).toEqual(['wait', 'abort'])
    expect(judgeCanary(down, judgeCanary(down).memory).decision).toEqual({ do: 'abort', because: 'v2 is not running (exit code 1)' })
  })

  it('is bad when an instance was started again since the step began', () => {
    const restarted = (restarts: number) => look({ instances: [{ deployment: 'new', instance: 'i', state: 'running', restarts }] })
    expect(judge(restarted(1), restarted(1), restarted(2))).toEqual(['wait', 'wait', 'abort'])
    const before = release({ restarts: 1 })
    expect(judge({ ...restarted(1), release: before })).toEqual(['wait'])
    expect(judge({ ...restarted(2), release: before }), 'in the moment before the first look').toEqual(['abort'])
  })

  it('of workers does not count: they do not run yet', () => {
    const worker = { deployment: 'new', instance: 'w', process: 'mail', state: 'exited' as const }
    expect(judge(look({ instances: [...look().instances, worker] }), look({ instances: [...look().instances, worker] }))).toEqual(['wait', 'wait'])
  })
})

describe('time', () => {
  it('brings the next step when it is due, and all of the traffic after the last', () => {
    expect(judge(look({ afterMs: 59_999 }), look({ afterMs: 60_000 }))).toEqual(['wait', '50 %'])
    expect(judge(look({ release: release({ percent: 50 }), afterMs: 60_000 }))).toEqual(['100 %'])
    expect(judge(look({ release: release({ percent: 70 }), afterMs: 60_000 }), look({ release: { ...release({ percent: 30 }), number: 8 }, afterMs: 60_000 }))).toEqual(['100 %', '50 %'])
  })

  it('brings nothing where steps are taken by hand, nor while it is unwell', () => {
    const { steps: _, everyMs: __, ...byHand } = release().canary!
    expect(judge(look({ release: { ...release(), canary: byHand }, afterMs: 10 ** 9 }))).toEqual(['wait'])
    expect(judge(look({ instances: [], afterMs: 60_000 }))).toEqual(['wait'])
  })
})
