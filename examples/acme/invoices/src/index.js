import pg from 'pg'

// A worker handles one event at a time, so one connection is enough; it is used again by the next event.
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1, connectionTimeoutMillis: 5_000 })
pool.on('error', (error) => console.error(`database: ${error.message}`))

/** Orders come through the queue, questions by HTTP, and each night the schedule. */
export async function handler(event) {
  if (event.Records) return writeInvoices(event.Records)
  if (event.requestContext?.http) return listInvoices(event)
  return report()
}

/** What fails is given back alone, and comes again; the rest is done. */
async function writeInvoices(records) {
  const failed = []
  for (const { messageId, body } of records) {
    try {
      const order = JSON.parse(body)
      // The same order may come twice: a queue delivers at least once.
      await pool.query('insert into invoices (order_id, account, text) values ($1, $2, $3) on conflict do nothing', [order.id, order.account, textOf(order)])
      console.log(`invoice ${order.id} written`)
    } catch (error) {
      console.error(`message ${messageId}: ${error.message}`)
      failed.push({ itemIdentifier: messageId })
    }
  }
  return { batchItemFailures: failed }
}

async function listInvoices({ headers, rawPath }) {
  if (rawPath !== '/api/invoices') return { statusCode: 404, headers: json, body: JSON.stringify({ error: 'Not found' }) }
  const signedIn = await fetch(new URL('/api/auth/current', process.env.AUTH_URL), { headers: { authorization: headers.authorization ?? '' }, signal: AbortSignal.timeout(5_000) })
  if (!signedIn.ok) return { statusCode: 401, headers: json, body: JSON.stringify({ error: 'Sign in first' }) }
  const { account } = await signedIn.json()
  const { rows } = await pool.query('select order_id as order, text, at from invoices where account = $1 order by order_id', [account])
  return { statusCode: 200, headers: json, body: JSON.stringify(rows) }
}

async function report() {
  const { rows } = await pool.query("select count(*)::int as invoices from invoices where at > now() - interval '1 day'")
  console.log(`${rows[0].invoices} invoices since yesterday`)
  return rows[0]
}

const json = { 'content-type': 'application/json', 'cache-control': 'no-store' }
const textOf = ({ id, name, cents }) => `ACME Corporation\nInvoice ${id}\n${name}: $${(cents / 100).toFixed(2)}\n`
