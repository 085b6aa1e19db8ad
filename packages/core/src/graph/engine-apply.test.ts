import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { actions, database, failure, network, openBench, rule, server } from './engine.fixture.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

const web = [network(), server(), rule()]

describe('apply compares with what really exists', () => {
  test('what somebody changed is changed back', async () => {
    const { account, engine } = await openBench(cloud)
    await engine().apply([network(), server('server', { size: 2 })])
    const [, made] = await account.resources()
    await account.change(made!.id, { size: 7 })
    const { steps } = await engine().apply([network(), server('server', { size: 2 })])
    expect(steps.find(({ key }) => key === 'server')).toMatchObject({ action: 'update', changes: [{ field: 'size', from: 7, to: 2 }] })
    expect((await account.resources())[1]!.properties).toMatchObject({ size: 2 })
  })

  test('fields that nobody sets are left alone', async () => {
    const { account, engine } = await openBench(cloud)
    await engine().apply([network(), server()])
    await account.change((await account.resources())[1]!.id, { size: 7 })
    expect(actions(await engine().apply([network(), server()]))).toEqual(['keep network', 'keep server'])
  })

  test('what somebody deleted is made again, as the next generation, and with it what depends on it', async () => {
    const { account, engine, changes } = await openBench(cloud)
    await engine().apply(web)
    for (const { id } of (await account.resources()).toReversed()) if (id.startsWith('rule') || id.startsWith('server')) await account.remove(id)
    const plan = await engine().plan(web)
    expect(plan.steps.map(({ key, action, generation, reason }) => [key, action, generation, reason])).toEqual([
      ['network', 'keep', 1, 'unchanged'],
      ['server', 'create', 2, 'server-0002 no longer exists'],
      ['rule', 'create', 2, 'rule-0003 no longer exists'],
    ])
    await engine().apply(web)
    expect(await changes()).toEqual(['create network', 'create server', 'create rule', 'create server#2', 'create rule#2'])
    expect(await account.violations()).toEqual([])
  })

  test('what the same engine has just made is not looked at again where that is asked for, and only then', async () => {
    const { account, engine } = await openBench(cloud)
    const session = engine()
    const size = async () => (await account.resources())[1]!.properties['size']
    const wanted = [network(), server('server', { size: 2 })]
    await session.apply(wanted)
    await account.change((await account.resources())[1]!.id, { size: 7 })
    expect(actions(await session.apply(wanted, { lookedWithinMs: 60_000 }))).toEqual(['keep network', 'keep server'])
    expect(await size()).toBe(7)
    await session.apply(wanted)
    expect(await size()).toBe(2)
    // After a failure nothing is sure any more.
    await account.configure({ faults: [{ action: 'fail', moment: 'before', operation: 'update', type: 'server' }] })
    await failure(session.apply([network(), server('server', { size: 3 })]))
    await account.configure({ faults: [] })
    await account.change((await account.resources())[1]!.id, { size: 7 })
    await session.apply(wanted, { lookedWithinMs: 60_000 })
    expect(await size()).toBe(2)
  })

  test('access denied is an error and never "absent"', async () => {
    const { account, engine, keys } = await openBench(cloud)
    await engine().apply(web)
    await account.configure({ faults: [{ action: 'deny', moment: 'before', operation: 'get', type: 'server' }] })
    expect((await failure(engine().apply(web))).code).toBe('ACCESS_DENIED')
    expect(await keys()).toEqual(['network', 'rule', 'server'])
  })
})

describe('a replacement', () => {
  test('comes first, then what depends on it moves, then the old one goes', async () => {
    const { account, engine, changes } = await openBench(cloud)
    await engine().apply(web)
    const before = (await changes()).length
    await engine().apply([network(), server('server', { image: 'new' }), rule()])
    expect((await changes()).slice(before)).toEqual(['create server#2', 'update rule', 'delete server'])
    expect(await account.violations()).toEqual([])
  })

  test('of something exclusive deletes first', async () => {
    const { engine, changes } = await openBench(cloud)
    await engine().apply(web)
    const before = (await changes()).length
    await engine().apply([network(), server(), rule('rule', 'other')])
    expect((await changes()).slice(before)).toEqual(['delete rule', 'create rule#2'])
  })

  test('goes on to everything whose immutable field refers to it', async () => {
    const { engine, changes, account } = await openBench(cloud)
    await engine().apply(web)
    const before = (await changes()).length
    const { steps } = await engine().apply([network('network', { cidr: '10.1.0.0/16' }), server(), rule()])
    expect(actions({ steps })).toEqual(['replace network', 'replace server', 'update rule'])
    expect((await changes()).slice(before)).toEqual(['create network#2', 'create server#2', 'update rule', 'delete server', 'delete network'])
    expect(await account.violations()).toEqual([])
  })

  test('of what holds data needs its key to be typed, and nothing happens before', async () => {
    const { engine, keys, changes } = await openBench(cloud)
    const graph = (cidr: string) => [network('network', { cidr }), database('database', { network: { $ref: { key: 'network', output: 'id' } } })]
    await engine().apply(graph('a'))
    const before = (await changes()).length
    const error = await failure(engine().apply(graph('b')))
    expect(error).toMatchObject({ code: 'PROTECTED', details: { keys: ['database'] } })
    expect((await failure(engine().apply([network('network', { cidr: 'a' })]))).code).toBe('PROTECTED')
    expect((await changes()).length).toBe(before)
    await engine().apply(graph('b'), { confirmProtected: ['database'] })
    expect(await keys()).toEqual(['database', 'network'])
    expect((await changes()).slice(before)).toEqual(['create network#2', 'create database#2', 'delete database', 'delete network'])
  })
})

