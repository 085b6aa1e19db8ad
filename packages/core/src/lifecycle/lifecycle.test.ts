import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { definition } from '../testing/definition.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import type { LifecycleContext } from './context.ts'
import { setSecret } from './app-secrets.ts'
import { listConfiguration } from './configuration-listing.ts'
import { configure } from './configure.ts'
import { destroyApp } from './destroy.ts'
import { failure, openWorkplace, ship, shop, sourceOf, types, withoutReleases } from './lifecycle.fixture.ts'
import { release, rollback } from './release.ts'
import { restart, start, stop } from './run-state.ts'
import { appStatus, listApps, listReleases } from './status.ts'
import { up } from './up.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

describe('up', () => {
  it('goes from source to a URL', async () => {
    await using place = await openWorkplace(cloud)
    const result = await ship(place, 'one')
    expect(result).toMatchObject({ changed: true, deployment: { number: 1 }, release: { number: 1, kind: 'release', by: 'ada' }, url: expect.stringContaining('http') })
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
    expect(place.events.filter(({ type }) => type === 'phase.finished')).toMatchObject([{ phase: 'build', outcome: 'done' }, { phase: 'deploy' }, { phase: 'release' }])
    expect(place.events.filter(({ type }) => type === 'resource')).toSatisfy((events: { app?: string }[]) => events.length > 0 && events.every(({ app }) => app === 'api'))
  })

  it('says when nothing changed, and makes no release', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one')
    const again = await ship(place, 'one')
    expect(again).toMatchObject({ changed: false, url: first.url, deployment: { id: first.deployment.id } })
    expect((await listReleases(place.context, { app: shop })).releases).toHaveLength(1)
    expect(place.events.findLast(({ type }) => type === 'app.released')).toMatchObject({ changed: false })
  })

  it('replaces the old deployment by the new one, and leaves nothing of the old', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    const second = await ship(place, 'two')
    expect(second).toMatchObject({ deployment: { number: 2 }, release: { number: 2, previous: expect.any(String) } })
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
    expect((await place.cloud.calls()).map(({ operation, type }) => `${operation} ${type}`).filter((call) => /create|update|delete/.test(call))).toEqual([
      'create network',
      'create deployment',
      'create traffic',
      'create deployment',
      'update traffic',
      'delete deployment',
    ])
  })

  it('deploys anew with force although nothing changed', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one')
    const forced = await up(place.context, { app: definition(), source: sourceOf('one'), force: true })
    expect(forced).toMatchObject({ changed: true, build: { id: first.build.id }, deployment: { number: 2, nonce: 1 } })
  })

  it('stops before the release when asked', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    const staged = await up(place.context, { app: definition(), source: sourceOf('two'), release: false })
    expect(staged).not.toHaveProperty('release')
    expect((await appStatus(place.context, { app: shop })).deployment?.number).toBe(1)
    await release(place.context, { app: shop })
    expect((await appStatus(place.context, { app: shop })).deployment?.number).toBe(2)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })

  it('leaves the running release alone when the new deployment is not healthy, and removes it', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one')
    const error = await failure(ship(place, 'two', { env: { PILOT_FAKE_HEALTH: 'unhealthy' } }))
    expect(error).toMatchObject({ code: 'UNHEALTHY', details: { log: ['503 Service Unavailable'] } })
    expect((await appStatus(place.context, { app: shop })).deployment?.id).toBe(first.deployment.id)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
    expect((await ship(place, 'three')).deployment.number).toBe(3)
  })

  it('names all missing secrets at once, before it builds', async () => {
    await using place = await openWorkplace(cloud)
    const error = await failure(ship(place, 'one', { secrets: ['JWT_KEY', 'SMTP_PASSWORD'] }))
    expect(error).toMatchObject({ code: 'SECRETS_MISSING', details: { missing: ['JWT_KEY', 'SMTP_PASSWORD'] }, suggestion: 'Set each with `secret set api JWT_KEY`, `secret set api SMTP_PASSWORD`.' })
    const staging = await failure(up(place.context, { app: { ...definition('api', { secrets: ['JWT_KEY'] }), app: { ...shop, environment: 'staging' } }, source: sourceOf('one') }))
    expect(staging).toMatchObject({ suggestion: 'Set it with `secret set api JWT_KEY -e staging`.' })
    expect(place.events).toEqual([])
  })

  it('refuses a build argument that holds a secret', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'NPM_TOKEN', value: 'hunter22' })
    const error = await failure(ship(place, 'one', { buildArgs: { TOKEN: 'hunter22' } }))
    expect(error).toMatchObject({ code: 'SECRET_IN_BUILD_ARGUMENT', message: expect.stringContaining('TOKEN') })
    expect(error.message).not.toContain('hunter22')
  })

  it('leaves everything as it was when the build fails', async () => {
    await using place = await openWorkplace(cloud)
    expect(await failure(up(place.context, { app: definition(), source: sourceOf('one', ['fail-build']) }))).toMatchObject({ code: 'BUILD_FAILED' })
    expect(await types(place)).toEqual([])
    expect((await appStatus(place.context, { app: shop })).state).toBe('absent')
  })

  it('is refused where another program manages the app', async () => {
    await using place = await openWorkplace(cloud)
    await up(place.operation({ managedBy: 'script' }), { app: definition(), source: sourceOf('one') })
    expect(await failure(ship(place, 'two'))).toMatchObject({ code: 'MANAGED_BY_SERVER', details: { managedBy: 'script' } })
  })

  it('is refused while another operation holds the app, naming it', async () => {
    await using place = await openWorkplace(cloud)
    await place.cloud.configure({ faults: [{ operation: 'create', type: 'deployment', action: 'hold', moment: 'before' }] })
    const first = ship(place, 'one')
    await place.cloud.held()
    expect(await failure(ship(place, 'two'))).toMatchObject({ code: 'HELD', message: expect.stringContaining('up of shop/api by ada') })
    await place.cloud.release()
    await first
  })

  it('stops at the next step when cancelled, and the next one goes on', async () => {
    await using place = await openWorkplace(cloud)
    const controller = new AbortController()
    await place.cloud.configure({ faults: [{ operation: 'create', type: 'deployment', action: 'hold', moment: 'after' }] })
    const work = up(place.operation({ signal: controller.signal }), { app: definition(), source: sourceOf('one') })
    await place.cloud.held()
    controller.abort()
    await place.cloud.release()
    expect(await failure(work)).toMatchObject({ code: 'CANCELLED' })
    await place.cloud.configure({ faults: [] })
    expect(await ship(place, 'one')).toMatchObject({ changed: true, deployment: { number: 1 } })
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })

  it('writes the release that a death between switching and writing left out', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    const { context } = place
    const dying = withoutReleases(context)
    expect((await failure(up(dying, { app: definition(), source: sourceOf('two') }))).message).toContain('no disk')
    expect((await listReleases(context, { app: shop })).releases).toHaveLength(1)
    expect(await ship(place, 'two')).toMatchObject({ changed: false, deployment: { number: 2 } })
    expect((await listReleases(context, { app: shop })).releases).toMatchObject([{ number: 1 }, { number: 2 }])
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })
})

