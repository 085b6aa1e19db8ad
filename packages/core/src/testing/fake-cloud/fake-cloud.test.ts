import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { resourceName, resourceToken } from '../../graph/index.ts'
import { isPilotError } from '../../errors/pilot-error.ts'
import { fakeKinds, startFakeCloud, type FakeAccount, type FakeCloud } from './index.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

let accounts = 0
const open = (): { account: FakeAccount; kind: (name: string) => ReturnType<typeof fakeKinds>[number] } => {
  const account = cloud.account(`test${++accounts}`)
  const kinds = fakeKinds({ url: account.url, consistencyMs: 50 })
  return { account, kind: (name) => kinds.find(({ kind }) => kind === `fake/${name}`)! }
}

const call = (key: string, generation = 1) => {
  const owner = { platformId: 'p', scope: 'platform', key, generation }
  return { owner, name: resourceName(owner), token: resourceToken(owner), signal: new AbortController().signal, checkpoint: async () => {}, log: () => {} }
}
const codeOf = (promise: Promise<unknown>) => promise.then(() => 'none', (error: unknown) => (isPilotError(error) ? error.code : 'plain'))

test('creating twice under one name or one token makes one', async () => {
  const { account, kind } = open()
  const network = await kind('network').create({ ...call('n'), inputs: { cidr: 'x' } })
  expect((await kind('network').create({ ...call('n'), inputs: { cidr: 'x' } })).id).toBe(network.id)
  const database = await kind('database').create({ ...call('d'), inputs: { sizeGb: 1 } })
  expect((await kind('database').create({ ...call('d'), inputs: { sizeGb: 1 } })).id).toBe(database.id)
  expect(await account.resources()).toHaveLength(2)
  expect(await codeOf(kind('database').create({ ...call('d'), inputs: { sizeGb: 2 } }))).toBe('plain')
  expect(await account.violations()).toHaveLength(1)
})

test('a slot that somebody else holds is NAME_TAKEN', async () => {
  const { account, kind } = open()
  const network = await kind('network').create({ ...call('n'), inputs: { cidr: 'x' } })
  await account.plant({ type: 'rule', slot: 'web' })
  expect(await codeOf(kind('rule').create({ ...call('r'), inputs: { slot: 'web', target: network.id, weight: 1 } }))).toBe('NAME_TAKEN')
})

test('what is needed cannot be deleted, and deleting what is gone succeeds', async () => {
  const { kind } = open()
  const network = await kind('network').create({ ...call('n'), inputs: { cidr: 'x' } })
  const server = await kind('server').create({ ...call('s'), inputs: { network: network.id, image: 'a', size: 1 } })
  expect(await codeOf(kind('network').delete({ ...call('n'), id: network.id, recorded: {} }))).toBe('BLOCKED')
  await kind('server').delete({ ...call('s'), id: server.id, recorded: {} })
  await kind('server').delete({ ...call('s'), id: server.id, recorded: {} })
  await kind('network').delete({ ...call('n'), id: network.id, recorded: {} })
  expect(await kind('network').read({ ...call('n'), id: network.id, recorded: {} })).toBeUndefined()
})

test('a list lags, slow things are pending first', async () => {
  const { account, kind } = open()
  await account.configure({ consistencyMs: 3_000, slowMs: 3_000 })
  const network = await kind('network').create({ ...call('n'), inputs: { cidr: 'x' } })
  await kind('server').create({ ...call('s'), inputs: { network: network.id, image: 'a', size: 1 } })
  const list = () => kind('server').list({ platformId: 'p', signal: new AbortController().signal })
  expect(await list()).toEqual([])
  const database = await kind('database').create({ ...call('d'), inputs: { sizeGb: 1 } })
  const settle = () => kind('database').settle({ ...call('d'), id: database.id, inputs: { sizeGb: 1 }, elapsedMs: 0 })
  expect((await settle()).status).toBe('pending')
  await vi.waitFor(async () => expect((await list()).map(({ owner }) => owner.key)).toEqual(['s']), { timeout: 15_000 })
  await vi.waitFor(async () => expect((await settle()).status).toBe('ready'), { timeout: 15_000 })
})

test('faults strike before or after the effect', async () => {
  const { account, kind } = open()
  const create = (key: string) => codeOf(kind('network').create({ ...call(key), inputs: { cidr: 'x' } }))
  await account.configure({
    faults: [
      { action: 'fail', moment: 'before', operation: 'change', call: 1 },
      { action: 'crash', moment: 'after', operation: 'change', call: 2 },
      { action: 'throttle', moment: 'before', operation: 'change', call: 3, times: 2 },
      { action: 'deny', moment: 'before', operation: 'list' },
    ],
  })
  expect([await create('a'), await create('b'), await create('c'), await create('c'), await create('c')]).toEqual(['plain', 'plain', 'THROTTLED', 'THROTTLED', 'none'])
  expect((await account.resources()).map(({ marks }) => marks['key'])).toEqual(['b', 'c'])
  expect(await codeOf(kind('network').list({ platformId: 'p', signal: new AbortController().signal }))).toBe('ACCESS_DENIED')
})

test('a held call tells the test and goes on when it is released', async () => {
  const { account, kind } = open()
  await account.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', call: 1 }] })
  const created = kind('network').create({ ...call('a'), inputs: { cidr: 'x' } })
  expect(await account.held()).toMatchObject({ n: 1, operation: 'create', key: 'a', pid: process.pid })
  expect(await account.resources()).toEqual([])
  await account.release()
  expect((await created).id).toBe('network-0001')
})