describe('an approved plan', () => {
  test('is applied as it is', async () => {
    const { engine, keys } = await openBench(cloud)
    const approved = await engine().plan(web)
    expect(approved.steps.map(({ action, cost }) => [action, cost])).toEqual([
      ['create', { unpriced: 'networks are free' }],
      ['create', { monthly: 5, currency: 'USD', basis: '1 × 5 USD' }],
      ['create', { monthly: 0, currency: 'USD', basis: 'price list of the fake cloud' }],
    ])
    await engine().apply(web, { approved: JSON.parse(JSON.stringify(approved)) })
    expect(await keys()).toEqual(['network', 'rule', 'server'])
  })

  test('is refused when something changed in between', async () => {
    const { account, engine, changes } = await openBench(cloud)
    await engine().apply(web)
    const next = [network(), server('server', { size: 3 }), rule()]
    const approved = await engine().plan(next)
    await account.remove((await account.resources()).find(({ type }) => type === 'rule')!.id)
    const before = (await changes()).length
    const error = await failure(engine().apply(next, { approved }))
    expect(error).toMatchObject({ code: 'PLAN_STALE', reason: 'rule: keep → create (rule-0003 no longer exists)' })
    expect((await failure(engine().apply([network()], { approved }))).code).toBe('PLAN_STALE')
    expect((await changes()).length).toBe(before)
  })

  test('a replacement that was not allowed stops it', async () => {
    const { engine, changes } = await openBench(cloud)
    await engine().apply(web)
    const before = (await changes()).length
    expect(await failure(engine().apply([network(), server('server', { image: 'x' }), rule()], { allowReplace: false }))).toMatchObject({ code: 'PLAN_STALE', details: { key: 'server' } })
    expect((await changes()).length).toBe(before)
  })
})

