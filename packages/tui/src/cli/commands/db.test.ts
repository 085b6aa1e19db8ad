import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePostgres, openHome, removeHome, stopSupervisor, type Home } from '@pilot/host'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { ScheduleView } from '@pilot/server/contract'
import { at, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand, startCommand } from '../../testing/run-command.ts'

let home: Home
let login: { host: string; port: number; database: string; user: string; password: string }
beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-psql-')))
  const { host, port, superuser } = await ensurePostgres(home, { name: 'apps', password: 'pass word' })
  login = { host, port, database: 'postgres', user: superuser, password: 'pass word' }
}, 60_000)
afterAll(async () => {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
})

const servers: FakeServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function serverWith(answers: Parameters<typeof startFakeServer>[0]): Promise<FakeServer> {
  const server = await startFakeServer(answers)
  servers.push(server)
  return server
}

const app = { project: 'shop', app: 'api', environment: 'production' }
const backup = { id: '20261122-aaaa', app, by: 'ada', version: 'v3', startedAt: at, ms: 1200, bytes: 2048, checksum: 'sha256:x', place: '/home/x.sql.gz', postgres: '17.10', tables: 2, rows: 10 }
const database = { of: app, sharedWith: [{ ...app, app: 'reports' }], database: 'shop_api', owner: 'shop_api', bytes: 8_000_000, connections: 1, maxConnections: 200, postgres: '17.10', host: '127.0.0.1', port: 5000, extensions: ['hstore', 'plpgsql'] }
const known = ['api', '-p', 'shop']

async function sql(text: string, words: readonly string[] = []) {
  const server = await serverWith({ databaseLogin: () => login as never })
  return runCommand(['db', 'psql', ...known, '--builtin', ...words], { env: { PILOT_HOME: server.home }, stdin: text })
}

test('statements that are piped into the prompt run one by one, and print tables', async () => {
  const { exit, stdout, stderr } = await sql("create temp table t (i int, text text);\ninsert into t values (1, 'a;b'), (22, null);\nselect *\nfrom t;\nselect 1 as one")
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
  expect(stdout).toBe(['CREATE', 'INSERT 2', 'i   text', '1   a;b', '22', '(2 rows)', 'one', '1', '(1 row)', ''].join('\n'))
})

test('an error is shown, the next statement runs, and the exit code tells', async () => {
  const { exit, stdout, stderr } = await sql("select 1/0;\nselect 'next' as x;")
  expect(exit).toBe(1)
  expect(stderr).toContain('ERROR:  division by zero')
  expect(stdout).toContain('next')
})

test('text of a database cannot move the cursor', async () => {
  const { stdout } = await sql(String.raw`select E'\x1b[2Jred' as x;`)
  expect(stdout).toBe('x\nred\n(1 row)\n')
})

test('\\d lists tables and columns, \\q leaves, and what is unknown says what there is', async () => {
  const { exit, stdout } = await sql('create table todo (id int generated always as identity, text text not null);\n\\d\n\\d todo\n\\x\n\\q\nselect 1/0;')
  expect(exit).toBe(0)
  expect(stdout).toMatch(/public\s+todo\s+table\s+pilot/)
  expect(stdout).toMatch(/text\s+text\s+not null/)
  expect(stdout).toContain('\\x is unknown here.')
})

test('-c runs one statement; other options of psql need psql', async () => {
  expect(await sql('', ['--', '-c', 'select 5 as five'])).toMatchObject({ exit: 0, stdout: 'five\n5\n(1 row)\n' })
  expect(await sql('', ['--', '-f', 'x.sql'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('knows only `-c SQL`') as string })
})

test('info, users and backups for people and for programs', async () => {
  const schedules: ScheduleView[] = []
  const users = [{ name: 'shop_api_user', app, connections: 1, connectionLimit: 40 }]
  const { home: PILOT_HOME } = await serverWith({ database: () => database as never, databaseUsers: () => ({ users }) as never, backups: () => ({ backups: [backup] }) as never, schedules: () => ({ schedules }) })
  const run = (...words: string[]) => runCommand(['db', ...words, ...known], { env: { PILOT_HOME } })
  expect((await run('info')).stdout).toContain('shared with  reports')
  expect((await run('users')).stdout).toMatch(/shop_api_user\s+api\s+1\s+40/)
  expect((await run('backups')).stdout).toMatch(/20261122-aaaa .* 2 kB\s+1\.2 s\s+10\s+v3\s+17\.10\s+ada/)
  expect(JSON.parse((await run('backups', '--json')).stdout)).toEqual({ backups: [backup] })
  schedules.push({ platform: 'local', app, type: 'backup', name: 'database', schedule: '0 3 * * *', timeZone: 'UTC', overlap: 'skip', missed: 'once', what: 'backup, the newest 7 stay' })
  expect((await run('backups')).stdout).toContain('Scheduled: 0 3 * * * (UTC), backup, the newest 7 stay; next never.')
})

test('a backup is deleted only with an answer, and only one that is there', async () => {
  const deleted: unknown[] = []
  const { home: PILOT_HOME } = await serverWith({ backups: () => ({ backups: [backup] }) as never, deleteBackup: ({ params }) => (deleted.push(params), { done: true as const }) })
  const run = (...argv: string[]) => runCommand(['db', 'backups', 'delete', 'api', ...argv, '-p', 'shop'], { env: { PILOT_HOME } })
  expect((await run('20261122-aaaa')).exit).toBe(2)
  expect(await run('20261122-zzzz', '--yes')).toMatchObject({ exit: 2, stderr: expect.stringContaining('has no backup 20261122-zzzz.') })
  expect(deleted).toEqual([])
  expect(await run('20261122-aaaa', '--yes')).toMatchObject({ exit: 0, stdout: 'Deleted 20261122-aaaa.\n' })
  expect(deleted).toMatchObject([{ backup: '20261122-aaaa' }])
})

test('a restore names what it replaces and who shares it, and does nothing without an answer', async () => {
  const { home: PILOT_HOME, ...server } = await serverWith({ database: () => database as never, backups: () => ({ backups: [backup] }) as never })
  void server
  const { exit, stderr } = await runCommand(['db', 'restore', ...known], { env: { PILOT_HOME } })
  expect(exit).toBe(2)
  expect(stderr).toContain('Replaces the database shop_api')
  expect(stderr).toContain('20261122-aaaa')
  expect(stderr).toContain('Also of reports: they share it.')
  expect(stderr).toContain('ANSWER_NEEDED')
  expect(await runCommand(['db', 'restore', 'api', '20200101-none', '-p', 'shop'], { env: { PILOT_HOME } })).toMatchObject({ exit: 2, stderr: expect.stringContaining('has no backup 20200101-none') as string })
  expect(await runCommand(['db', 'restore', '--undo', '--yes', ...known], { env: { PILOT_HOME } })).toMatchObject({ exit: 2, stderr: expect.stringContaining('Nothing is kept') as string })
})

test('in a terminal the prompt shows whether a statement is open', async () => {
  const server = await serverWith({ databaseLogin: () => login as never })
  const running = startCommand(['db', 'psql', ...known, '--builtin'], { env: { PILOT_HOME: server.home }, terminal: true })
  await running.printed('postgres=> ')
  running.type('select\n')
  await running.printed('postgres-> ')
  running.type("'answer' as x;\n")
  await running.printed('(1 row)')
  running.type('\\q\n')
  expect((await running.done).exit).toBe(0)
})
