import { pool } from './database.js'

/** Runs once before a release (`release:` in pilot.yaml). One step after the other; a step that was released is never changed, only followed by another. */
const steps = [
  `create table accounts (
     id integer generated always as identity primary key,
     email text not null unique,
     password text not null
   );
   create table orders (
     id integer generated always as identity primary key,
     account integer not null references accounts,
     product text not null,
     cents integer not null check (cents > 0),
     at timestamptz not null default now()
   );
   create table invoices (
     order_id integer primary key references orders,
     account integer not null references accounts,
     text text not null,
     at timestamptz not null default now()
   )`,
]

const client = await pool.connect()
try {
  await client.query('begin')
  await client.query('select pg_advisory_xact_lock(1)')
  await client.query('create table if not exists migrations (id integer primary key)')
  const { rows } = await client.query('select coalesce(max(id), 0) as last from migrations')
  for (const [index, step] of steps.entries()) {
    if (index + 1 <= rows[0].last) continue
    await client.query(step)
    await client.query('insert into migrations values ($1)', [index + 1])
    console.log(`migration ${index + 1} of ${steps.length} done`)
  }
  await client.query('commit')
} finally {
  client.release()
  await pool.end()
}