describe('configuration', () => {
  it('is released at once, without a build', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one', { env: { LOG_LEVEL: 'info' } })
    const { release: released } = await configure(place.context, { app: shop, set: { LOG_LEVEL: 'debug' }, unset: [] })
    expect(released).toMatchObject({ number: 2, kind: 'configuration' })
    const { deployment } = await appStatus(place.context, { app: shop })
    expect(deployment).toMatchObject({ artifact: first.deployment.artifact, configuration: 2 })
    expect(await listConfiguration(place.context, { app: shop })).toEqual({ version: 2, released: 2, lines: [{ name: 'LOG_LEVEL', source: 'env set', hides: ['manifest'], value: 'debug' }, { name: 'PORT', source: 'platform', hides: [], from: 'port' }] })
  })

  it('waits for the next up when staged', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    expect(await configure(place.context, { app: shop, set: { A: '1' }, unset: [], stage: true })).not.toHaveProperty('release')
    expect(await ship(place, 'one')).toMatchObject({ changed: true, deployment: { configuration: 2 } })
  })

  it('shows the value of the manifest again after unset', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { env: { LOG_LEVEL: 'info' } })
    await configure(place.context, { app: shop, set: { LOG_LEVEL: 'debug' }, unset: [] })
    await configure(place.context, { app: shop, set: {}, unset: ['LOG_LEVEL'] })
    expect(await listConfiguration(place.context, { app: shop })).toMatchObject({ lines: [{ name: 'LOG_LEVEL', source: 'manifest', value: 'info' }, { name: 'PORT' }] })
    expect(await failure(configure(place.context, { app: shop, set: {}, unset: ['LOG_LEVEL'] }))).toMatchObject({ code: 'NOT_FOUND' })
  })

  it('keeps secrets out of records, state and listing', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'JWT_KEY', value: 'a-very-secret-value' })
    await ship(place, 'one', { secrets: ['JWT_KEY'] })
    const scope = place.context.store.scope('app/shop/api/production')
    const written = JSON.stringify([await scope.readState(), await scope.readJournal(), await scope.listRecords('configuration'), await scope.listRecords('deployment'), place.events, await listConfiguration(place.context, { app: shop })])
    expect(written).toContain('JWT_KEY')
    expect(written).not.toContain('a-very-secret-value')
    const running = (await place.cloud.resources()).find(({ type }) => type === 'deployment')
    expect(JSON.stringify(running)).toContain('a-very-secret-value')
  })

  it('is never made up: without its record nothing goes on with the deployment, and up writes the next one', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { env: { LOG_LEVEL: 'info' } })
    await rm(join(place.storeDir, 'app/shop/api/production/records/configuration'), { recursive: true })
    for (const act of [restart, (context: LifecycleContext) => release(context, { app: shop, deployment: 1 })]) {
      expect(await failure(act(place.context, { app: shop }))).toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining('configuration 1 of shop/api') })
    }
    await stop(place.context, { app: shop })
    expect(await failure(start(place.context, { app: shop }))).toMatchObject({ code: 'STATE_CORRUPT' })
    expect(await ship(place, 'one', { env: { LOG_LEVEL: 'debug' } })).toMatchObject({ changed: true, deployment: { configuration: 2 } })
  })

  it('refuses names that no shell takes', async () => {
    await using place = await openWorkplace(cloud)
    expect(await failure(configure(place.context, { app: shop, set: { 'A-B': '1' }, unset: [] }))).toMatchObject({ code: 'USAGE' })
  })
})

