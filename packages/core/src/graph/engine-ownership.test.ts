import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeCloud, type FakeAccount, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import { stateFormat } from '../store/store.ts'
import { actions, consistencyMs, database, failure, network, openBench, platformId, rule, server } from './engine.fixture.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

const web = [network(), server(), rule()]
/** The first call to create one of these has no answer, and no effect so far. */
const unanswered = (type: string) => ({ action: 'crash', moment: 'before', operation: 'create', type, call: 1 }) as const
const marks = (key: string, generation = 1, scope = 'platform') => ({ platformId, scope, key, generation: String(generation) })

describe('without state', () => {
  test('what carries our marks is taken over and nothing is made twice', async () => {
    const { account, engine, dir, changes, keys } = await openBench(cloud)
    await engine().apply([...web, database('database', { sizeGb: 5 })])
    const before = (await changes()).length
    const scope = createFileStore({ dir: `${dir}/other` }).scope('platform')
    const lease = await acquireLease({ store: scope, title: 'after the loss' })
    const lost = engine({ scope, lease })
    expect((await lost.plan(web.concat(database('database', { sizeGb: 5 })))).steps[0]).toMatchObject({ action: 'keep', reason: 'network-0001 exists with our marks: taken over' })
    expect(actions(await lost.apply([...web, database('database', { sizeGb: 5 })]))).toEqual(['keep network', 'keep server', 'keep rule', 'keep database'])
    expect((await changes()).length).toBe(before)
    expect((await failure(lost.apply(web))).code).toBe('PROTECTED')
    await lost.destroy({ confirmProtected: ['database'] })
    await lease.release()
    expect(await keys()).toEqual([])
    expect(await account.violations()).toEqual([])
  })

  test('the same key of another scope is not ours', async () => {
    const { account, engine, changes } = await openBench(cloud)
    await account.plant({ type: 'network', name: 'elsewhere', marks: marks('network', 1, 'app/shop/api/production') })
    await engine().apply([network()])
    expect(await changes()).toEqual(['create network'])
    expect(await account.resources()).toHaveLength(2)
  })
})

describe('several answer to one identity', () => {
  const twice = async (properties: Readonly<Record<string, unknown>>) => {
    const bench = await openBench(cloud)
    await bench.engine().apply([network()])
    // A create call of a dead process without a result; in truth it came through twice.
    const [made] = await bench.account.resources()
    const needs = [made!.id]
    await bench.account.configure({ faults: [{ action: 'deny', moment: 'after', operation: 'create', type: 'server', call: 1 }] })
    const { journal, inputs } = { journal: bench.scope, inputs: { network: { $ref: { key: 'network', output: 'id' } } } }
    const lease = (await journal.lease.read())!
    const seq = (await journal.readState())!.journalSeq! + 1
    await journal.appendJournal({ type: 'intent', action: 'create', at: new Date().toISOString(), seq, resource: { key: 'server', kind: 'fake/server', kindVersion: 1, generation: 1, inputs, dependsOn: ['network'] } }, { token: lease.token })
    for (const extra of [{}, properties]) await bench.account.plant({ type: 'server', marks: marks('server'), needs, properties: { network: made!.id, ...extra } })
    return bench
  }

  test('one stays, the empty one goes', async () => {
    const { account, engine } = await twice({})
    await engine().apply([network(), server()])
    expect((await account.resources()).filter(({ type }) => type === 'server')).toHaveLength(1)
  })

  test('one that is in use is kept before an empty one', async () => {
    const { account, engine } = await twice({ inUse: true })
    await engine().apply([network(), server()])
    expect((await account.resources()).filter(({ type }) => type === 'server').map(({ properties }) => properties['inUse'])).toEqual([true])
  })

  test('two in use are for a person to decide', async () => {
    const { account, engine } = await twice({ inUse: true })
    await account.change('server-0002', { inUse: true })
    const error = await failure(engine().apply([network(), server()]))
    expect(error).toMatchObject({ code: 'DUPLICATE', details: { ids: ['server-0002', 'server-0003'] } })
    expect((await account.resources()).filter(({ type }) => type === 'server')).toHaveLength(2)
  })
})

