import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { InstanceStatus } from '../provider/compute.ts'
import type { TrafficCounters } from '../provider/counters.ts'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { allowedActions, type AppAction } from './actions.ts'
import { lookAtCanary } from './canary-look.ts'
import { releaseInSteps } from './canary-watch.ts'
import { configure } from './configure.ts'
import type { LifecycleContext } from './context.ts'
import { deploy } from './deploy.ts'
import { destroyApp } from './destroy.ts'
import { readLedger } from './ledger.ts'
import { failure, openWorkplace, ship, shop, sourceOf, types, withoutReleases, type Workplace } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { restart, start, stop } from './run-state.ts'
import { scale } from './scale.ts'
import { appScope } from './scope.ts'
import { appStatus, listReleases } from './status.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

/** What the target says of an app: counters, and instances that are always there unless told otherwise. */
const seen: { counters: TrafficCounters[]; instances: Partial<InstanceStatus>[] | undefined } = { counters: [], instances: undefined }
beforeEach(() => void Object.assign(seen, { counters: [], instances: undefined }))

function watched(context: LifecycleContext): LifecycleContext {
  const container = context.provider.compute.container!
  const status = async ({ app }: { app: typeof shop }): Promise<InstanceStatus[]> => {
    const { deployments } = await readLedger(context.store.scope(appScope(app)))
    return deployments.flatMap(({ id }) => (seen.instances ?? [{}]).map((more, index) => ({ deployment: id, instance: `${id}-${index}`, state: 'running' as const, ...more })))
  }
  return { ...context, provider: { ...context.provider, compute: { container: { ...container, status, counters: async () => seen.counters } } } }
}

const counter = (deployment: string, requests: number, errors = 0, life = 'a'): TrafficCounters => ({ deployment, life, requests, errors, latency: [] })
const upOf = (text: string, changes: Parameters<typeof definition>[1] = {}) => ({ app: definition('api', changes), source: sourceOf(text) })

/** One, live; and two, deployed and with a share. */
async function withCanary(place: Workplace, percent = 10, changes: Parameters<typeof definition>[1] = {}): Promise<LifecycleContext> {
  const context = watched(place.context)
  await up(context, upOf('one', changes))
  await up(context, { ...upOf('two', changes), canary: { percent } })
  return context
}

/** The traffic as the cloud has it: versions with their shares. */
async function weights(place: Workplace): Promise<string[]> {
  const traffic = (await place.cloud.resources()).find(({ type }) => type === 'traffic')
  const { deployments } = await listReleases(place.context, { app: shop })
  return (traffic!.properties['weights'] as { deployment: string; percent: number }[]).map(({ deployment, percent }) => `v${deployments.find(({ id }) => id === deployment)?.number} ${percent}`)
}

const history = async (place: Workplace): Promise<string[]> => {
  const { releases, deployments } = await listReleases(place.context, { app: shop })
  return releases.map(({ deployment, kind, canary, aborted }) => [kind, `v${deployments.find(({ id }) => id === deployment)?.number}`, ...(canary ? [`${canary.percent} %`] : []), ...(aborted ? ['aborted'] : [])].join(' '))
}