describe('rollback', () => {
  it('releases the deployment before', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one')
    await ship(place, 'two')
    expect(await rollback(place.context, { app: shop })).toMatchObject({ number: 3, kind: 'rollback', deployment: first.deployment.id })
    expect((await appStatus(place.context, { app: shop })).deployment?.number).toBe(1)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })

  it('does not take a restart for a version to go back from or to', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one')
    await ship(place, 'two')
    await restart(place.context, { app: shop })
    expect(await rollback(place.context, { app: shop })).toMatchObject({ kind: 'rollback', deployment: first.deployment.id })
    await restart(place.context, { app: shop })
    const back = await rollback(place.context, { app: shop })
    expect((await listReleases(place.context, { app: shop })).deployments.find(({ id }) => id === back.deployment)?.artifact.digest).not.toBe(first.deployment.artifact.digest)
  })

  it('goes to the deployment that is asked for', async () => {
    await using place = await openWorkplace(cloud)
    for (const text of ['one', 'two', 'three']) await ship(place, text)
    await rollback(place.context, { app: shop, to: 1 })
    expect((await appStatus(place.context, { app: shop })).deployment?.number).toBe(1)
    expect(await failure(rollback(place.context, { app: shop, to: 9 }))).toMatchObject({ code: 'NOT_FOUND', reason: expect.stringContaining('v3') })
  })

  it('runs with the secrets of today and says which differ', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'API_KEY', value: 'old-key-old-key' })
    const first = await ship(place, 'one')
    await ship(place, 'two')
    await setSecret(place.context, { app: shop, name: 'API_KEY', value: 'new-key-new-key' })
    await rollback(place.context, { app: shop, to: 1 })
    const { deployment } = await appStatus(place.context, { app: shop })
    expect(deployment?.artifact).toEqual(first.deployment.artifact)
    const running = JSON.stringify((await place.cloud.resources()).filter(({ type }) => type === 'deployment'))
    expect(running).toContain('new-key-new-key')
    expect(running).not.toContain('old-key-old-key')
    expect(place.events).toContainEqual(expect.objectContaining({ type: 'notice', text: expect.stringContaining('API_KEY') }))
  })

  it('has nowhere to go after one release', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    expect(await failure(rollback(place.context, { app: shop }))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
  })
})

