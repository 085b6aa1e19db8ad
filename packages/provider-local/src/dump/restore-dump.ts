import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { PilotError } from '@pilot/core'
import { splitStatements, withoutLeadingComments } from '@pilot/core/sql'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Connection } from './pg-dump.ts'
import { readDump } from './read-dump.ts'

export interface RestoreCall {
  readonly file: string
  /**
   * A login without any privilege but those of the roles that own something: what the backup holds (functions in constraints,
   * generated columns) runs as it, never as superuser.
   */
  readonly connection: Connection
  /** To the same new database: for extensions that only a superuser may make, and for what is left to be owned. */
  readonly superuser: Connection
  /** Owns what the backup gives to a role that is not one of this database's. */
  readonly owner: string
  log(line: string): void
}

/** Fills an empty database from a dump. When it fails, the database is in any state: throw it away. */
export async function restoreDump({ file, connection, superuser, owner, log }: RestoreCall): Promise<{ readonly missingRoles: readonly string[] }> {
  const client = await connected(connection)
  const admin = await connected(superuser)
  const missing = new Set<string>()
  try {
    for await (const section of readDump(file)) {
      if (section.type === 'copy') {
        await pipeline(Readable.from(section.rows, { objectMode: false }), client.query(copyFrom(section.statement))).catch((error: unknown) => {
          throw failed(error, section.statement)
        })
        log(section.statement.replace(/^COPY (.*?)(?: \(.*)? FROM stdin;$/, '$1'))
      } else {
        for (const statement of splitStatements(section.text).statements) await run({ client, admin, owner, missing, statement: withoutLeadingComments(statement) })
      }
    }
    const [role, to] = [pg.escapeIdentifier(connection.user), pg.escapeIdentifier(owner)]
    await admin.query(`REASSIGN OWNED BY ${role} TO ${to}; DROP OWNED BY ${role}`)
    log('Gathering statistics')
    await admin.query('ANALYZE')
    return { missingRoles: [...missing] }
  } finally {
    await Promise.all([client, admin].map((each) => each.end().catch(() => {})))
  }
}

async function connected(connection: Connection): Promise<pg.Client> {
  const client = new pg.Client({ ...connection, application_name: 'pilot restore' })
  client.on('error', () => {})
  await client.connect()
  return client
}

async function run({ client, admin, owner, missing, statement }: { client: pg.Client; admin: pg.Client; owner: string; missing: Set<string>; statement: string }): Promise<void> {
  try {
    if (isAboutExtension.test(statement)) return await runForExtension({ client, admin, owner, statement })
    await client.query(asRole(statement))
  } catch (error) {
    const { code, message } = error as pg.DatabaseError
    const role = code === '42704' ? /^role "(.*)" does not exist$/.exec(message)?.[1] : code === '42501' ? /^must be able to SET ROLE "(.*)"$/.exec(message)?.[1] : undefined
    if (role === undefined || !isAboutRole.test(statement)) throw failed(error, statement)
    missing.add(role)
  }
}

const isAboutExtension = /^(CREATE|COMMENT ON) EXTENSION\b/
const isAboutRole = /^(ALTER [^;]* OWNER TO|GRANT|REVOKE|ALTER DEFAULT PRIVILEGES|SET ROLE|SET SESSION AUTHORIZATION)\b/

/** An extension belongs to who makes it, so the owner does; one that the owner may not make is made by the superuser. */
async function runForExtension({ client, admin, owner, statement }: { client: pg.Client; admin: pg.Client; owner: string; statement: string }): Promise<void> {
  try {
    await client.query(`SET ROLE ${pg.escapeIdentifier(owner)}`)
    await client.query(statement)
  } catch (error) {
    if ((error as pg.DatabaseError).code !== '42501') throw error
    await admin.query(statement)
  } finally {
    await client.query('RESET ROLE')
  }
}

/** pg_dump becomes the one who gave a right, which only a superuser may; a member may act as that role. */
const asRole = (statement: string): string => statement.replace(/^SET SESSION AUTHORIZATION DEFAULT\b|^RESET SESSION AUTHORIZATION\b/, 'RESET ROLE').replace(/^SET SESSION AUTHORIZATION\b/, 'SET ROLE')

function failed(error: unknown, statement: string): Error {
  if (!(error instanceof pg.DatabaseError)) return error as Error
  const where = statement.length > 300 ? `${statement.slice(0, 300)} …` : statement
  return new PilotError('RESOURCE_FAILED', 'The backup cannot be restored: PostgreSQL refuses a statement of it', { reason: [error.message, error.detail, error.where].filter(Boolean).join(' ').slice(0, 1000), details: { statement: where, code: error.code }, cause: error })
}
