import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

if (!process.env.DATABASE_URL) {
  console.error('DATABASE_URL is not set. Pilot sets it; elsewhere: DATABASE_URL=postgres://user:password@localhost:5432/todo npm start')
  process.exit(1)
}

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5, connectionTimeoutMillis: 5_000 })
// A connection that breaks while nobody uses it is replaced at the next query.
pool.on('error', (error) => console.error(`database: ${error.message}`))

/** One step after the other; a step that was released is never changed, only followed by another. */
const migrations = [
  `create table todos (
     id integer generated always as identity primary key,
     text text not null check (length(text) between 1 and 200),
     done boolean not null default false,
     created_at timestamptz not null default now()
   )`,
]

export async function query(text, values) {
  const { rows } = await pool.query(text, values)
  return rows
}

export async function isReachable() {
  try {
    await pool.query('select 1')
    return true
  } catch (error) {
    console.error(`database: ${error.message}`)
    return false
  }
}

export const close = () => pool.end()

/** Brings the tables up to date. Waits for a database that is still starting; of several instances one migrates. */
export async function migrate() {
  const client = await connect()
  try {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock(1)')
    await client.query('create table if not exists migrations (id integer primary key, at timestamptz not null default now())')
    const { rows } = await client.query('select coalesce(max(id), 0) as last from migrations')
    for (const [index, statement] of migrations.entries()) {
      if (index + 1 <= rows[0].last) continue
      await client.query(statement)
      await client.query('insert into migrations (id) values ($1)', [index + 1])
      console.log(`migration ${index + 1} done`)
    }
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}

async function connect() {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.connect()
    } catch (error) {
      if (attempt === 20) throw error
      console.log(`waiting for the database: ${error.message}`)
      await sleep(1_000)
    }
  }
}
