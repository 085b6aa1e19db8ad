import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHome, removeHome, type Home } from '../home/home.ts'
import { serviceStatus, stopSupervisor } from '../supervisor/client.ts'
import { initCluster, openCluster } from './cluster.ts'
import { connectAsSuperuser, ensurePostgres, stopPostgres, waitForPostgres } from './run.ts'

let home: Home
const password = randomBytes(12).toString('hex')

beforeEach(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-postgres-')))
})

afterEach(async () => {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
})

test('a cluster is initialised once, starts within a second and speaks scram only', async () => {
  const cluster = await ensurePostgres(home, { name: 'control', password })
  const client = await connectAsSuperuser(cluster, { password })
  const { rows } = await client.query(`select current_setting('server_encoding') encoding, current_setting('data_checksums') checksums, current_setting('password_encryption') scram, current_setting('listen_addresses') listen,
    (select datlocprovider::text || datlocale from pg_database where datname = 'postgres') locale, (select count(*)::int from pg_hba_file_rules where auth_method <> 'scram-sha-256') others`)
  await client.end()
  expect(rows[0]).toEqual({ encoding: 'UTF8', checksums: 'on', scram: 'scram-sha-256', listen: '127.0.0.1', locale: 'bC.UTF-8', others: 0 })

  await stopPostgres(home, 'control')
  const before = performance.now()
  await ensurePostgres(home, { name: 'control', password })
  expect(performance.now() - before).toBeLessThan(3_000)
})

test('the superuser cannot log in with another password, and the error says what to do', async () => {
  await ensurePostgres(home, { name: 'apps', password })
  const cluster = await openCluster(home, 'apps')
  await expect(waitForPostgres(home, { cluster, password: 'wrong' })).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
})

test('it listens on no address of the network', async () => {
  const cluster = await ensurePostgres(home, { name: 'apps', password })
  const outside = Object.values(networkInterfaces()).flatMap((infos) => (infos ?? []).filter((info) => !info.internal && info.family === 'IPv4').map((info) => info.address))
  for (const host of outside) {
    const opened = await new Promise((resolve) => connect({ host, port: cluster.port }).once('connect', () => resolve(true)).once('error', () => resolve(false)))
    expect(opened).toBe(false)
  }
})

test('two clusters of one home run side by side and share nothing', async () => {
  const [control, apps] = await Promise.all([ensurePostgres(home, { name: 'control', password }), ensurePostgres(home, { name: 'apps', password: `${password}-apps` })])
  expect(control.port).not.toBe(apps.port)
  const client = new pg.Client({ host: apps.host, port: apps.port, user: 'pilot', password, database: 'postgres' })
  await expect(client.connect()).rejects.toMatchObject({ code: '28P01' })
})

test('callers at once initialise it once', async () => {
  const cluster = await openCluster(home, 'apps')
  const made = await Promise.all(Array.from({ length: 4 }, () => initCluster(home, { cluster, password })))
  expect(made.filter(Boolean)).toHaveLength(1)
})

test('killed, it comes back with its data', async () => {
  const cluster = await ensurePostgres(home, { name: 'apps', password })
  const client = await connectAsSuperuser(cluster, { password })
  await client.query('create table kept as select 42 as answer')
  process.kill(serviceStatus(home, 'postgres-apps')?.process?.pid as number, 'SIGKILL')
  await client.end().catch(() => {})
  await waitForPostgres(home, { cluster, password })
  const again = await connectAsSuperuser(cluster, { password })
  expect((await again.query('select answer from kept')).rows).toEqual([{ answer: 42 }])
  await again.end()
})

test('the password stands in no command line', async () => {
  await ensurePostgres(home, { name: 'apps', password })
  expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(password)
})

test.skipIf(process.getuid?.() !== 0)('as root it runs as a user of its own, whose folders nobody else can enter', async () => {
  const cluster = await ensurePostgres(home, { name: 'apps', password })
  const pid = serviceStatus(home, 'postgres-apps')?.process?.pid
  expect((await stat(`/proc/${pid}`)).uid).toBe(cluster.user?.uid)
  for (const folder of [cluster.folder, cluster.data, cluster.socketDir]) expect((await stat(folder)).mode & 0o077).toBe(0)
})
