import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { allowedActions, type AppAction } from './actions.ts'
import { configure } from './configure.ts'
import type { LifecycleContext } from './context.ts'
import { failure, openWorkplace, ship, shop, sourceOf, types, withoutReleases, type Workplace } from './lifecycle.fixture.ts'
import type { AppState } from './records.ts'
import { release, rollback } from './release.ts'
import { restart, start, stop } from './run-state.ts'
import { appStatus, listReleases } from './status.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

describe('the table of allowed actions', () => {
  const actions: Partial<Record<AppAction, (context: LifecycleContext, input: { app: AppIdentity }) => Promise<unknown>>> = { release, rollback, restart, stop, start }
  const reach: Partial<Record<AppState, (place: Workplace) => Promise<unknown>>> = {
    absent: (place) => configure(place.context, { app: shop, set: { A: '1' }, unset: [] }),
    staged: (place) => up(place.context, { app: definition(), source: sourceOf('one'), release: false }),
    live: (place) => ship(place, 'one'),
    stopped: (place) => ship(place, 'one').then(() => stop(place.context, { app: shop })),
  }

  it.each(Object.keys(reach) as AppState[])('is what the phases keep to when an app is %s', async (state) => {
    for (const action of Object.keys(actions) as AppAction[]) {
      await using place = await openWorkplace(cloud)
      await reach[state]!(place)
      const { allowed, reason } = allowedActions({ state }).find((verdict) => verdict.action === action)!
      const error = await actions[action]!(place.context, { app: shop }).then(() => undefined, (thrown: PilotError) => thrown)
      if (allowed) expect(error?.message ?? 'done', `${action} of an app that is ${state}`).toMatch(/^done$|no earlier release/)
      else expect(error, `${action} of an app that is ${state}`).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: `${action} of shop/api is not possible now`, reason })
    }
  })
})

describe('release', () => {
  it('of what is live already changes nothing and says so', async () => {
    await using place = await openWorkplace(cloud)
    const { release: first } = await ship(place, 'one')
    place.events.length = 0
    expect(await release(place.context, { app: shop })).toEqual(first)
    expect((await listReleases(place.context, { app: shop })).releases).toHaveLength(1)
    expect(place.events).toContainEqual(expect.objectContaining({ type: 'phase.finished', phase: 'release', outcome: 'unchanged' }))
    expect(place.events).toContainEqual(expect.objectContaining({ type: 'app.released', changed: false }))
  })
})

describe('a later attempt of an operation', () => {
  it('does not release again what an earlier one has', async () => {
    await using place = await openWorkplace(cloud)
    for (const text of ['one', 'two']) await ship(place, text)
    for (const act of [rollback, restart]) {
      const resumesSince = new Date().toISOString()
      const done = await act(place.context, { app: shop })
      expect(await act(place.operation({ resumesSince }), { app: shop })).toEqual(done)
    }
    const resumesSince = new Date().toISOString()
    await stop(place.context, { app: shop })
    expect(await stop(place.operation({ resumesSince }), { app: shop })).toEqual({ stopped: true })
    const done = await start(place.context, { app: shop })
    expect(await start(place.operation({ resumesSince }), { app: shop })).toEqual(done)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })

  it('does not force a release again that an earlier one has forced', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    const again = { app: definition(), source: sourceOf('one'), force: true }
    const resumesSince = new Date().toISOString()
    const forced = await up(place.context, again)
    expect(forced.deployment.number).toBe(2)
    expect(await up(place.operation({ resumesSince }), again)).toMatchObject({ deployment: { number: 2 }, release: { number: 2 }, changed: false })
    expect((await up(place.operation({ resumesSince: new Date().toISOString() }), again)).deployment.number).toBe(3)
  })

  it('goes on with a rollback that switched traffic and did not write it down', async () => {
    await using place = await openWorkplace(cloud)
    for (const text of ['one', 'two']) await ship(place, text)
    const { context } = place
    const resumesSince = new Date().toISOString()
    expect((await failure(rollback(withoutReleases(context), { app: shop }))).message).toContain('no disk')
    await rollback(place.operation({ resumesSince }), { app: shop })
    expect((await appStatus(context, { app: shop })).deployment?.number).toBe(1)
    expect((await listReleases(context, { app: shop })).releases).toHaveLength(3)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })

  it.each(['that its first attempt wrote down', 'that nobody wrote down'])('does not take the release of an operation that died before for its own: one %s', async (which) => {
    await using place = await openWorkplace(cloud)
    for (const text of ['one', 'two']) await ship(place, text)
    const again = { app: definition(), source: sourceOf('three') }
    expect((await failure(up(withoutReleases(place.context), again))).message).toContain('no disk')
    const resumesSince = new Date().toISOString()
    if (which === 'that its first attempt wrote down') {
      await place.cloud.configure({ faults: [{ operation: 'create', type: 'deployment', action: 'deny', moment: 'before' }] })
      await failure(restart(place.context, { app: shop }))
      await place.cloud.configure({ faults: [] })
    }
    expect(await restart(place.operation({ resumesSince }), { app: shop })).toMatchObject({ number: 4, kind: 'restart' })
    expect((await listReleases(place.context, { app: shop })).releases[2]!.at < resumesSince).toBe(true)
  })

  it('removes what a stop left running that took the traffic away', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    await place.cloud.configure({ faults: [{ operation: 'delete', type: 'deployment', action: 'deny', moment: 'before' }] })
    await failure(stop(place.context, { app: shop }))
    await place.cloud.configure({ faults: [] })
    await stop(place.operation({ resumesSince: new Date(0).toISOString() }), { app: shop })
    expect(await types(place)).toEqual(['network', 'traffic'])
  })
})