describe('a canary by hand', () => {
  it('gives a share to the new version, beside the old one with its workers, and all of the traffic when it is released', async () => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place, 10, { processes: { worker: ['work'] }, release: ['migrate'] })
    expect(await weights(place)).toEqual(['v1 90', 'v2 10'])
    expect(await types(place), 'the release command has run and is gone, workers are those of v1').toEqual(['deployment', 'deployment', 'network', 'traffic', 'worker'])
    const status = await appStatus(context, { app: shop })
    expect(status).toMatchObject({ state: 'live', deployment: { number: 1 }, release: { number: 1 }, canary: { deployment: { number: 2 }, percent: 10, release: { number: 2 } } })
    expect(status.canary!.next).toBeUndefined()
    expect(place.events).toContainEqual(expect.objectContaining({ type: 'app.released', deployment: 'v2', changed: true, canary: { percent: 10, stable: 'v1' } }))
    await release(context, { app: shop, canary: { percent: 50 } })
    expect(await weights(place)).toEqual(['v1 50', 'v2 50'])
    const created = async () => (await place.cloud.calls()).filter(({ operation, type, status }) => operation === 'create' && type === 'task' && status === 200).length
    expect(await created()).toBe(2)
    await release(context, { app: shop })
    expect(await weights(place)).toEqual(['v2 100'])
    expect(await created(), 'its release command ran once').toBe(2)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic', 'worker'])
    expect(await history(place)).toEqual(['release v1', 'release v2 10 %', 'release v2 50 %', 'release v2'])
    await rollback(context, { app: shop })
    expect(await weights(place), 'a rollback goes to the version before').toEqual(['v1 100'])
  })

  it.each(['rollback', 'rollback v1', 'release v1'])('is ended by %s, and is then no version that a rollback goes to', async (how) => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place, 30)
    const act = { rollback: () => rollback(context, { app: shop }), 'rollback v1': () => rollback(context, { app: shop, to: 1 }), 'release v1': () => release(context, { app: shop, deployment: 1 }) }[how]!
    const ended = await act()
    const status = await appStatus(context, { app: shop })
    expect(status).toMatchObject({ deployment: { number: 1 }, release: { number: ended.number } })
    expect(status.canary).toBeUndefined()
    expect(await weights(place)).toEqual(['v1 100'])
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
    expect(await history(place)).toEqual(['release v1', 'release v2 30 %', 'rollback v1 aborted'])
    expect((await failure(rollback(context, { app: shop }))).message).toContain('no earlier release')
  })

  it('that does not become healthy changes nothing', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    const before = await place.cloud.resources()
    await place.cloud.configure({ faults: [{ operation: 'create', type: 'deployment', action: 'deny', moment: 'before' }] })
    await failure(up(place.context, { ...upOf('two'), canary: { percent: 10 } }))
    await place.cloud.configure({ faults: [] })
    expect(await place.cloud.resources()).toEqual(before)
    expect((await listReleases(place.context, { app: shop })).releases).toHaveLength(1)
  })

  it('that the target does not give a share is removed again, and the old version has kept all of the traffic', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    const before = await place.cloud.resources()
    await place.cloud.configure({ faults: [{ operation: 'update', type: 'traffic', action: 'deny', moment: 'before' }] })
    await failure(up(place.context, { ...upOf('two'), canary: { percent: 10 } }))
    await place.cloud.configure({ faults: [] })
    expect(await place.cloud.resources()).toEqual(before)
    await up(place.context, { ...upOf('two'), canary: { percent: 10 } })
    expect(await weights(place)).toEqual(['v1 90', 'v2 10'])
  })

  it('of what nothing can be compared with is refused, and `up` then releases at once', async () => {
    await using place = await openWorkplace(cloud)
    await up(place.context, { ...upOf('one'), canary: { percent: 10 } })
    expect(await weights(place)).toEqual(['v1 100'])
    await stop(place.context, { app: shop })
    expect(await failure(release(place.context, { app: shop, canary: { percent: 10 } }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', reason: 'No other version has the traffic.' })
    for (const canary of [{ percent: 0 }, { percent: 100 }, { percent: 2.5 }, { steps: [50, 10] }, {}, { percent: 5, everyMs: 1000 }, { percent: 5, maxErrors: 2 }]) expect(await failure(release(place.context, { app: shop, canary }))).toMatchObject({ code: 'USAGE' })
  })

  it('of an app that would write to a volume twice is refused before it starts', async () => {
    await using place = await openWorkplace(cloud)
    const changes = { volumes: { data: {} } }
    await up(place.context, upOf('one', changes))
    const before = await place.cloud.resources()
    expect(await failure(up(place.context, { ...upOf('two', changes), canary: { percent: 10 } }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', reason: 'Its volume takes one writer at a time, and a canary runs beside the version before.' })
    expect(await place.cloud.resources()).toEqual(before)
  })

  it('whose promotion fails keeps its share, and the old version its workers', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    await up(context, upOf('one', { processes: { worker: ['work'] } }))
    await up(context, { ...upOf('two', { processes: { worker: ['fail'] } }), canary: { percent: 20 } })
    const before = await place.cloud.resources()
    expect(await failure(release(context, { app: shop }))).toMatchObject({ code: 'UNHEALTHY' })
    expect(await place.cloud.resources()).toEqual(before)
    expect(await weights(place)).toEqual(['v1 80', 'v2 20'])
  })
})

describe('while a canary is on', () => {
  const acts: Record<AppAction, ((context: LifecycleContext) => Promise<unknown>) | undefined> = {
    up: (context) => up(context, upOf('three')),
    restart: (context) => restart(context, { app: shop }),
    scale: (context) => scale(context, { app: shop, counts: { web: 2 } }),
    env: (context) => configure(context, { app: shop, set: { A: '1' }, unset: [] }),
    secret: undefined, build: undefined, deploy: undefined, release: undefined, rollback: undefined, stop: undefined, start: undefined, logs: undefined, open: undefined, backup: undefined, restore: undefined, volumes: undefined,
    destroy: undefined,
  }

  it('what would blur the comparison is refused with a way out, and changes nothing', async () => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place)
    const before = await place.cloud.resources()
    const verdicts = allowedActions({ state: 'live', canary: true })
    for (const [action, act] of Object.entries(acts)) {
      if (act === undefined) continue
      const error = await failure(act(context))
      expect(error).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: `${action} of shop/api is not possible now` })
      expect(error.reason).toBe(verdicts.find((verdict) => verdict.action === action)!.reason)
    }
    expect(await place.cloud.resources()).toEqual(before)
    expect((await readLedger(context.store.scope(appScope(shop)))).configurations).toHaveLength(1)
    expect(verdicts.filter(({ allowed }) => !allowed).map(({ action }) => action)).toEqual(['up', 'restart', 'start', 'scale', 'env', 'secret'])
  })

  it('what changes nothing that runs goes on: a staged value, a version that is only deployed, which then has to wait', async () => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place)
    await configure(context, { app: shop, set: { A: '1' }, unset: [], stage: true })
    await up(context, { ...upOf('three'), release: false })
    expect(await weights(place)).toEqual(['v1 90', 'v2 10'])
    const { builds } = await readLedger(context.store.scope(appScope(shop)))
    await deploy(context, { app: definition(), build: builds[0]! })
    expect(await failure(release(context, { app: shop, deployment: 3 }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: 'v3 of shop/api cannot be released now' })
    expect(await failure(release(context, { app: shop, deployment: 1, canary: { percent: 5 } }))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
    await release(context, { app: shop })
    expect(await weights(place)).toEqual(['v2 100'])
  })

  it('a rollback to a third version ends both', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    for (const text of ['one', 'two']) await up(context, upOf(text))
    await up(context, { ...upOf('three'), canary: { percent: 10 } })
    expect(await failure(rollback(context, { app: shop, to: 3 }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: 'v3 of shop/api is the canary' })
    await rollback(context, { app: shop, to: 1 })
    expect(await weights(place)).toEqual(['v1 100'])
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })

  it('stop ends both, and start brings back the one that was not the canary', async () => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place)
    await stop(context, { app: shop })
    expect(await types(place)).toEqual(['network', 'traffic'])
    expect(await appStatus(context, { app: shop })).toMatchObject({ state: 'stopped', release: { number: 1 } })
    await start(context, { app: shop })
    expect(await weights(place)).toEqual(['v1 100'])
  })

  it('destroy leaves nothing', async () => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place)
    await destroyApp(context, { app: shop, deleteData: true })
    expect(await types(place)).toEqual([])
  })
})

