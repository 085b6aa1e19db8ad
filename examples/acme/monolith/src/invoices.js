import { query } from './database.js'

/** Once there is an app of its own for this (`uses: [invoices]`), orders go into its queue, and it writes the invoice when it can. */
const queue = process.env.INVOICES_QUEUE_URL

export async function writeInvoice(order) {
  if (!queue) return void (await query('insert into invoices (order_id, account, text) values ($1, $2, $3)', [order.id, order.account, textOf(order)]))
  const sent = await fetch(queue, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(order), signal: AbortSignal.timeout(5_000) })
  if (!sent.ok) throw new Error(`the invoice queue answered ${sent.status}`)
}

export const invoicesOf = (account) => query('select order_id as order, text, at from invoices where account = $1 order by order_id', [account])

const textOf = ({ id, name, cents }) => `ACME Corporation\nInvoice ${id}\n${name}: $${(cents / 100).toFixed(2)}\n`
