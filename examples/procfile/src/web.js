import { createServer } from 'node:http'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 4 })

/** POST / queues the text of its body; GET / lists the newest jobs. */
async function answer(request) {
  if (request.url === '/healthz') return { status: 204 }
  if (request.method === 'POST') {
    let text = ''
    for await (const chunk of request) text += chunk
    const { rows } = await pool.query('INSERT INTO jobs (text) VALUES ($1) RETURNING id', [text.slice(0, 200) || 'nothing'])
    await pool.query('NOTIFY jobs')
    return { status: 202, body: { queued: Number(rows[0].id) } }
  }
  const { rows } = await pool.query('SELECT id::int, text, result, done_at FROM jobs ORDER BY id DESC LIMIT 20')
  return { status: 200, body: { jobs: rows } }
}

const server = createServer(async (request, response) => {
  const { status, body } = await answer(request).catch((error) => ({ status: 500, body: { error: error.message } }))
  response.writeHead(status, { 'content-type': 'application/json' }).end(body && `${JSON.stringify(body)}\n`)
})
server.listen(process.env.PORT ?? 8080, process.env.HOST ?? '0.0.0.0', () => console.log('listening'))
process.on('SIGTERM', () => server.close(() => pool.end()))
