import { query } from './database.js'
import { answer, body } from './http.js'
import { writeInvoice } from './invoices.js'

export const products = [
  { name: 'anvil', cents: 4_999 },
  { name: 'rocket skates', cents: 12_900 },
  { name: 'portable hole', cents: 29_950 },
]

export async function order(request, response, account) {
  const { product: wanted } = (await body(request)) ?? {}
  const product = products.find(({ name }) => name === wanted)
  if (!product) return answer(response, 400, { error: `Order one of ${products.map(({ name }) => name).join(', ')}` })
  const [{ id }] = await query('insert into orders (account, product, cents) values ($1, $2, $3) returning id', [account, product.name, product.cents])
  await writeInvoice({ id, account, ...product })
  return answer(response, 201, { order: id })
}
