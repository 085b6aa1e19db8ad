import { rm } from 'node:fs/promises'
import { defineKind, type AnyKind, type Listed, type Reading } from '@pilot/core'
import { reservePort, type Home } from '@pilot/host'
import type { Client } from 'pg'
import pg from 'pg'
import * as z from 'zod'
import { assertOurs, ownerOfText, ownerText } from '../ownership.ts'
import { asSuperuser, asSuperuserIfThere } from '../postgres/apps-cluster.ts'
import { backupsFolder } from '../postgres/backups-folder.ts'
import { replacedName, restoreRole, restoringName } from '../postgres/swap-databases.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** Derived from platform and app, so that another app can be given a user of it. */
  name: z.string().max(63),
})
const outputs = z.object({ name: z.string(), host: z.string(), port: z.number() })
type LiveReading = Reading<z.output<typeof inputs>, z.output<typeof outputs>> | undefined

/**
 * A database and a role of the same name that owns it and all that is in it. Nobody logs in as that role: users are members
 * and act as it, so they come and go without their tables. The role is made first and carries our mark as its comment.
 */
export function databaseKind(home: Home): AnyKind {
  return defineKind({
    kind: 'local/database',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['name'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    protect: true,
    permissions: ['superuser of the apps’ PostgreSQL cluster'],
    cost: freeOfCharge,
    exposure: () => [],

    create: ({ owner, inputs: { name }, checkpoint }) =>
      asSuperuser(home, { doing: `The database ${name}` }, async (client) => {
        const quoted = pg.escapeIdentifier(name)
        const role = await findRole(client, name)
        if (role) assertOurs({ found: ownerOfText(role.comment), owner, title: `The database role ${name}` })
        await checkpoint()
        await client.query('BEGIN')
        if (!role) await client.query(`CREATE ROLE ${quoted} NOLOGIN`)
        await client.query(`COMMENT ON ROLE ${quoted} IS ${pg.escapeLiteral(ownerText(owner))}`)
        await client.query('COMMIT')
        if (!(await exists(client, name))) await client.query(`CREATE DATABASE ${quoted} OWNER ${quoted}`)
        await client.query(`REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC`)
        return { id: name }
      }),

    settle: ({ id }) =>
      asSuperuser(home, { doing: `The database ${id}` }, async (client) =>
        (await exists(client, id)) ? { status: 'ready', outputs: await outputsOf(home, id) } : { status: 'failed', reason: `The database ${id} is gone` },
      ),

    read: ({ id }) =>
      asSuperuserIfThere<LiveReading>(home, { doing: `The database ${id}` }, undefined, async (client) => ((await exists(client, id)) ? { inputs: { name: id }, outputs: await outputsOf(home, id) } : undefined)),

    list: ({ platformId }) =>
      asSuperuserIfThere<readonly Listed[]>(home, { doing: 'The list of databases' }, [], async (client) => {
        const roles = await markedRoles(client, { platformId, canLogin: false })
        return roles.map(({ name, owner }) => ({ id: name, owner, title: `database ${name}` }))
      }),

    delete: ({ id, checkpoint }) =>
      asSuperuserIfThere(home, { doing: `The database ${id}` }, {}, async (client) => {
        await checkpoint()
        for (const name of [id, restoringName(id), replacedName(id)]) await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`)
        await client.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(restoreRole(id))}`)
        await rm(backupsFolder(home, id), { recursive: true, force: true })
        await client.query(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(id)}`)
        return {}
      }),
  })
}

const outputsOf = async (home: Home, name: string): Promise<z.output<typeof outputs>> => ({ name, host: '127.0.0.1', port: await reservePort(home, 'postgres-apps') })

const exists = async (client: Client, name: string): Promise<boolean> => (await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])).rowCount === 1

export interface MarkedRole {
  readonly name: string
  readonly comment: string | null
}

export async function findRole(client: Client, name: string): Promise<MarkedRole | undefined> {
  const { rows } = await client.query<MarkedRole>(`SELECT rolname AS name, shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolname = $1`, [name])
  return rows[0]
}

export async function markedRoles(client: Client, { platformId, canLogin }: { platformId: string; canLogin: boolean }): Promise<readonly { readonly name: string; readonly owner: ReturnType<typeof ownerOfText> }[]> {
  const { rows } = await client.query<MarkedRole>(`SELECT rolname AS name, shobj_description(oid, 'pg_authid') AS comment FROM pg_roles WHERE rolcanlogin = $1`, [canLogin])
  return rows.map(({ name, comment }) => ({ name, owner: ownerOfText(comment) })).filter(({ owner }) => owner.platformId === platformId)
}
