import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { setSecret, removeSecret } from './app-secrets.ts'
import { configurationHistory, diffConfigurations } from './configuration-history.ts'
import { listConfiguration } from './configuration-listing.ts'
import { configure } from './configure.ts'
import { failure, openWorkplace, ship, shop, type Workplace } from './lifecycle.fixture.ts'
import { rollback } from './release.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud[Symbol.asyncDispose]())

const set = (place: Workplace, values: Record<string, string>, more: { stage?: boolean } = {}) => configure(place.context, { app: shop, set: values, unset: [], ...more })
const restore = (place: Workplace, version: number, more: { stage?: boolean } = {}) => configure(place.context, { app: shop, set: {}, unset: [], restore: version, ...more })
const list = (place: Workplace) => listConfiguration(place.context, { app: shop })
const valueOf = async (place: Workplace, name: string) => (await list(place)).lines.find((line) => line.name === name)?.value

describe('versions of a configuration', () => {
  it('say what each changed, newest first, and which one runs', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { env: { REGION: 'eu', LOG_LEVEL: 'info' } })
    await set(place, { LOG_LEVEL: 'debug' })
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'first-secret' })
    await configure(place.context, { app: shop, set: {}, unset: ['LOG_LEVEL'], stage: true })
    const history = await configurationHistory(place.context, { app: shop })
    expect(history).toMatchObject([
      { version: 4, released: false, changes: [{ name: 'LOG_LEVEL', before: { source: 'env set', value: 'debug' }, after: { source: 'manifest', value: 'info' } }] },
      { version: 3, released: true, by: 'ada', changes: [{ name: 'KEY', after: { source: 'secret', version: 1 } }] },
      { version: 2, released: false, changes: [{ name: 'LOG_LEVEL' }] },
      { version: 1, released: false, changes: [{ name: 'LOG_LEVEL' }, { name: 'REGION' }] },
    ])
    expect(JSON.stringify(history)).not.toContain('first-secret')
  })

  it('differ by what the app sees; without versions from what runs to what is next', async () => {
    await using place = await openWorkplace(cloud)
    expect(await failure(diffConfigurations(place.context, { app: shop }))).toMatchObject({ code: 'NOT_FOUND', suggestion: expect.stringContaining('env history') })
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'first-secret' })
    await ship(place, 'one', { env: { A: '1' } })
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'second-secret', stage: true })
    await set(place, { A: '2', B: '' }, { stage: true })
    const diff = await diffConfigurations(place.context, { app: shop })
    expect(diff).toMatchObject({
      to: 'next',
      changes: [
        { name: 'A', before: { source: 'manifest', value: '1' }, after: { source: 'env set', value: '2' } },
        { name: 'B', after: { source: 'env set', value: '' } },
        { name: 'KEY', before: { source: 'secret', version: 1 }, after: { source: 'secret', version: 2 } },
      ],
    })
    expect(JSON.stringify(diff)).not.toContain('-secret')
    const back = await diffConfigurations(place.context, { app: shop, from: 'next', to: diff.from })
    expect(back.changes).toMatchObject([{ name: 'A', after: { value: '1' } }, { name: 'B', before: { value: '' } }, { name: 'KEY' }])
    expect(await failure(diffConfigurations(place.context, { app: shop, from: 77 }))).toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('no version 77'), reason: expect.stringMatching(/versions 1 to \d/) })
  })

  it('come back as a new version, released like any change', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { env: { A: 'manifest' } })
    await set(place, { B: '1' })
    await set(place, { A: 'set', B: '2' })
    const { configuration, release } = await restore(place, 2)
    expect(configuration).toMatchObject({ version: 4, restoredFrom: 2, manifest: { A: 'manifest' }, set: { B: '1' } })
    expect(release).toMatchObject({ kind: 'configuration' })
    expect(await list(place)).toMatchObject({ version: 4, released: 4 })
    expect(await restore(place, 2)).toEqual({ configuration })
    expect(await restore(place, 3, { stage: true })).toEqual({ configuration: expect.objectContaining({ version: 5 }) })
    expect(await list(place)).toMatchObject({ version: 5, released: 4, pending: { why: 'staged', names: ['A', 'B'] } })
    await ship(place, 'one', { env: { A: 'manifest' } })
    expect(await valueOf(place, 'A')).toBe('set')
    expect(await failure(restore(place, 99))).toMatchObject({ code: 'NOT_FOUND' })
    expect((await list(place)).version).toBe(5)
  })

  it('come back with the secrets of today, and say so', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'first-secret' })
    await ship(place, 'one', { env: { A: '1' } })
    const { version } = await list(place)
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'second-secret' })
    await set(place, { A: '2' })
    await restore(place, version)
    const running = JSON.stringify((await place.cloud.resources()).filter(({ type }) => type === 'deployment'))
    expect(running).toContain('second-secret')
    expect(running).not.toContain('first-secret')
    expect(place.events).toContainEqual(expect.objectContaining({ type: 'notice', text: expect.stringContaining('KEY changed since version') }))
  })
})

