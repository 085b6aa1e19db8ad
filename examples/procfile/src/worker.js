import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from './database.js'

// Two versions run side by side for some seconds of a release, and more instances may do so always: SKIP LOCKED gives each job to one.
const take = `UPDATE jobs SET result = upper(text), done_at = now() WHERE id = (
  SELECT id FROM jobs WHERE done_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, text`

const client = await connect()
const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())

let wake = new AbortController()
client.on('notification', () => wake.abort())
await client.query('LISTEN jobs')
console.log('waiting for jobs')

while (!stopping.signal.aborted) {
  wake = new AbortController()
  const { rows } = await client.query(take)
  if (rows[0]) console.log(`did job ${rows[0].id}: ${rows[0].text}`)
  else await sleep(10_000, undefined, { signal: AbortSignal.any([wake.signal, stopping.signal]) }).catch(() => {})
}
await client.end()
console.log('stopped between two jobs')
