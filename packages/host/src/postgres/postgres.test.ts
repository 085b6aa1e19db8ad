import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHome, removeHome, type Home } from '../home/home.ts'
import { serviceStatus, stopSupervisor } from '../supervisor/client.ts'
import { until } from '../testing/fixtures.ts'
import { usableFolder } from './binaries.ts'
import { initCluster, openCluster } from './cluster.ts'
import { connectAsSuperuser, ensurePostgres, stopPostgres, waitForPostgres } from './run.ts'
import { findUser } from './system-user.ts'

let home: Home
const password = randomBytes(12).toString('hex')

beforeEach(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-postgres-')))
})

afterEach(async () => {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
})

test('a cluster is initialised once, keeps its data and speaks scram only', async () => {
  const cluster = await ensurePostgres(home, { name: 'control', password })
  const client = await connectAsSuperuser(cluster, { password })
  const { rows } = await client.query(`select current_setting('server_encoding') encoding, current_setting('data_checksums') checksums, current_setting('password_encryption') scram, current_setting('listen_addresses') listen,
    (select datlocprovider::text || datlocale from pg_database where datname = 'postgres') locale, (select count(*)::int from pg_hba_file_rules where auth_method <> 'scram-sha-256') others`)
  await client.end()
  expect(rows[0]).toEqual({ encoding: 'UTF8', checksums: 'on', scram: 'scram-sha-256', listen: '127.0.0.1', locale: 'bC.UTF-8', others: 0 })

  await stopPostgres(home, 'control')
  const again = await connectAsSuperuser(await ensurePostgres(home, { name: 'control', password }), { password })
  await again.end()
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

test('as root it runs as a user of its own, whose folders nobody else can enter', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'this needs root: only root starts PostgreSQL as a user of its own')
  const cluster = await ensurePostgres(home, { name: 'apps', password })
  const pid = serviceStatus(home, 'postgres-apps')?.process?.pid
  expect((await stat(`/proc/${pid}`)).uid).toBe(cluster.user?.uid)
  for (const folder of [cluster.folder, cluster.data, cluster.socketDir]) expect((await stat(folder)).mode & 0o077).toBe(0)
})

test('an initialisation that is killed in the middle leaves nothing that counts, and the next one finishes', async () => {
  const cluster = await openCluster(home, 'apps')
  const script = `const host = await import(${JSON.stringify(join(import.meta.dirname, '..', 'index.ts'))}); const home = await host.openHome(${JSON.stringify(home.dir)}); await host.initCluster(home, { cluster: await host.openCluster(home, 'apps'), password: 'other' })`
  const child = spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', script], { stdio: 'inherit', detached: true })
  const parts = async (): Promise<readonly string[]> => await readdir(cluster.folder).catch(() => [])
  await until(async () => (await parts()).some((part) => part.startsWith('init-')))
  process.kill(-(child.pid as number), 'SIGKILL')
  await until(async () => (await parts()).length > 0)
  expect(await parts()).not.toContain('data')
  expect(await initCluster(home, { cluster, password })).toBe(true)
  expect(await parts()).toEqual(['data'])
  const running = await ensurePostgres(home, { name: 'apps', password })
  await (await connectAsSuperuser(running, { password })).end()
})

test('links that no install script made are made on first use, by any number of callers at once', async () => {
  const native = await fakePackage(home.dir)
  const folders = await Promise.all([1, 2, 3].map(() => usableFolder({ native, copy: join(home.dir, 'copy'), user: undefined })))
  expect(folders).toEqual([native, native, native])
  expect(await readFile(join(native, 'lib', 'libpq.so.5'), 'utf8')).toBe('library')
})

test('binaries that their user cannot reach are copied once, with their links', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'this needs root: only then the binaries run as another user')
  const closed = join(home.dir, 'closed')
  await mkdir(closed, { mode: 0o700 })
  const native = await fakePackage(closed)
  const open = await mkdtemp(join(tmpdir(), 'pilot-binaries-'))
  await chmod(open, 0o711)
  const user = await findUser('nobody')
  const copies = await Promise.all([1, 2, 3].map(() => usableFolder({ native, copy: join(open, 'postgres'), user })))
  expect(new Set(copies)).toEqual(new Set([join(open, 'postgres')]))
  const script = `${join(open, 'postgres', 'bin', 'postgres')} && cat ${join(open, 'postgres', 'lib', 'libpq.so.5')}`
  expect(execFileSync('sh', ['-c', script], { encoding: 'utf8', uid: user?.uid as number, gid: user?.gid as number, cwd: '/' })).toBe('runs\nlibrary')
  await rm(open, { recursive: true })
})

/** Of the form of the real one, which has 60 MB. */
async function fakePackage(folder: string): Promise<string> {
  const native = join(folder, 'native')
  await mkdir(join(native, 'bin'), { recursive: true })
  await mkdir(join(native, 'lib'))
  await writeFile(join(native, 'bin', 'postgres'), '#!/bin/sh\necho runs\n', { mode: 0o755 })
  await writeFile(join(native, 'lib', 'libpq.so.5.17'), 'library')
  await writeFile(join(native, 'pg-symlinks.json'), JSON.stringify([{ source: 'native/lib/libpq.so.5.17', target: 'native/lib/libpq.so.5' }]))
  return native
}

test('it runs for an ordinary user too', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'this needs root: only root can become another user (for an ordinary one the other tests show it)')
  const nobody = await findUser('nobody')
  const own = await mkdtemp(join(tmpdir(), 'pilot-nobody-'))
  execFileSync('chown', [`${nobody?.uid}:${nobody?.gid}`, own])
  const script = `const host = await import(${JSON.stringify(join(import.meta.dirname, '..', 'index.ts'))})
    const home = await host.openHome(${JSON.stringify(join(own, 'home'))})
    const cluster = await host.ensurePostgres(home, { name: 'apps', password: 'x' })
    const client = await host.connectAsSuperuser(cluster, { password: 'x' })
    console.log((await client.query('select 6 * 7 as answer')).rows[0].answer, cluster.data.startsWith(home.dir))
    await client.end()
    await host.stopSupervisor(home, { services: 'stop' })
    await host.removeHome(home)`
  const out = execFileSync(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', script], { encoding: 'utf8', uid: nobody?.uid as number, gid: nobody?.gid as number, cwd: '/', env: { PATH: process.env['PATH'], TMPDIR: own } })
  expect(out.trim()).toBe('42 true')
  await rm(own, { recursive: true })
})
