import { join } from 'node:path'
import { connectAsSuperuser, ensurePostgres, type Home } from '@pilot/host'
import type { DatabaseAddress } from './db/database.ts'
import { secretFile } from './secret-file.ts'

const database = 'pilot'

/** The control cluster of a home, running, with Pilot's database in it. Reached over its unix socket. */
export async function homeDatabase(home: Home): Promise<DatabaseAddress> {
  const password = await secretFile(join(home.paths.keys, 'postgres-control.password'))
  const cluster = await ensurePostgres(home, { name: 'control', password })
  const client = await connectAsSuperuser(cluster, { password })
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database])
    // Two processes may be here at once: the slower one finds it made.
    if (rowCount === 0) await client.query(`create database ${database}`).catch(ignoreCode('42P04', '23505'))
  } finally {
    await client.end()
  }
  return { host: cluster.socketDir, port: cluster.port, user: cluster.superuser, password, database }
}

const ignoreCode =
  (...codes: readonly string[]) =>
  (error: Error & { code?: string }): void => {
    if (!codes.includes(error.code ?? '')) throw error
  }
