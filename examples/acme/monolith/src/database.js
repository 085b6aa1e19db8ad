import pg from 'pg'

if (!process.env.DATABASE_URL) {
  console.error('DATABASE_URL is not set. Pilot sets it; elsewhere: DATABASE_URL=postgres://user:password@localhost:5432/acme npm start')
  process.exit(1)
}

export const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5, connectionTimeoutMillis: 5_000 })
// A connection that breaks while nobody uses it is replaced at the next query.
pool.on('error', (error) => console.error(`database: ${error.message}`))

export async function query(text, values) {
  return (await pool.query(text, values)).rows
}
