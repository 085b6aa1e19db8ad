import type { Client } from 'pg'

/** A table whose rows go into a dump; names are quoted and qualified. */
export interface DumpedTable {
  readonly name: string
  /** Where the rows are put back: the root of hash partitions, since hashes may differ elsewhere. */
  readonly into: string
  readonly columns: readonly string[] | null
  /** Of a table that belongs to an extension: which of its rows are the user's. */
  readonly condition: string | null
}

/** As pg_dump chooses them: no foreign tables, no views, of an extension only what it marks as configuration. */
export async function listTables(client: Client): Promise<readonly DumpedTable[]> {
  const { rows } = await client.query<DumpedTable>(`
    SELECT c.oid::regclass::text AS name,
      CASE WHEN EXISTS (SELECT FROM pg_partition_ancestors(c.oid) a JOIN pg_partitioned_table p ON p.partrelid = a.relid WHERE p.partstrat = 'h')
        THEN pg_partition_root(c.oid)::text ELSE c.oid::regclass::text END AS into,
      (SELECT array_agg(quote_ident(attname) ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
      configuration.condition
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (${configurationOf}) configuration ON true
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND (${isUsers} OR configuration.condition IS NOT NULL)
    ORDER BY c.oid`)
  return rows
}

export interface DumpedSequence {
  readonly name: string
  readonly lastValue: string
  readonly isCalled: boolean
}

export async function listSequences(client: Client): Promise<readonly DumpedSequence[]> {
  const { rows } = await client.query<{ name: string }>(`
    SELECT c.oid::regclass::text AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN LATERAL (${configurationOf}) configuration ON true
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND (${isUsers} OR configuration.condition IS NOT NULL)
    ORDER BY c.oid`)
  const sequences: DumpedSequence[] = []
  for (const { name } of rows) {
    const found = await client.query<{ last_value: string; is_called: boolean }>(`SELECT last_value::text, is_called FROM ${name}`)
    sequences.push({ name, lastValue: found.rows[0]!.last_value, isCalled: found.rows[0]!.is_called })
  }
  return sequences
}

const isUsers = `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`
const configurationOf = `SELECT x.extcondition[array_position(x.extconfig, c.oid)] AS condition FROM pg_extension x WHERE c.oid = ANY (x.extconfig) LIMIT 1`
