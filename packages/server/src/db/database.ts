import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { patiently } from './patience.ts'
import type { Tables } from './schema.ts'

export type Database = Kysely<Tables>
export type Tx = Transaction<Tables>

/** How to reach the `control` cluster; a unix socket's folder is a `host` too. */
export type DatabaseAddress = Pick<pg.ClientConfig, 'host' | 'port' | 'user' | 'password' | 'database' | 'connectionString'>

/** A handful of connections is enough for one machine, and each costs PostgreSQL several MB. */
const maxConnections = 6

export function openDatabase(address: DatabaseAddress): Database {
  const pool = new pg.Pool({ ...address, max: maxConnections, idleTimeoutMillis: 20_000, connectionTimeoutMillis: 10_000, application_name: 'pilot-server', types: { getTypeParser } })
  // An idle connection that breaks (the database restarts) is replaced by the pool; the event must be taken.
  pool.on('error', () => {})
  // Before a connection is there nothing has happened: whoever asks while it restarts only waits.
  const waiting = { options: pool.options, connect: () => patiently(() => pool.connect(), { forMs: 10_000 }), end: () => pool.end() }
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: waiting }) })
}

/** Sequence numbers stay below 2^53, and the API speaks ISO 8601. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') => {
  if (oid === pg.types.builtins.INT8) return Number
  if (oid === pg.types.builtins.TIMESTAMPTZ) return (text: string) => new Date(text).toISOString()
  return pg.types.getTypeParser(oid as never, format as never)
}) as typeof pg.types.getTypeParser
