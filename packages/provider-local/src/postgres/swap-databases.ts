import { createHash } from 'node:crypto'
import { PilotError } from '@pilot/core'
import type { Client } from 'pg'
import pg from 'pg'

/** Names beside a database's own, at most 63 bytes: the one that a restore fills, and the one that it replaced. */
export const restoringName = (database: string): string => besideName(database, 'new')
export const replacedName = (database: string): string => besideName(database, 'old')
export const restoreRole = (database: string): string => besideName(database, 'restore')

const besideName = (database: string, what: string): string => `${database.slice(0, 45)}_${createHash('sha256').update(database).digest('hex').slice(0, 8)}_${what}`

/**
 * Puts `by` in the place of `database`, which becomes `to`, in one transaction: after it the one or the other is there, whole, and
 * nothing in between. From its first statement on PostgreSQL lets nobody in; who is connected is sent away. What is set for the
 * database (limits, who may connect, whom its logins act as) goes with the name.
 */
export async function swapDatabases({ client, ender, database, by, to, mark }: { client: Client; /** A second connection. */ ender: Client; database: string; by: string; to: string; mark: string }): Promise<void> {
  const attempts = 5
  for (let attempt = 1; ; attempt++) {
    const ending = endConnections(ender, [database, by])
    try {
      await client.query('BEGIN')
      await client.query(`ALTER DATABASE ${pg.escapeIdentifier(database)} RENAME TO ${pg.escapeIdentifier(to)}`)
      await client.query(`ALTER DATABASE ${pg.escapeIdentifier(by)} RENAME TO ${pg.escapeIdentifier(database)}`)
      for (const statement of await settingsOf(client, { from: to, to: database })) await client.query(statement)
      await client.query(`COMMENT ON DATABASE ${pg.escapeIdentifier(database)} IS ${pg.escapeLiteral(mark)}`)
      await client.query('COMMIT')
      return
    } catch (error) {
      await client.query('ROLLBACK')
      const isInUse = (error as pg.DatabaseError).code === '55006'
      if (!isInUse) throw error
      if (attempt === attempts) throw new PilotError('BLOCKED', `The database ${database} could not be swapped: it is in use`, { reason: (error as Error).message, suggestion: 'Nothing was changed. Stop what works with it (`stop`), and restore again.', cause: error })
    } finally {
      await ending.stop()
    }
  }
}

/** Again and again, since apps connect again at once until the rename holds its lock. */
function endConnections(client: Client, databases: readonly string[]): { stop(): Promise<void> } {
  let isOver = false
  const done = (async () => {
    // The names change while this runs.
    const { rows } = await client.query<{ oid: string }>('SELECT oid::text FROM pg_database WHERE datname = ANY ($1)', [databases])
    while (!isOver) {
      await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datid::text = ANY ($1) AND pid <> pg_backend_pid()`, [rows.map(({ oid }) => oid)])
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  })()
  done.catch(() => {})
  return {
    async stop() {
      isOver = true
      await done.catch(() => {})
    },
  }
}

/** Statements that set for one database what is set for another. */
async function settingsOf(client: Client, { from, to }: { from: string; to: string }): Promise<readonly string[]> {
  const [target] = [pg.escapeIdentifier(to)]
  const { rows: [database] } = await client.query<{ limit: number; acl: readonly { grantee: string | null; privilege: string; grantable: boolean }[] | null }>(
    `SELECT datconnlimit AS limit, (SELECT json_agg(json_build_object('grantee', r.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable)) FROM aclexplode(datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) AS acl FROM pg_database WHERE datname = $1`,
    [from],
  )
  const { rows: settings } = await client.query<{ role: string | null; config: readonly string[] }>(
    'SELECT r.rolname AS role, s.setconfig AS config FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = $1',
    [from],
  )
  // Those of the database that comes in may be older.
  const { rows: older } = await client.query<{ role: string | null }>(
    'SELECT r.rolname AS role FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE d.datname = $1',
    [to],
  )
  const subject = (role: string | null): string => (role === null ? `ALTER DATABASE ${target}` : `ALTER ROLE ${pg.escapeIdentifier(role)} IN DATABASE ${target}`)
  return [
    `ALTER DATABASE ${target} CONNECTION LIMIT ${database!.limit}`,
    `REVOKE ALL ON DATABASE ${target} FROM PUBLIC`,
    ...(database!.acl ?? []).map(({ grantee, privilege, grantable }) => `GRANT ${privilege} ON DATABASE ${target} TO ${grantee === null ? 'PUBLIC' : pg.escapeIdentifier(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`),
    ...older.map(({ role }) => `${subject(role)} RESET ALL`),
    ...settings.flatMap(({ role, config }) => config.map((each) => `${subject(role)} SET ${settingOf(each)}`)),
  ]
}

/** `name=value` as it is stored; the value of a list is a list already. */
function settingOf(stored: string): string {
  const at = stored.indexOf('=')
  const [name, value] = [stored.slice(0, at), stored.slice(at + 1)]
  return `${name.split('.').map((part) => pg.escapeIdentifier(part)).join('.')} = ${lists.has(name.toLowerCase()) ? value : pg.escapeLiteral(value)}`
}

/** Settings that hold a list of names, quoted where need be. */
const lists: ReadonlySet<string> = new Set(['search_path', 'session_preload_libraries', 'local_preload_libraries', 'temp_tablespaces', 'datestyle'])