describe('an interrupted step', () => {
  it('that switched the traffic and was not written down is found, with its plan when the same operation goes on', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    await up(context, upOf('one'))
    const canary = { steps: [10, 50], everyMs: 1000 }
    const resumesSince = new Date().toISOString()
    expect((await failure(up(withoutReleases(context), { ...upOf('two'), canary }))).message).toContain('no disk')
    expect(await lookAtCanary(context, { app: shop })).toBeUndefined()
    const done = await up(watched(place.operation({ resumesSince })), { ...upOf('two'), canary })
    expect(done).toMatchObject({ deployment: { number: 2 }, release: { number: 2, canary: { percent: 10, ...canary } } })
    const next = { app: shop, canary: { percent: 50, ...canary } }
    const again = new Date().toISOString()
    await failure(release(withoutReleases(context), next))
    await release(watched(place.operation({ resumesSince: again })), next)
    expect(await history(place)).toEqual(['release v1', 'release v2 10 %', 'release v2 50 %'])
    expect(await types(place)).toEqual(['deployment', 'deployment', 'network', 'traffic'])
  })

  it('and another operation after it finds a canary that waits for a person', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    await up(context, upOf('one'))
    await failure(up(withoutReleases(context), { ...upOf('two'), canary: { steps: [10], everyMs: 1 } }))
    expect(await failure(restart(context, { app: shop }))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
    const { canary } = await appStatus(context, { app: shop })
    expect(canary).toMatchObject({ percent: 10, release: { number: 2 } })
    expect(canary!.next).toBeUndefined()
  })

  it('of an abort ends with the old version alone and the reason', async () => {
    await using place = await openWorkplace(cloud)
    const context = await withCanary(place)
    const resumesSince = new Date().toISOString()
    const input = { app: shop, because: 'v2 failed' }
    await failure(rollback(withoutReleases(context), input))
    const ended = await rollback(watched(place.operation({ resumesSince })), input)
    expect(ended).toMatchObject({ kind: 'rollback', aborted: { because: 'v2 failed' } })
    expect(await history(place)).toEqual(['release v1', 'release v2 10 %', 'rollback v1 aborted'])
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })
})