describe('failures', () => {
  test('independent branches finish, what depends on a failed one does not start', async () => {
    const { account, engine, keys } = await openBench(cloud)
    await account.configure({ faults: [{ action: 'deny', moment: 'before', operation: 'create', type: 'server' }] })
    const error = await failure(engine().apply([...web, network('other'), database()]))
    expect(error).toMatchObject({ code: 'ACCESS_DENIED', details: { key: 'server', failures: [], skipped: ['rule'] } })
    expect(await keys()).toEqual(['database', 'network', 'other'])
    await account.configure({ faults: [] })
    await engine().apply([...web, network('other'), database()])
    expect(await keys()).toEqual(['database', 'network', 'other', 'rule', 'server'])
  })

  test('throttling is waited for', async () => {
    const { account, engine, keys } = await openBench(cloud)
    await account.configure({ faults: [{ action: 'throttle', moment: 'before', operation: 'create', call: 1, times: 5 }] })
    await engine().apply(web)
    expect(await keys()).toEqual(['network', 'rule', 'server'])
  })

  test('a name that somebody else holds is NAME_TAKEN', async () => {
    const { account, engine } = await openBench(cloud)
    await account.plant({ type: 'rule', slot: 'web' })
    expect((await failure(engine().apply(web))).code).toBe('NAME_TAKEN')
  })

  test('a connection that breaks after the effect makes nothing twice, however the provider tells calls apart', async () => {
    const { account, engine, keys, changes } = await openBench(cloud)
    await account.configure({ consistencyMs: 200, faults: [{ action: 'crash', moment: 'after', operation: 'create', type: 'server', call: 1 }, { action: 'crash', moment: 'after', operation: 'create', type: 'network', call: 1 }, { action: 'crash', moment: 'after', operation: 'create', type: 'database', call: 1 }] })
    await engine().apply([...web, database()])
    expect(await keys()).toEqual(['database', 'network', 'rule', 'server'])
    expect((await changes()).filter((change) => change === 'create server')).toHaveLength(1)
  })

  test('a call that never answers ends at its deadline, and the next apply finds what it did', async () => {
    const { account, engine, keys, kinds, changes } = await openBench(cloud)
    await account.configure({ faults: [{ action: 'hang', moment: 'after', operation: 'create', type: 'server', call: 1 }] })
    const impatient = kinds.map((kind) => ({ ...kind, callTimeoutMs: kind.kind === 'fake/server' ? 300 : 30_000 }))
    expect((await failure(engine({ kinds: impatient }).apply(web))).code).toBe('TIMED_OUT')
    expect((await engine().recover())!.resources.map(({ key, status }) => [key, status])).toEqual([['network', 'ready'], ['server', 'unknown']])
    await engine().apply(web)
    expect(await keys()).toEqual(['network', 'rule', 'server'])
    expect((await changes()).filter((change) => change.startsWith('create server'))).toHaveLength(1)
  })

  test('a resource that the cloud gives up on is replaced by the next apply', async () => {
    const { account, engine, keys, changes } = await openBench(cloud)
    await account.configure({ slowMs: 400 })
    const applied = failure(engine().apply([database()]))
    await expect.poll(async () => (await account.resources()).length).toBe(1)
    await account.change('database-0001', { fails: true })
    expect(await applied).toMatchObject({ code: 'RESOURCE_FAILED' })
    await account.configure({ slowMs: 0 })
    expect((await engine().plan([database()])).steps[0]).toMatchObject({ action: 'replace', generation: 2, reason: 'its creation failed' })
    await engine().apply([database()])
    expect(await keys()).toEqual(['database'])
    expect(await changes()).toEqual(['create database', 'create database#2', 'delete database'])
  })

  test('an update that broke off is done again', async () => {
    const { account, engine } = await openBench(cloud)
    await engine().apply(web)
    await account.configure({ faults: [{ action: 'crash', moment: 'after', operation: 'update', call: 1 }] })
    const next = [network(), server('server', { size: 4 }), rule()]
    await failure(engine().apply(next))
    const { steps } = await engine().apply(next)
    expect(actions({ steps })).toEqual(['keep network', 'update server', 'keep rule'])
    expect((await account.resources()).find(({ type }) => type === 'server')!.properties).toMatchObject({ size: 4 })
    expect(actions(await engine().apply(next))).toEqual(['keep network', 'keep server', 'keep rule'])
  })
})

describe('cancel', () => {
  test('starts nothing more, journals the answer of what is under way, and goes on later', async () => {
    const { account, engine, keys, changes } = await openBench(cloud)
    await account.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', type: 'network', call: 1 }] })
    const controller = new AbortController()
    const applied = failure(engine({ signal: controller.signal }).apply(web))
    await account.held()
    controller.abort()
    await account.release()
    expect((await applied).code).toBe('CANCELLED')
    expect(await changes()).toEqual(['create network'])
    expect((await engine().recover())!.resources.map(({ key, id }) => [key, id])).toEqual([['network', 'network-0001']])
    await account.configure({ faults: [] })
    await engine().apply(web)
    expect(await keys()).toEqual(['network', 'rule', 'server'])
  })
})

describe('secrets', () => {
  test('reach the handler and nothing else; a new value updates, a new version of the same value does not', async () => {
    const bench = await openBench(cloud)
    const { account, engine, secrets, dir, events } = bench
    const first = await secrets.put('app/password', 'correct horse battery')
    const plan = await engine().plan([database('database', { password: first as never })])
    await engine().apply([database('database', { password: first as never })])
    expect((await account.resources())[0]!.properties['password']).toBe('correct horse battery')
    const same = await secrets.put('app/password', 'correct horse battery')
    expect(actions(await engine().apply([database('database', { password: same as never })]))).toEqual(['keep database'])
    const other = await secrets.put('app/password', 'staple staple staple')
    const changed = await engine().apply([database('database', { password: other as never })])
    expect(changed.steps[0]).toMatchObject({ action: 'update', changes: [{ field: 'password', to: '(secret changed)' }] })
    expect((await account.resources())[0]!.properties['password']).toBe('staple staple staple')
    const written = await everyFile(dir)
    for (const text of [written, JSON.stringify(plan), JSON.stringify(changed.steps), JSON.stringify(events)]) expect(text).not.toMatch(/horse|staple/)
  })
})

async function everyFile(dir: string): Promise<string> {
  const names = await readdir(dir, { recursive: true, withFileTypes: true })
  return (await Promise.all(names.filter((name) => name.isFile()).map((name) => readFile(join(name.parentPath, name.name), 'utf8')))).join('\n')
}
