import { existsSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCluster, openHome, removeHome, reservedPorts, serviceStatus, stopSupervisor, type Home } from '@pilot/host'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { asSuperuser } from '../postgres/apps-cluster.ts'
import { postgresClusterKind } from './postgres-cluster.ts'

let home: Home
beforeEach(async () => void (home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-cluster-')))))
afterEach(async () => {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
})

const call = (platformId: string) => ({ owner: { platformId, scope: 'platform', key: 'postgres', generation: 1 }, name: 'pilot-postgres', token: 'x', id: platformId, signal: new AbortController().signal, checkpoint: async () => {}, log: () => {}, inputs: { major: 17, running: true }, recorded: {}, elapsedMs: 0, changed: [] })
const answers = () => asSuperuser(home, { doing: 'The test' }, async (client) => (await client.query('SELECT 1')).rowCount)

test('creating claims the cluster and waits for nothing; settling makes and starts it; the last platform to go deletes it', async () => {
  const kind = postgresClusterKind(home)
  const { data } = await openCluster(home, 'apps')
  for (const platform of ['one', 'two']) await kind.create(call(platform))
  expect(existsSync(data)).toBe(false)
  expect(await kind.read(call('one'))).toMatchObject({ inputs: { running: false } })

  for (const platform of ['one', 'two']) expect(await kind.settle(call(platform))).toMatchObject({ status: 'ready' })
  expect(await answers()).toBe(1)
  expect(await kind.read(call('one'))).toMatchObject({ inputs: { running: true } })

  expect(await kind.delete(call('one'))).toEqual({})
  expect(await kind.read(call('one'))).toBeUndefined()
  expect(await answers()).toBe(1)
  expect(await kind.delete(call('two'))).toEqual({})
  expect(await kind.list({ platformId: 'two', signal: call('two').signal })).toEqual([])
  expect([existsSync(data), serviceStatus(home, 'postgres-apps'), await reservedPorts(home)]).toEqual([false, undefined, {}])
})
