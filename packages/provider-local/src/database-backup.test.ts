import { spawn } from 'node:child_process'
import { appendFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { AppIdentity, DatabaseAdministration } from '@pilot/core'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asSuperuser } from './postgres/apps-cluster.ts'
import { restoreDatabase } from './dump/run-dump.ts'
import { backupsFolder } from './postgres/backups-folder.ts'
import { replacedName, restoreRole } from './postgres/swap-databases.ts'
import { startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'
import { startNextPostgres, withoutNextPostgres } from './testing/next-postgres.ts'
import { catalogueQueries, richSchema } from './testing/rich-schema.ts'

let platform: LocalPlatform
let administration: DatabaseAdministration

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
  administration = platform.provider.database!.administration!
}, 60_000)
afterAll(() => platform?.stop(), 60_000)

async function makeDatabase(name: string, { from }: { from?: AppIdentity } = {}) {
  const { identity, engine } = platform.app(name)
  const password = await platform.secrets.ensure(`generated/${name}`, () => `password-of-${name}`)
  const { resources } = platform.provider.database!.database({ app: identity, target: 'process', ...(from ? { from } : {}), appOutputs: {}, password })
  const made = await engine.apply(resources)
  const login = await administration.login({ app: from ?? identity, as: identity, signal: signal() })
  return { app: identity, config: { ...login, password: `password-of-${name}` }, user: (made['database-user'] as { name: string }).name }
}

