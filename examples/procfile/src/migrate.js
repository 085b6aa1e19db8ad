// Runs once before each release. The tables of the old version stay usable, since it goes on until this one has the traffic.
import { connect } from './database.js'

const client = await connect()
await client.query(`CREATE TABLE IF NOT EXISTS jobs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  text text NOT NULL,
  result text,
  queued_at timestamptz NOT NULL DEFAULT now(),
  done_at timestamptz
)`)
const { rows } = await client.query('SELECT count(*)::int AS count FROM jobs')
console.log(`the table jobs is there, with ${rows[0].count} rows`)
await client.end()
