/**
 * Backup and restore of a database: `node --conditions=@pilot/source bench/database.ts [MB]`, default 1024. Against `pg_dump` and
 * `psql` of a fitting version where they are installed. Makes a platform of its own and removes it.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCluster, openHome, removeHome, stopSupervisor } from '@pilot/host'
import { databaseAdministration } from '../packages/provider-local/src/database-administration.ts'
import { databaseKind } from '../packages/provider-local/src/kinds/database.ts'
import { postgresClusterKind } from '../packages/provider-local/src/kinds/postgres-cluster.ts'
import { databaseName } from '../packages/provider-local/src/ownership.ts'
import { asSuperuser, superuserPassword } from '../packages/provider-local/src/postgres/apps-cluster.ts'

const megabytes = Number(process.argv[2] ?? 1024)
const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-bench-')))
const platformId = randomBytes(16).toString('hex')
const app = { project: 'bench', app: 'db', environment: 'production' }
const name = databaseName(platformId, app)
const signal = new AbortController().signal
const base = { signal, token: 'x', name: 'x', checkpoint: async () => {}, log: () => {}, elapsedMs: 0, recorded: {} }
const seconds = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  const started = performance.now()
  const result = await work()
  console.log(`${what}: ${((performance.now() - started) / 1000).toFixed(1)} s`)
  return result
}

const tellMemory = (line: string): void => (line.startsWith('Took at most') ? console.log(`  ${line}`) : undefined)

const cluster = postgresClusterKind(home)
const clusterCall = { ...base, owner: { platformId, scope: 'platform', key: 'postgres', generation: 1 }, id: platformId, inputs: { major: 17, running: true } }
try {
  await cluster.create(clusterCall)
  for (let settled = await cluster.settle(clusterCall); settled.status !== 'ready'; settled = await cluster.settle(clusterCall));
  await databaseKind(home).create({ ...base, owner: { platformId, scope: 'app/bench/db/production', key: 'database', generation: 1 }, inputs: { name } })
  await seconds(`Filling ${megabytes} MB`, () =>
    asSuperuser(home, { doing: 'The benchmark', database: name }, async (client) => {
      await client.query(`SET ROLE "${name}"; CREATE SCHEMA IF NOT EXISTS bench; CREATE TABLE bench.row (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz, text text, n numeric)`)
      // Some 200 bytes a row, half of them random.
      for (let done = 0; done < megabytes; done += 64) await client.query(`INSERT INTO bench.row (at, text, n) SELECT now(), md5(random()::text) || md5(random()::text) || repeat('word ', 14), random() * 1e9 FROM generate_series(1, ${Math.round((Math.min(64, megabytes - done) * 1e6) / 200)})`)
      await client.query('ALTER TABLE bench.row ADD PRIMARY KEY (id)')
      const { rows } = await client.query(`SELECT pg_database_size('${name}') AS size, count(*) AS rows FROM bench.row`)
      console.log(rows[0])
    }),
  )
  const administration = databaseAdministration({ home, platformId })
  const backup = await seconds('db backup', () => administration.backup({ app, id: 'bench', by: 'bench', signal, checkpoint: async () => {}, log: tellMemory }))
  console.log(`${(backup.bytes / 1e6).toFixed(0)} MB in the file`)
  await seconds('db restore', () => administration.restore({ app, id: 'r', backup: 'bench', dropOld: true, signal, checkpoint: async () => {}, log: tellMemory }))
  const { socketDir, port, superuser } = await openCluster(home, 'apps')
  const env = { ...process.env, PGHOST: socketDir, PGPORT: String(port), PGUSER: superuser, PGPASSWORD: await superuserPassword(home), PGDATABASE: name }
  try {
    const version = execFileSync('pg_dump', ['--version'], { encoding: 'utf8' }).trim()
    if (Number(/\d+/.exec(version)?.[0]) < 17) console.log(`${version} does not dump PostgreSQL 17: nothing to compare with.`)
    else await seconds(version, async () => execFileSync('sh', ['-c', `pg_dump | gzip -3 > ${join(home.dir, 'compare.gz')}`], { env }))
  } catch (error) {
    console.log(`pg_dump: ${(error as Error).message}`)
  }
} finally {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
}
