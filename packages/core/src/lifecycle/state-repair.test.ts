import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../graph/engine.ts'
import type { Graph } from '../provider/graph.ts'
import { acquireLease } from '../store/lease.ts'
import type { ScopeStore, State } from '../store/store.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { openWorkplace, type Workplace } from './lifecycle.fixture.ts'
import { setup } from './setup.ts'
import { forgetResource, readRecordedState, restoreState } from './state-repair.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

const scope = 'platform'
const storeOf = ({ context }: Workplace): ScopeStore => context.store.scope(scope)
const keysOf = (state: State | undefined): readonly string[] => (state?.resources ?? []).map(({ key, generation }) => `${key}#${generation}`)
const network = (key: string): Graph[number] => ({ key, kind: 'fake/network', inputs: {} })

/** Applies a graph as an owner that dies before it writes the state: what it did stands in the journal only. */
async function applyAndDie({ context }: Workplace, graph: Graph): Promise<void> {
  const store = storeOf({ context } as Workplace)
  await using lease = await acquireLease({ store, title: 'the owner that dies' })
  const dying: ScopeStore = { ...store, writeState: () => Promise.reject(new Error('died')), truncateJournal: () => Promise.reject(new Error('died')) }
  const engine = createEngine({ kinds: context.provider.kinds, scope: dying, lease, platformId: context.platform.id, secrets: context.secrets, managedBy: context.managedBy })
  await expect(engine.apply(graph)).rejects.toThrow('died')
  expect((await store.readJournal()).length).toBeGreaterThan(0)
}

async function damage({ context }: Workplace, version: number): Promise<void> {
  const folder = join(dirname(context.workDir), 'store', scope, 'state')
  const file = (await readdir(folder)).find((name) => Number.parseInt(name, 10) === version)!
  await writeFile(join(folder, file), (await readFile(join(folder, file), 'utf8')).slice(0, 40))
}

describe('restoring a state', () => {
  it('writes an earlier version as the next one', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const first = (await storeOf(place).readState())!
    const { version } = await forgetResource(place.context, { scope, key: 'network' })
    expect(await restoreState(place.context, { scope, version: first.version })).toEqual({ scope, version: version + 1 })
    expect((await storeOf(place).readState())!.resources).toEqual(first.resources)
  })

  it('works when the newest version is damaged, and the next operation goes on from it', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const { version: good } = (await storeOf(place).readState())!
    const { version } = await forgetResource(place.context, { scope, key: 'network' })
    await damage(place, version)
    await expect(storeOf(place).readState()).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    await expect(setup(place.context)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    await expect(forgetResource(place.context, { scope, key: 'network' })).rejects.toMatchObject({ code: 'STATE_CORRUPT' })

    expect(await restoreState(place.context, { scope, version: good })).toEqual({ scope, version: version + 1 })
    expect(await setup(place.context)).toEqual({ changed: false })
    expect(await place.cloud.violations()).toEqual([])
  })

  it('refuses a version that is damaged itself, or not there, and changes nothing', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const { version } = (await storeOf(place).readState())!
    await damage(place, version)
    await expect(restoreState(place.context, { scope, version })).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    await expect(restoreState(place.context, { scope, version: 99 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await storeOf(place).stateHistory())[0]!.version).toBe(version)
    expect((await storeOf(place).lease.read())?.holder).toBeUndefined()
  })

  it('is not undone by what a crash left in the journal, which becomes a version of its own', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const good = (await storeOf(place).readState())!
    await applyAndDie(place, [network('network'), network('extra')])

    const { version } = await restoreState(place.context, { scope, version: good.version })
    expect(await storeOf(place).readJournal()).toEqual([])
    expect(keysOf(await storeOf(place).readStateVersion(version - 1))).toEqual(['extra#1', 'network#1'])
    const reader = await openRecovered(place)
    expect(keysOf(reader)).toEqual(['network#1'])

    // What was made after that version is still ours: it goes with the rest.
    const { engine, lease } = await owner(place)
    expect(await engine.destroy()).toMatchObject({ deleted: expect.arrayContaining([expect.stringContaining('extra')]), foreign: [] })
    await lease.release()
    expect(await place.cloud.resources()).toEqual([])
    expect(await place.cloud.violations()).toEqual([])
  })

  it('never lets a generation be used twice', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const { version: good } = (await storeOf(place).readState())!
    const first = await owner(place)
    await first.engine.apply([network('network'), network('extra')])
    await first.engine.apply([network('network')])
    await first.lease.release()
    await restoreState(place.context, { scope, version: good })
    const second = await owner(place)
    expect((await second.engine.plan([network('network'), network('extra')])).steps).toMatchObject([{ key: 'network', action: 'keep' }, { key: 'extra', action: 'create', generation: 2 }])
    await second.lease.release()
  })
})

describe('forgetting a resource', () => {
  it('sees what is only in the journal, and is not undone by it', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    await applyAndDie(place, [network('network'), network('extra')])
    expect(keysOf(await storeOf(place).readState())).toEqual(['network#1'])
    expect(keysOf(await readRecordedState(storeOf(place)))).toEqual(['extra#1', 'network#1'])

    await forgetResource(place.context, { scope, key: 'extra' })
    expect(keysOf(await openRecovered(place))).toEqual(['network#1'])
    expect(await storeOf(place).readJournal()).toEqual([])
  })

  it('also where a crash came before the first state', async () => {
    await using place = await openWorkplace(cloud)
    await applyAndDie(place, [network('network'), network('extra')])
    expect(await forgetResource(place.context, { scope, key: 'extra' })).toEqual({ scope, version: 2 })
    expect(await storeOf(place).readState()).toMatchObject({ managedBy: 'server-1', resources: [{ key: 'network' }] })
  })

  it('leaves what exists alone: no sweep deletes it, and nothing new takes its name', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    const first = await owner(place)
    await first.engine.apply([network('network'), network('extra')])
    await first.lease.release()
    await forgetResource(place.context, { scope, key: 'extra' })
    const { engine, lease } = await owner(place)
    expect(await engine.destroy()).toMatchObject({ foreign: [{ owner: { key: 'extra' } }] })
    await lease.release()
    expect((await place.cloud.resources()).map(({ marks }) => marks['key'])).toEqual(['extra'])
  })

  it('says what there is when the key is not known', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    await expect(forgetResource(place.context, { scope, key: 'netwrok' })).rejects.toMatchObject({ code: 'NOT_FOUND', reason: 'It holds network.' })
  })

  it('is left to the program that manages the scope, and waits for no operation that runs', async () => {
    await using place = await openWorkplace(cloud)
    await setup(place.context)
    await expect(forgetResource(place.operation({ managedBy: 'script' }), { scope, key: 'network' })).rejects.toMatchObject({ code: 'MANAGED_BY_SERVER' })
    const { lease } = await owner(place)
    await expect(forgetResource(place.context, { scope, key: 'network' })).rejects.toMatchObject({ code: 'HELD' })
    await lease.release()
  })
})

async function owner({ context }: Workplace) {
  const store = context.store.scope(scope)
  const lease = await acquireLease({ store, title: 'test' })
  return { lease, engine: createEngine({ kinds: context.provider.kinds, scope: store, lease, platformId: context.platform.id, secrets: context.secrets, managedBy: context.managedBy }) }
}

/** The state after the next owner has replayed whatever there is to replay. */
async function openRecovered(place: Workplace): Promise<State | undefined> {
  const { engine, lease } = await owner(place)
  await engine.recover()
  await lease.release()
  return storeOf(place).readState()
}
