import type { Client } from 'pg'
import pg from 'pg'

const chunkBytes = 256 * 1024

/** Statements that make the large objects again, with owner, rights, comment and content; each small enough to be held. */
export async function* largeObjectStatements(client: Client): AsyncGenerator<string> {
  const { rows } = await client.query<{ oid: string; owner: string; comment: string | null; hasRights: boolean }>(
    `SELECT oid::text, pg_get_userbyid(lomowner) AS owner, obj_description(oid, 'pg_largeobject') AS comment, lomacl IS NOT NULL AS "hasRights" FROM pg_largeobject_metadata ORDER BY oid`,
  )
  for (const { oid, owner, comment, hasRights } of rows) {
    yield `SELECT pg_catalog.lo_create('${oid}');\n`
    yield* contentOf(client, oid)
    if (comment !== null) yield `COMMENT ON LARGE OBJECT ${oid} IS ${pg.escapeLiteral(comment)};\n`
    yield `ALTER LARGE OBJECT ${oid} OWNER TO ${pg.escapeIdentifier(owner)};\n`
    if (hasRights) yield* rightsOf(client, { oid, owner })
  }
}

async function* contentOf(client: Client, oid: string): AsyncGenerator<string> {
  for (let offset = 0; ; ) {
    const { rows } = await client.query<{ bytes: Buffer }>('SELECT lo_get($1, $2, $3) AS bytes', [oid, offset, chunkBytes])
    const bytes = rows[0]!.bytes
    if (bytes.length > 0) yield `SELECT pg_catalog.lo_put('${oid}', ${offset}, '\\x${bytes.toString('hex')}');\n`
    offset += bytes.length
    if (bytes.length < chunkBytes) return
  }
}

async function* rightsOf(client: Client, { oid, owner }: { oid: string; owner: string }): AsyncGenerator<string> {
  const { rows } = await client.query<{ grantee: string | null; privilege: string; grantable: boolean }>(
    `SELECT r.rolname AS grantee, privilege_type AS privilege, is_grantable AS grantable FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE m.oid = $1`,
    [oid],
  )
  yield `REVOKE ALL ON LARGE OBJECT ${oid} FROM ${pg.escapeIdentifier(owner)};\n`
  for (const { grantee, privilege, grantable } of rows) {
    yield `GRANT ${privilege} ON LARGE OBJECT ${oid} TO ${grantee === null ? 'PUBLIC' : pg.escapeIdentifier(grantee)}${grantable ? ' WITH GRANT OPTION' : ''};\n`
  }
}