describe('destroy', () => {
  test('goes backwards along the recorded edges', async () => {
    const { account, engine, changes, keys } = await openBench(cloud)
    await engine().apply(web)
    const before = (await changes()).length
    expect((await engine().destroy()).deleted.toSorted()).toEqual(['network', 'rule', 'server'])
    expect((await changes()).slice(before)).toEqual(['delete rule', 'delete server', 'delete network'])
    expect(await keys()).toEqual([])
    expect((await account.calls()).filter(({ status }) => status === 409)).toEqual([])
  })

  test('what is gone already is deleted', async () => {
    const { account, engine } = await openBench(cloud)
    await engine().apply(web)
    for (const { id } of (await account.resources()).toReversed()) await account.remove(id)
    expect((await engine().destroy()).deleted).toHaveLength(3)
  })

  test('access denied is an error, and the rest stays recorded', async () => {
    const { account, engine, scope } = await openBench(cloud)
    await engine().apply(web)
    await account.configure({ faults: [{ action: 'deny', moment: 'before', operation: 'delete', type: 'server' }] })
    expect((await failure(engine().destroy())).code).toBe('ACCESS_DENIED')
    expect((await scope.readState())!.resources.map(({ key, status }) => [key, status])).toEqual([['network', 'ready'], ['server', 'ready']])
    await account.configure({ faults: [] })
    await engine().destroy()
    expect(await account.resources()).toEqual([])
  })

  test('what something else depends on is tried again within bounds, then the blocker is named', async () => {
    const { account, engine } = await openBench(cloud)
    await engine().apply([network()])
    const blocker = await account.plant({ type: 'server', needs: ['network-0001'] })
    const error = await failure(engine().destroy())
    expect(error.code).toBe('BLOCKED')
    expect(error.message).toContain(blocker)
    const destroyed = engine().destroy()
    await account.remove(blocker)
    await destroyed
    expect(await account.resources()).toEqual([])
  })

  test('data stays without its key, and with what is kept stays what it needs', async () => {
    const { engine, keys, scope } = await openBench(cloud)
    await engine().apply([...web, network('other'), database('database', { network: { $ref: { key: 'network', output: 'id' } } })])
    expect((await failure(engine().destroy())).code).toBe('PROTECTED')
    const { kept } = await engine().destroy({ keep: ({ key }) => key === 'database' })
    expect(kept.map(({ key }) => key).toSorted()).toEqual(['database', 'network'])
    expect(await keys()).toEqual(['database', 'network'])
    expect((await scope.readState())!.resources.map(({ key }) => key)).toEqual(['database', 'network'])
  })

  test('the sweep deletes strays that were ours, and prints what was not and what is kept on purpose', async () => {
    const { account, engine } = await openBench(cloud)
    await account.configure({ consistencyMs: consistencyMs / 2, faults: [unanswered('server')] })
    await engine().apply(web)
    await engine().apply([network(), server('server', { image: 'two' }), rule()])
    // What the call without an answer made, late.
    await account.plant({ type: 'server', marks: marks('server', 1), needs: ['network-0001'] })
    const unknown = await account.plant({ type: 'server', marks: marks('server', 9) })
    const foreign = await account.plant({ type: 'network', name: 'x', marks: marks('never-heard-of') })
    const snapshot = await account.plant({ type: 'network', name: 'y', marks: { ...marks('network'), retained: 'yes' } })
    const elsewhere = await account.plant({ type: 'network', name: 'z', marks: marks('network', 1, 'app/shop/api/production') })
    await new Promise((resolve) => setTimeout(resolve, consistencyMs))
    const result = await engine().destroy()
    expect(result.deleted.toSorted()).toEqual(['network', 'rule', 'server', expect.stringMatching(/^server \(server-/)])
    expect(result.foreign.map(({ id, reason }) => [id, reason])).toEqual([
      [foreign, 'Pilot has no record of having made it'],
      [snapshot, 'kept on purpose'],
      // The platform's sweep shows what is left in any scope, and deletes none of it, however its key reads.
      [elsewhere, 'it belongs to app/shop/api/production'],
      [unknown, 'Pilot has no record of having made it'],
    ])
    expect((await account.resources()).map(({ id }) => id).toSorted()).toEqual([elsewhere, foreign, snapshot, unknown].toSorted())
  })
})

describe('state', () => {
  test('a scope that another program manages is refused', async () => {
    const { engine } = await openBench(cloud)
    await engine({ managedBy: 'server-1' }).apply([network()])
    expect((await failure(engine({ managedBy: 'script' }).apply([]))).code).toBe('MANAGED_BY_SERVER')
  })

  test('older versions of a kind are migrated, newer ones are refused', async () => {
    const { engine, kinds, changes } = await openBench(cloud)
    await engine().apply([network()])
    const renamed = kinds.map((kind) => (kind.kind === 'fake/network' ? { ...kind, version: 2, migrate: ({ outputs }: { outputs: unknown }) => ({ inputs: { cidr: '10.0.0.0/16' }, outputs }) } : kind))
    await engine({ kinds: renamed as never }).apply([network()])
    expect(await changes()).toEqual(['create network'])
    expect((await failure(engine().apply([network()]))).code).toBe('STATE_NEWER')
  })

  test('a kind of a missing provider is named with what to install, unless nothing happens to it', async () => {
    const { engine, scope } = await openBench(cloud)
    await engine().apply([network()])
    const state = (await scope.readState())!
    const alien = { ...state.resources[0]!, key: 'alien', kind: 'mars/rock', id: 'r1' }
    await scope.writeState({ ...state, format: stateFormat, version: state.version + 1, resources: [...state.resources, alien] }, { token: (await scope.lease.read())!.token })
    const error = await failure(engine().apply([network()]))
    expect(error).toMatchObject({ code: 'KIND_UNKNOWN', details: { provider: 'mars' } })
    expect(error.suggestion).toContain('Install it into the folder `providers`')
    expect([...(await engine().outputs()).keys()]).toEqual(['alien', 'network'])
    const { kept } = await engine().destroy({ keep: ({ key }) => key === 'alien' })
    expect(kept.map(({ key }) => key)).toEqual(['alien'])
  })

  test('generations are never used twice, also when the resource was gone in between', async () => {
    const { engine, changes } = await openBench(cloud)
    await engine().apply([database()])
    await engine().apply([], { confirmProtected: ['database'] })
    await engine().apply([database()])
    expect(await changes()).toEqual(['create database', 'delete database', 'create database#2'])
  })

  test('nor when the whole scope was removed and made again', async () => {
    const { account, dir, engine, changes } = await openBench(cloud)
    const scope = createFileStore({ dir: `${dir}/again` }).scope('platform')
    for (const life of [1, 2]) {
      const lease = await acquireLease({ store: scope, title: `life ${life}` })
      await engine({ scope, lease }).apply([database()])
      await engine({ scope, lease }).destroy({ confirmProtected: ['database'] })
      await scope.remove(lease.fence)
      await lease.release()
    }
    expect(await changes()).toEqual(['create database', 'delete database', 'create database#2', 'delete database#2'])
    expect(await account.resources()).toEqual([])
  })
})

describe('the lease', () => {
  test('lost in the middle stops everything at once, and the new owner goes on', async () => {
    const { account, engine, scope, keys, changes } = await openBench(cloud)
    await account.configure({ faults: [{ action: 'hold', moment: 'after', operation: 'create', type: 'network', call: 1 }] })
    const applied = failure(engine().apply(web))
    await account.held()
    const held = (await scope.lease.read())!
    await scope.lease.swap(held, { ...held, token: held.token + 1, holder: { ...held.holder!, id: 'another' } })
    await account.release()
    expect((await applied).code).toBe('LEASE_LOST')
    expect(await changes()).toEqual(['create network'])
    const taken = (await scope.lease.read())!
    await engine({ lease: { fence: { token: taken.token }, checkpoint: async () => {} } }).apply(web)
    expect(await keys()).toEqual(['network', 'rule', 'server'])
  })

  test('is asked for before each change', async () => {
    const { engine, changes } = await openBench(cloud)
    const lost = await failure(engine({ lease: { fence: { token: 1 }, checkpoint: () => Promise.reject(Object.assign(new Error('gone'), { name: 'PilotError', code: 'LEASE_LOST', suggestion: '' })) } }).apply(web))
    expect(lost.code).toBe('LEASE_LOST')
    expect(await changes()).toEqual([])
  })
})

describe('what a creation without an answer made', () => {
  test('beside the recorded one is found by the next plan and goes', async () => {
    const { account, engine, changes } = await openBench(cloud)
    await account.configure({ faults: [unanswered('server')] })
    await engine().apply(web)
    const late = await account.plant({ type: 'server', marks: marks('server'), needs: ['network-0001'] })
    const before = (await changes()).length
    expect(actions(await engine().apply(web))).toEqual(['keep network', 'keep server', 'keep rule'])
    expect((await account.calls()).filter(({ operation, id }) => operation === 'delete' && id === late)).toHaveLength(1)
    expect((await changes()).length).toBe(before + 1)
    // There was one such call: nothing more can come of it.
    const copy = await account.plant({ type: 'server', marks: marks('server') })
    await engine().apply(web)
    expect((await account.resources()).map(({ id }) => id)).toContain(copy)
  })

  test('of a generation that was given up is found by the next plan and goes', async () => {
    const { account, engine, changes, scope } = await openBench(cloud)
    await engine().apply([network()])
    const seq = (await scope.readState())!.journalSeq! + 1
    const inputs = { network: { $ref: { key: 'network', output: 'id' } } }
    await scope.appendJournal({ type: 'intent', action: 'create', isSearched: true, at: new Date().toISOString(), seq, resource: { key: 'server', kind: 'fake/server', kindVersion: 1, generation: 1, inputs, dependsOn: ['network'] } }, { token: (await scope.lease.read())!.token })
    await engine().apply(web)
    const late = await account.plant({ type: 'server', marks: marks('server'), needs: ['network-0001'] })
    await engine().apply(web)
    expect((await account.resources()).map(({ id }) => id)).not.toContain(late)
    expect(await changes()).toEqual(['create network', 'create server#2', 'create rule', `delete ${late}`])
  })
})

describe('a copy of our marks on what somebody else made', () => {
  const ids = async ({ account }: { account: FakeAccount }) => (await account.resources()).map(({ id }) => id)
  const copies = ({ account }: { account: FakeAccount }) =>
    Promise.all([account.plant({ type: 'network', name: 'copy', marks: marks('network') }), account.plant({ type: 'server', marks: marks('server') }), account.plant({ type: 'database', marks: marks('database') })])

  test('is left alone by apply, also by a replacement, and is shown and left by destroy', async () => {
    const bench = await openBench(cloud)
    const { engine } = bench
    await engine().apply([...web, database()])
    const foreign = await copies(bench)
    await engine().apply([...web, database()])
    await engine().apply([network(), server('server', { image: 'two' }), rule(), database()])
    const destroyed = await engine().destroy({ confirmProtected: ['database'] })
    expect(destroyed.foreign.map(({ id, reason }) => [id, reason]).toSorted()).toEqual(foreign.map((id) => [id, 'Pilot has no record of having made it']).toSorted())
    expect((await ids(bench)).toSorted()).toEqual(foreign.toSorted())
  })

  test('is not taken for the resource when that is made again', async () => {
    const bench = await openBench(cloud)
    await bench.engine().apply([...web, database()])
    const foreign = await copies(bench)
    await bench.engine().apply([], { confirmProtected: ['database'] })
    expect((await ids(bench)).toSorted()).toEqual(foreign.toSorted())
    await bench.engine().apply([...web, database()])
    expect((await ids(bench)).length).toBe(foreign.length + 4)
    expect((await bench.changes()).slice(-4).toSorted()).toEqual(['create database#2', 'create network#2', 'create rule#2', 'create server#2'])
  })
})
