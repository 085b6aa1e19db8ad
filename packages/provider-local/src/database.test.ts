import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AppIdentity, Target } from '@pilot/core'
import { openCluster } from '@pilot/host'
import { databaseName } from './ownership.ts'
import { postgresMajor } from './postgres/apps-cluster.ts'
import { startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

let platform: LocalPlatform

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
})
afterAll(() => platform?.stop())

async function makeDatabase(name: string, { from, target = 'process' }: { from?: AppIdentity; target?: Target } = {}) {
  const { identity, engine } = platform.app(name)
  const password = await platform.secrets.ensure(`generated/${name}`, () => `password-of-${name}`)
  const { resources, outputs } = platform.provider.database!.database({ app: identity, target, ...(from ? { from } : {}), appOutputs: {}, password })
  const made = await engine.apply(resources)
  const login = made['database-user'] as { name: string }
  const port = ((made['database-link'] ?? made['database']) as { port: number }).port
  return { host: '127.0.0.1', port, user: login.name, password: `password-of-${name}`, database: outputs['database'] as string }
}

async function query(config: pg.ClientConfig, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(config)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

test('an app makes tables, schemas and extensions in a database of its own', async () => {
  const mine = await makeDatabase('own')
  await query(mine, 'CREATE TABLE todo (id int generated always as identity, text text); CREATE SCHEMA more; CREATE EXTENSION pgcrypto')
  expect(await query(mine, `INSERT INTO todo (text) VALUES ('x') RETURNING id, current_user = '${mine.database}' AS acts_as_owner, session_user = '${mine.user}' AS logged_in`)).toEqual([{ id: 1, acts_as_owner: true, logged_in: true }])
  expect(Math.max(Buffer.byteLength(mine.database), Buffer.byteLength(mine.user))).toBeLessThanOrEqual(63)
})

test('credentials of one app fail on the database of another, on the maintenance databases, and with another password', async () => {
  const [one, other] = [await makeDatabase('one'), await makeDatabase('other')]
  for (const database of [other.database, 'postgres', 'template1']) await expect(query({ ...one, database }, 'SELECT 1')).rejects.toMatchObject({ code: '42501' })
  await expect(query({ ...other, user: one.user }, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  await expect(query(one, 'CREATE DATABASE mine')).rejects.toMatchObject({ code: '42501' })
  await expect(query(one, `SET ROLE "${other.database}"`)).rejects.toMatchObject({ code: '42501' })
})

test('a password is in no statement and stored as scram only', async () => {
  const mine = await makeDatabase('hidden')
  const cluster = await openCluster(platform.home, 'apps')
  expect(cluster.major).toBe(postgresMajor)
  const superuser = { host: cluster.socketDir, port: cluster.port, user: 'pilot', password: await readFile(join(platform.home.paths.keys, 'postgres-apps.password'), 'utf8') }
  const [role] = await query({ ...superuser, database: 'postgres' }, `SELECT rolpassword, rolconnlimit FROM pg_authid WHERE rolname = '${mine.user}'`)
  expect(role).toMatchObject({ rolpassword: expect.stringMatching(/^SCRAM-SHA-256\$4096:/), rolconnlimit: 40 })
})

test('a shared database is used by two apps with users of their own, and tables belong to both', async () => {
  const owner = await makeDatabase('ledger')
  const guest = await makeDatabase('reports', { from: platform.app('ledger').identity })
  expect(guest.database).toBe(owner.database)
  expect(guest.user).not.toBe(owner.user)
  await query(guest, 'CREATE TABLE report (id int)')
  await query(owner, 'ALTER TABLE report ADD COLUMN title text; INSERT INTO report VALUES (1)')
  expect(await query(guest, 'SELECT id FROM report')).toEqual([{ id: 1 }])
  await platform.app('reports').engine.destroy()
  await expect(query({ ...guest, port: owner.port }, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  expect(await query(owner, 'SELECT id FROM report')).toEqual([{ id: 1 }])
})

test('a new password replaces the old one in place', async () => {
  const mine = await makeDatabase('rotated')
  const { engine, identity } = platform.app('rotated')
  const password = await platform.secrets.put('generated/rotated', 'another')
  await engine.apply(platform.provider.database!.database({ app: identity, target: 'process', appOutputs: {}, password }).resources)
  await expect(query(mine, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' })
  await query({ ...mine, password: 'another' }, 'SELECT 1')
})

test('every kind lists what carries the platform, and deleting twice is success', async () => {
  const mine = await makeDatabase('listed')
  const kind = platform.provider.kinds.find(({ kind }) => kind === 'local/database')!
  const signal = new AbortController().signal
  const find = async (platformId: string) => (await kind.list({ platformId, signal })).find(({ id }) => id === mine.database)
  expect(await find(platform.platformId)).toMatchObject({ owner: { scope: 'app/shop/listed/production', key: 'database', generation: 1 } })
  expect(await find('0'.repeat(32))).toBeUndefined()
  await platform.app('listed').engine.destroy()
  await kind.delete({ ...platform.app('listed').engine.call('database'), id: mine.database, recorded: {} })
  expect(await find(platform.platformId)).toBeUndefined()
})

test('a database of that name that is not ours is left alone', async () => {
  const { identity, engine } = platform.app('taken')
  const cluster = await openCluster(platform.home, 'apps')
  const superuser = { host: cluster.socketDir, port: cluster.port, user: 'pilot', database: 'postgres', password: await readFile(join(platform.home.paths.keys, 'postgres-apps.password'), 'utf8') }
  await query(superuser, `CREATE ROLE "${databaseName(platform.platformId, identity)}" NOLOGIN`)
  const { resources } = platform.provider.database!.database({ app: identity, target: 'process', appOutputs: {}, password: 'x' })
  await expect(engine.apply(resources)).rejects.toMatchObject({ code: 'NAME_TAKEN' })
})