describe('a canary in steps, without a server', () => {
  /** Time passes only while nobody works. */
  const clockOf = (passes: (now: number) => void) => {
    let now = Date.now()
    return { now: () => now, sleep: async (ms: number) => passes((now += ms)) }
  }
  const steps = { steps: [10, 50], everyMs: 60_000 }

  it('takes each step when it is due, and ends with all of the traffic', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    await up(context, upOf('one'))
    await up(context, { ...upOf('two'), release: false })
    const seenShares = new Set<number>()
    const passes = async () => seenShares.add((await lookAtCanary(context, { app: shop }))!.release.canary!.percent)
    const clock = clockOf(() => {})
    const last = await releaseInSteps(context, { app: shop, canary: steps }, { lookMs: 30_000, clock: { now: clock.now, sleep: async (ms) => (await passes(), clock.sleep(ms)) } })
    expect(last).toMatchObject({ kind: 'release' })
    expect([...seenShares]).toEqual([10, 50])
    expect(await history(place)).toEqual(['release v1', 'release v2 10 %', 'release v2 50 %', 'release v2'])
  })

  it('gives the traffic back when the canary fails its requests, and says with which figures', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    const one = await up(context, upOf('one'))
    const { deployment } = await up(context, { ...upOf('two'), release: false })
    let looks = 0
    const clock = clockOf(() => void (looks++, (seen.counters = [counter(deployment.id, looks * 10, looks * 4), counter(one.deployment.id, looks * 90, 1)])))
    const error = await failure(releaseInSteps(context, { app: shop, canary: steps }, { lookMs: 1000, clock }))
    expect(error).toMatchObject({ code: 'UNHEALTHY', message: 'The canary of shop/api failed' })
    expect(error.reason).toContain('v2 failed 8 of 20 requests (40 %) with 10 % of the traffic, the version before 1 of 180 (0.6 %); 1 % is allowed')
    expect(looks).toBe(2)
    expect(await weights(place)).toEqual(['v1 100'])
    expect((await listReleases(context, { app: shop })).releases.at(-1)!.aborted!.because).toContain('8 of 20')
  })

  it('stops when somebody else decides', async () => {
    await using place = await openWorkplace(cloud)
    const context = watched(place.context)
    await up(context, upOf('one'))
    await up(context, { ...upOf('two'), release: false })
    const clock = clockOf(() => {})
    const ended = await releaseInSteps(context, { app: shop, canary: steps }, { clock: { ...clock, sleep: async () => void (await rollback(context, { app: shop })) } })
    expect(ended).toMatchObject({ kind: 'rollback', deployment: (await appStatus(context, { app: shop })).deployment!.id })
    const before = ended.number
    expect(await failure(rollback(context, { app: shop, after: before - 1 }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: `Release ${before - 1} of shop/api is no longer the newest` })
  })
})