async function query(config: pg.ClientConfig, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(config)
  client.on('error', () => {})
  await client.connect()
  try {
    return ([await client.query(sql)].flat().at(-1)?.rows ?? []) as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

async function catalogue(database: string): Promise<Record<string, unknown>> {
  return asSuperuser(platform.home, { doing: 'The test', database }, async (client) => {
    await client.query("SET search_path = ''")
    const found: Record<string, unknown> = {}
    for (const [name, sql] of Object.entries(catalogueQueries)) found[name] = (await client.query(sql)).rows
    return found
  })
}

const signal = (): AbortSignal => new AbortController().signal
const call = (app: AppIdentity, id: string) => ({ app, id, signal: signal(), checkpoint: async () => {}, log: () => {} })
const databases = () => asSuperuser(platform.home, { doing: 'The test' }, async (client) => (await client.query('SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles')).rows.map(({ datname }) => datname as string))

test('a schema with everything in it comes back with equal catalogues and rows', async () => {
  const shop = await makeDatabase('rich')
  const guest = await makeDatabase('guest', { from: shop.app })
  await query(shop.config, richSchema(guest.user))
  // What a login owns itself, as it may when it puts its role down.
  await asSuperuser(platform.home, { doing: 'The test', database: shop.config.database }, async (client) => {
    await client.query(`CREATE TABLE of_guest (a int); ALTER TABLE of_guest OWNER TO "${guest.user}"; ALTER DATABASE "${shop.config.database}" SET timezone = 'Asia/Tokyo'; ALTER DATABASE "${shop.config.database}" SET search_path = public, billing`)
  })
  const before = await catalogue(shop.config.database)
  const backup = await administration.backup({ ...call(shop.app, 'first'), by: 'ada', version: 'v1' })
  expect(backup).toMatchObject({ id: 'first', by: 'ada', version: 'v1', checksum: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), postgres: expect.stringMatching(/^17\./) })
  expect((await stat(backup.place)).mode & 0o777).toBe(0o600)

  await query(shop.config, 'DROP SCHEMA billing CASCADE; DELETE FROM invoice; CREATE TABLE later ()')
  const restored = await administration.restore({ ...call(shop.app, 'r1'), backup: 'first', dropOld: false })
  expect(restored).toEqual({ database: shop.config.database, kept: replacedName(shop.config.database), missingRoles: [] })
  const after = await catalogue(shop.config.database)
  for (const name of Object.keys(before)) expect(after[name], name).toEqual(before[name])
  expect(await query(shop.config, "INSERT INTO customer (email) VALUES ('new@x.dev') RETURNING id, name, current_user = current_database() AS acts")).toEqual([{ id: 502, name: 'none;', acts: true }])

  await administration.undoRestore(call(shop.app, 'u1'))
  expect(await query(shop.config, "SELECT to_regclass('later') IS NOT NULL AS there")).toEqual([{ there: true }])
  expect((await databases()).filter((name) => /_(new|restore)$/.test(name))).toEqual([])
}, 60_000)

test('a backup goes into the next major version of PostgreSQL', async ({ skip }) => {
  const missing = await withoutNextPostgres()
  skip(missing !== undefined, missing)
  const shop = await makeDatabase('moves')
  const guest = await makeDatabase('moving-guest', { from: shop.app })
  await query(shop.config, richSchema(guest.user))
  const { place } = await administration.backup({ ...call(shop.app, 'b'), by: 'ada' })
  const next = await startNextPostgres()
  try {
    const owner = shop.config.database
    for (const sql of [
      `CREATE ROLE "${owner}"; CREATE ROLE "${guest.user}"; CREATE ROLE mover LOGIN PASSWORD 'mover'`,
      `GRANT "${owner}" TO mover; GRANT "${guest.user}" TO mover`,
      `CREATE DATABASE "${owner}" OWNER "${owner}" TEMPLATE template0`,
    ]) await query(next.superuser, sql)
    const superuser = { ...next.superuser, database: owner }
    const { missingRoles } = await restoreDatabase({ file: place, superuser, connection: { ...superuser, user: 'mover', password: 'mover' }, owner, signal: signal(), log: () => {} })
    expect(missingRoles).toEqual([])
    expect(await query(superuser, 'SHOW server_version_num')).toEqual([{ server_version_num: expect.stringMatching(/^18/) }])
    // What the two versions write down in the same way; the newer one also keeps NOT NULL as constraints, and has newer extensions.
    for (const name of ['relations', 'columns', 'indexes', 'triggers', 'rules', 'policies', 'sequences', 'statistics', 'inheritance', 'largeObjects', 'rows']) {
      const sql = `SET search_path = ''; ${catalogueQueries[name]}`
      expect(await query(superuser, sql), name).toEqual(await asSuperuser(platform.home, { doing: 'The test', database: owner }, async (client) => ([await client.query(sql)].flat().at(-1) as pg.QueryResult).rows))
    }
    expect(await query(superuser, "INSERT INTO customer (email) VALUES ('new@x.dev') RETURNING id, name")).toEqual([{ id: 502, name: 'none;' }])
  } finally {
    await next.stop()
  }
}, 180_000)

test('a backup has one id: asked again it is the one that was made, and what was cut short leaves nothing', async () => {
  const { app, config } = await makeDatabase('again')
  await query(config, 'CREATE TABLE t AS SELECT i, repeat(md5(i::text), 50) FROM generate_series(1, 20000) i')
  const stop = new AbortController()
  await expect(administration.backup({ ...call(app, 'cut'), signal: stop.signal, by: 'ada', log: () => stop.abort() })).rejects.toMatchObject({ code: 'CANCELLED' })
  expect(await readdir(backupsFolder(platform.home, config.database))).toEqual([])
  const first = await administration.backup({ ...call(app, 'same'), by: 'ada' })
  expect(await administration.backup({ ...call(app, 'same'), by: 'bob' })).toEqual(first)
  expect(await administration.backups({ app, signal: signal() })).toEqual([first])
}, 30_000)

test('a restore that fails changes nothing: damaged file, unknown backup, cancelled in the middle', async () => {
  const { app, config } = await makeDatabase('kept')
  await query(config, 'CREATE TABLE t AS SELECT generate_series(1, 1000) AS i')
  const backup = await administration.backup({ ...call(app, 'b'), by: 'ada' })
  await query(config, 'INSERT INTO t VALUES (0)')
  await expect(administration.restore({ ...call(app, 'r'), backup: '../b', dropOld: false })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const stop = new AbortController()
  await expect(administration.restore({ ...call(app, 'r'), backup: 'b', dropOld: false, signal: stop.signal, log: () => stop.abort() })).rejects.toMatchObject({ code: 'CANCELLED' })
  await appendFile(backup.place, 'x')
  await expect(administration.restore({ ...call(app, 'r'), backup: 'b', dropOld: false })).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
  expect(await query(config, 'SELECT count(*)::int FROM t')).toEqual([{ count: 1001 }])
  expect((await databases()).filter((name) => name.startsWith(config.database.slice(0, 20)) && /_(new|old|restore)$/.test(name))).toEqual([])
}, 30_000)

test('a restore that is killed at any moment leaves the old or the new database whole, and goes on when it is asked again', async () => {
  const { app, config } = await makeDatabase('killed')
  await query(config, 'CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 50000) i; CREATE INDEX ON t (md5)')
  await administration.backup({ ...call(app, 'b'), by: 'ada' })
  const script = fileURLToPath(new URL('./testing/restore-process.ts', import.meta.url))
  const kill = async (id: string, afterMs: number): Promise<string> => {
    const child = spawn(process.execPath, ['--conditions=@pilot/source', script, platform.home.dir, platform.platformId, 'killed', 'b', id], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (data: Buffer) => (said += String(data)))
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
    await new Promise((resolve) => child.once('close', resolve))
    clearTimeout(timer)
    return said
  }
  const started = performance.now()
  expect(await kill('whole', 60_000)).toContain('done')
  const took = performance.now() - started
  for (const share of [0.4, 0.7, 0.85, 0.95]) {
    await query(config, 'INSERT INTO t VALUES (0)')
    const id = `k${share * 100}`
    await kill(id, took * share)
    expect([50_000, 50_001]).toContain((await query(config, 'SELECT count(*)::int FROM t'))[0]!['count'])
    await administration.restore({ ...call(app, id), backup: 'b', dropOld: false })
    expect(await query(config, 'SELECT count(*)::int, current_user = current_database() AS acts FROM t')).toEqual([{ count: 50_000, acts: true }])
  }
  // Killed right after the swap: its login is there, and the one that goes on finds the work done.
  await asSuperuser(platform.home, { doing: 'The test' }, (client) => client.query(`CREATE ROLE "${restoreRole(config.database)}" LOGIN`))
  await administration.restore({ ...call(app, 'k95'), backup: 'b', dropOld: false })
  expect((await databases()).filter((name) => name.startsWith('shop_killed') && /_(new|restore)$/.test(name))).toEqual([])
}, 120_000)

test('functions of a backup run without a right beyond its own database', async () => {
  const { app, config } = await makeDatabase('evil')
  await query(config, "CREATE FUNCTION f(i int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RESET ROLE; RESET SESSION AUTHORIZATION; RETURN NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user); END $$; CREATE TABLE t (i int CHECK (f(i))); INSERT INTO t VALUES (1)")
  await administration.backup({ ...call(app, 'b'), by: 'ada' })
  await administration.restore({ ...call(app, 'r'), backup: 'b', dropOld: true })
  expect(await query(config, 'SELECT * FROM t')).toEqual([{ i: 1 }])
}, 30_000)

test('apps that connect all the time do not keep a restore from its swap, and fail for a moment only', async () => {
  const { app, config } = await makeDatabase('busy')
  await query(config, 'CREATE TABLE t (i int)')
  await administration.backup({ ...call(app, 'b'), by: 'ada' })
  await query(config, 'INSERT INTO t VALUES (1)')
  let isOver = false
  const busy = Array.from({ length: 5 }, async () => {
    while (!isOver) await query(config, 'SELECT count(*) FROM t').catch(() => {})
  })
  await administration.restore({ ...call(app, 'r'), backup: 'b', dropOld: true })
  expect(await query(config, 'SELECT count(*)::int FROM t')).toEqual([{ count: 0 }])
  isOver = true
  await Promise.all(busy)
}, 60_000)

test('roles that are gone are named, and what was theirs belongs to the owner', async () => {
  const shop = await makeDatabase('roles')
  const guest = await makeDatabase('leaves', { from: shop.app })
  await asSuperuser(platform.home, { doing: 'The test', database: shop.config.database }, async (client) => void (await client.query(`CREATE TABLE t (i int); GRANT SELECT ON t TO "${guest.user}"; CREATE TABLE theirs (i int); ALTER TABLE theirs OWNER TO "${guest.user}"`)))
  await administration.backup({ ...call(shop.app, 'b'), by: 'ada' })
  await platform.app('leaves').engine.destroy()
  const { missingRoles } = await administration.restore({ ...call(shop.app, 'r'), backup: 'b', dropOld: true })
  expect(missingRoles.toSorted()).toEqual(['pilot', guest.user])
  expect(await query(shop.config, "SELECT tableowner FROM pg_tables WHERE tablename = 'theirs'")).toEqual([{ tableowner: shop.config.database }])
}, 30_000)

test('info and users say what there is; destroying the data takes backups and what was kept with it', async () => {
  const { app, config, user } = await makeDatabase('facts')
  await query(config, 'CREATE TABLE t (i int); CREATE EXTENSION hstore')
  await administration.backup({ ...call(app, 'b'), by: 'ada' })
  await administration.restore({ ...call(app, 'r'), backup: 'b', dropOld: false })
  expect(await administration.info({ app, signal: signal() })).toMatchObject({ database: config.database, owner: config.database, postgres: expect.stringMatching(/^17/), connections: 0, maxConnections: 200, extensions: ['hstore', 'plpgsql'], kept: { database: replacedName(config.database) } })
  expect(await administration.users({ app, signal: signal() })).toEqual([{ name: user, app, connections: 0, connectionLimit: 40 }])
  await platform.app('facts').engine.destroy()
  expect((await databases()).filter((name) => name.startsWith(config.database.slice(0, 20)))).toEqual([])
  await expect(readdir(backupsFolder(platform.home, config.database))).rejects.toThrow(/ENOENT/)
  await expect(administration.info({ app, signal: signal() })).rejects.toMatchObject({ code: 'NOT_FOUND' })
}, 30_000)

test('what is no backup is refused before anything is made', async () => {
  const { app, config } = await makeDatabase('other')
  const { place } = await administration.backup({ ...call(app, 'b'), by: 'ada' })
  await writeFile(join(place), 'hello')
  await expect(administration.restore({ ...call(app, 'r'), backup: 'b', dropOld: false })).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
  expect((await databases()).filter((name) => name.startsWith(config.database.slice(0, 20)) && name.endsWith('_new'))).toEqual([])
}, 30_000)