describe('the list after a rollback', () => {
  it('does not call staged what was released before', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one', { env: { A: '1' } })
    await set(place, { A: '2' })
    await rollback(place.context, { app: shop })
    expect(await list(place)).toMatchObject({ version: 2, released: 1, pending: { why: 'rollback', names: ['A'] } })
    await set(place, { B: '1' }, { stage: true })
    expect(await list(place)).toMatchObject({ version: 3, released: 1, pending: { why: 'staged', names: ['A', 'B'] } })
  })

  it('has nothing to say where only the artifact went back, or the secret is that of today', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'first-secret' })
    await ship(place, 'one')
    await ship(place, 'two')
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'second-secret' })
    await rollback(place.context, { app: shop, to: 1 })
    const listing = await list(place)
    expect(listing.released).toBeGreaterThan(listing.version)
    expect(listing).not.toHaveProperty('pending')
    expect((await configurationHistory(place.context, { app: shop }))[0]).toMatchObject({ version: listing.released, derivedFrom: 1, released: true, changes: [{ name: 'KEY', before: { version: 1 }, after: { version: 2 } }] })
  })
})

describe('an interrupted change', () => {
  it('is not refused for what its first attempt has removed', async () => {
    await using place = await openWorkplace(cloud)
    await ship(place, 'one')
    await set(place, { A: '1' })
    const resumesSince = new Date().toISOString()
    const change = { app: shop, set: {}, unset: ['A'] }
    await configure(place.context, { ...change, stage: true })
    expect(await configure({ ...place.operation(), resumesSince }, change)).toMatchObject({ release: { kind: 'configuration' } })
    expect(await valueOf(place, 'A')).toBeUndefined()
    expect(await failure(configure(place.context, change))).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('a variable with the name of a secret', () => {
  it('does not count, and that is said', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'first-secret' })
    await ship(place, 'one')
    await set(place, { KEY: 'open' })
    expect((await list(place)).lines).toContainEqual({ name: 'KEY', source: 'secret', hides: ['env set'] })
    expect(place.events).toContainEqual(expect.objectContaining({ type: 'notice', text: expect.stringContaining('KEY is a secret too') }))
  })
})

describe('a removed secret', () => {
  it('stays with the deployment that one goes back to', async () => {
    await using place = await openWorkplace(cloud)
    await setSecret(place.context, { app: shop, name: 'KEY', value: 'kept-secret' })
    await ship(place, 'one')
    await removeSecret(place.context, { app: shop, name: 'KEY' })
    await ship(place, 'two')
    await rollback(place.context, { app: shop })
    expect(JSON.stringify((await place.cloud.resources()).filter(({ type }) => type === 'deployment'))).toContain('kept-secret')
    expect(await list(place)).toMatchObject({ pending: { why: 'rollback', names: ['KEY'] } })
  })
})