describe('stop, start and restart', () => {
  it('take an app away and bring back what ran', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one', { database: { own: true } })
    expect(await stop(place.context, { app: shop })).toEqual({ stopped: true })
    expect(await types(place)).toEqual(['database', 'network', 'traffic'])
    expect((await appStatus(place.context, { app: shop })).state).toBe('stopped')
    expect(await failure(stop(place.context, { app: shop }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', message: 'stop of shop/api is not possible now', reason: 'It does not run.' })
    expect(await start(place.context, { app: shop })).toMatchObject({ deployment: first.deployment.id })
    expect(await failure(start(place.context, { app: shop }))).toMatchObject({ code: 'NOT_ALLOWED_NOW' })
  })

  it('restart with the same content beside the old one', async () => {
    await using place = await openWorkplace(cloud)
    const first = await ship(place, 'one')
    const restarted = await restart(place.context, { app: shop })
    expect(restarted).toMatchObject({ kind: 'restart' })
    expect(restarted.deployment).not.toBe(first.deployment.id)
    expect(await types(place)).toEqual(['deployment', 'network', 'traffic'])
  })
})

describe('destroy', () => {
  it('keeps the data, and the next up finds it', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { database: { own: true } })
    const database = (await place.cloud.resources()).find(({ type }) => type === 'database')?.id
    const { kept } = await destroyApp(place.context, { app: shop, deleteData: false })
    expect(kept).toMatchObject([{ kind: 'fake/database' }, { kind: 'fake/network' }])
    expect(await types(place)).toEqual(['database', 'network'])
    expect((await appStatus(place.context, { app: shop })).state).toBe('destroyed')
    expect(await failure(start(place.context, { app: shop }))).toMatchObject({ code: 'NOT_ALLOWED_NOW', reason: expect.stringContaining('`up`') })
    await ship(place, 'one', { database: { own: true } })
    expect((await place.cloud.resources()).find(({ type }) => type === 'database')?.id).toBe(database)
  })

  it('removes everything with its data, secrets included', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'JWT_KEY', value: 'secret-value' })
    await ship(place, 'one', { database: { own: true } })
    expect(await destroyApp(place.context, { app: shop, deleteData: true })).toMatchObject({ kept: [] })
    expect(await types(place)).toEqual([])
    expect(await place.context.secrets.list('app/')).toEqual([])
    expect(await listApps(place.context)).toEqual([])
  })

  it('keeps a database that the manifest no longer names', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { database: { own: true } })
    await ship(place, 'two')
    expect(await types(place)).toEqual(['database', 'deployment', 'network', 'traffic'])
  })

  it('keeps data that another app uses, naming it, also while that one is stopped', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { database: { own: true } })
    const [web, elsewhere] = [{ ...shop, app: 'web' }, { ...shop, app: 'web', environment: 'preview' }]
    for (const app of [web, elsewhere]) await up(place.context, { app: { ...definition('web', { database: { from: 'api' } }), app }, source: sourceOf('web') })
    for (const change of [async () => {}, () => stop(place.context, { app: web })]) {
      await change()
      expect(await failure(destroyApp(place.context, { app: shop, deleteData: true }))).toMatchObject({ code: 'BLOCKED', message: 'The database of shop/api is used by shop/web', suggestion: expect.stringContaining('Destroy shop/web first') })
    }
    expect(await destroyApp(place.context, { app: shop, deleteData: false })).toMatchObject({ kept: [{ kind: 'fake/database' }, { kind: 'fake/network' }] })
    expect(await failure(destroyApp(place.context, { app: shop, deleteData: true }))).toMatchObject({ code: 'BLOCKED' })
    await destroyApp(place.context, { app: web, deleteData: true })
    await destroyApp(place.context, { app: shop, deleteData: true })
    expect(await listApps(place.context)).toEqual([elsewhere])
  })
})
