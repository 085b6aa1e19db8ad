import { defineKind, type AnyKind, type Listed, type Reading, type CreateCall, type UpdateCall } from '@pilot/core'
import type { Home } from '@pilot/host'
import type { Client } from 'pg'
import pg from 'pg'
import * as z from 'zod'
import { assertOurs, ownerOfText, ownerText } from '../ownership.ts'
import { asSuperuser, asSuperuserIfThere } from '../postgres/apps-cluster.ts'
import { scramVerifier } from '../postgres/scram.ts'
import { findRole, markedRoles } from './database.ts'
import { replacedName } from '../postgres/swap-databases.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  name: z.string().max(63),
  /** The only database that it may connect to. */
  database: z.string(),
  password: z.string(),
  connectionLimit: z.number(),
})
const outputs = z.object({ name: z.string() })
type LiveReading = Reading<z.output<typeof inputs>, z.output<typeof outputs>> | undefined

type Inputs = z.output<typeof inputs>

/** A login for one database. It acts as the role that owns the database, so that several users share one set of tables. */
export function databaseUserKind(home: Home): AnyKind {
  const put = async ({ client, owner, inputs: { name, database, password, connectionLimit } }: { client: Client } & Pick<CreateCall<Inputs> | UpdateCall<Inputs>, 'owner' | 'inputs'>): Promise<void> => {
    const [user, role] = [pg.escapeIdentifier(name), pg.escapeIdentifier(database)]
    const options = `LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT ${Math.trunc(connectionLimit)} PASSWORD ${pg.escapeLiteral(await scramVerifier(password))}`
    await client.query('BEGIN')
    await client.query(`${(await findRole(client, name)) ? 'ALTER' : 'CREATE'} ROLE ${user} ${options}`)
    await client.query(`COMMENT ON ROLE ${user} IS ${pg.escapeLiteral(ownerText(owner))}`)
    await client.query(`GRANT ${role} TO ${user}`)
    await client.query(`ALTER ROLE ${user} IN DATABASE ${role} SET role = ${pg.escapeLiteral(database)}`)
    await client.query('COMMIT')
  }

  return defineKind({
    kind: 'local/database-user',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['name', 'database'], writeOnly: ['password'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['superuser of the apps’ PostgreSQL cluster'],
    cost: freeOfCharge,
    exposure: () => [],

    create: (call) =>
      asSuperuser(home, { doing: `The database user ${call.inputs.name}` }, async (client) => {
        const { name } = call.inputs
        const role = await findRole(client, name)
        if (role) assertOurs({ found: ownerOfText(role.comment), owner: call.owner, title: `The database user ${name}` })
        await call.checkpoint()
        await put({ ...call, client })
        return { id: name }
      }),
    settle: async ({ id }) => ({ status: 'ready', outputs: { name: id } }),
    read: ({ id }) =>
      asSuperuserIfThere<LiveReading>(home, { doing: `The database user ${id}` }, undefined, async (client) => {
        const { rows } = await client.query<{ limit: number; database: string | null }>(
          `SELECT rolconnlimit AS limit, (SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid LIMIT 1) AS database FROM pg_roles r WHERE rolname = $1`,
          [id],
        )
        const [found] = rows
        return found && { inputs: { name: id, connectionLimit: found.limit, ...(found.database ? { database: found.database } : {}) }, outputs: { name: id } }
      }),
    list: ({ platformId }) =>
      asSuperuserIfThere<readonly Listed[]>(home, { doing: 'The list of database users' }, [], async (client) => {
        const roles = await markedRoles(client, { platformId, canLogin: true })
        return roles.map(({ name, owner }) => ({ id: name, owner, title: `database user ${name}` }))
      }),
    update: (call) =>
      asSuperuser(home, { doing: `The database user ${call.id}` }, async (client) => {
        await call.checkpoint()
        await put({ ...call, client })
        return {}
      }),
    delete: ({ id, recorded: { database }, checkpoint }) =>
      asSuperuserIfThere(home, { doing: `The database user ${id}` }, {}, async (client) => {
        await checkpoint()
        for (const name of database === undefined ? [] : [database, replacedName(database)]) await leave({ home, client, user: id, database: name, owner: database! })
        await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [id])
        await client.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(id)}`)
        return {}
      }),
  })
}

/** What the login made as itself goes to the owner, and what was granted to it is taken back: a role that has either cannot be dropped. */
async function leave({ home, client, user, database, owner }: { home: Home; client: Client; user: string; database: string; owner: string }): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database d, pg_roles u, pg_roles o WHERE d.datname = $1 AND u.rolname = $2 AND o.rolname = $3', [database, user, owner])
  if (rowCount === 0) return
  const role = pg.escapeIdentifier(user)
  await asSuperuser(home, { doing: `The database user ${user}`, database }, (inside) => inside.query(`REASSIGN OWNED BY ${role} TO ${pg.escapeIdentifier(owner)}; DROP OWNED BY ${role}`))
}
