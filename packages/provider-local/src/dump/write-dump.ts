import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { largeObjectStatements } from './large-objects.ts'
import { pgDump, type Connection } from './pg-dump.ts'
import { listSequences, listTables, type DumpedTable } from './tables.ts'

/** What is known of a dump when it is written. */
export interface DumpFacts {
  readonly bytes: number
  /** `sha256:…` of the file. */
  readonly checksum: string
  readonly tables: number
  readonly rows: number
  /** Of the server: `17.10`. */
  readonly postgres: string
}

/**
 * Writes a database to a file: SQL that psql reads too, gzipped. All of it is one moment of the database, and the tables are held
 * against changes of their shape (not of their rows) meanwhile. Memory is that of the largest row, not of the database.
 */
export async function writeDump({ connection, file, log }: { connection: Connection; file: string; log(line: string): void }): Promise<DumpFacts> {
  const client = new pg.Client({ ...connection, application_name: 'pilot backup' })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = ''; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL row_security = off; SET LOCAL DateStyle = ISO; SET LOCAL IntervalStyle = postgres; SET LOCAL extra_float_digits = 3; SET LOCAL synchronize_seqscans = off")
    const tables = await listTables(client)
    if (tables.length > 0) await client.query(`LOCK TABLE ${tables.map(({ name }) => `ONLY ${name}`).join(', ')} IN ACCESS SHARE MODE`)
    const { rows: [moment] } = await client.query<{ snapshot: string; version: string }>("SELECT pg_export_snapshot() AS snapshot, current_setting('server_version') AS version")
    const schema = (section: string): Promise<string> => pgDump({ connection, args: [`--section=${section}`, `--snapshot=${moment!.snapshot}`] })
    const [before, after] = [await schema('pre-data'), await schema('post-data')]

    await using out = openOutput(file)
    const token = randomBytes(12).toString('hex')
    const section = (text: string): Promise<void> => out.write(`--${token} sql\n${text}\n`)
    await out.write(`-- Pilot backup 1 ${token}\n-- To read it without Pilot: gunzip -c FILE | psql DATABASE\n`)
    await section(before)
    let rows = 0
    for (const table of tables) {
      await out.write(`--${token} copy\n${copyInto(table)}\n`)
      const source = client.query(copyTo(copyOut(table)))
      for await (const chunk of source) await out.write(chunk as Buffer)
      await out.write('\\.\n\n')
      rows += (source as unknown as { rowCount: number }).rowCount
      log(`${table.name}: ${(source as unknown as { rowCount: number }).rowCount} rows`)
    }
    for (const { name, lastValue, isCalled } of await listSequences(client)) await section(`SELECT pg_catalog.setval(${pg.escapeLiteral(name)}, ${lastValue}, ${isCalled});`)
    for await (const statement of largeObjectStatements(client)) await section(statement)
    await section(after)
    await out.write(`--${token} end\n`)
    return { ...(await out.finish()), tables: tables.length, rows, postgres: moment!.version.split(' ')[0]! }
  } finally {
    await client.end().catch(() => {})
  }
}

const columnList = ({ columns }: DumpedTable): string => (columns === null ? '' : ` (${columns.join(', ')})`)

const copyInto = (table: DumpedTable): string => `COPY ${table.into}${columnList(table)} FROM stdin;`

function copyOut(table: DumpedTable): string {
  const { name, columns, condition } = table
  return condition ? `COPY (SELECT ${columns?.join(', ') ?? ''} FROM ONLY ${name} ${condition}) TO STDOUT` : `COPY ${name}${columnList(table)} TO STDOUT`
}

interface Output extends AsyncDisposable {
  write(chunk: string | Buffer): Promise<void>
  /** Returns when all of it is on the disk. */
  finish(): Promise<{ readonly bytes: number; readonly checksum: string }>
}

function openOutput(file: string): Output {
  const hash = createHash('sha256')
  let bytes = 0
  const gzip = createGzip({ level: 3, chunkSize: 64 * 1024 })
  const counted = new Transform({
    transform(chunk: Buffer, _, next) {
      hash.update(chunk)
      bytes += chunk.length
      next(null, chunk)
    },
  })
  const written = pipeline(gzip, counted, createWriteStream(file, { flags: 'wx', mode: 0o600, flush: true }))
  // Whoever writes next is told.
  written.catch(() => {})
  return {
    async write(chunk) {
      if (!gzip.write(chunk)) await Promise.race([once(gzip, 'drain'), written])
    },
    async finish() {
      gzip.end()
      await written
      return { bytes, checksum: `sha256:${hash.digest('hex')}` }
    },
    async [Symbol.asyncDispose]() {
      gzip.destroy()
      await written.catch(() => {})
    },
  }
}
