/**
 * A customer of the shop: signs in (the first time: up), orders an anvil, and waits for the invoice.
 *
 *   node customer.js http://127.0.0.1:4711        once
 *   node customer.js http://127.0.0.1:4711 200    so many times, to see what a release does to customers
 */
const [url, times = '1'] = process.argv.slice(2)
if (!url) {
  console.error('Say where the shop is: node customer.js URL')
  process.exit(2)
}
const customer = { email: 'ada@example.com', password: 'analytical engine' }
let token

async function call(path, content) {
  const response = await fetch(new URL(`/api/${path}`, url), {
    method: content ? 'POST' : 'GET',
    headers: { ...(content ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: content && JSON.stringify(content),
    signal: AbortSignal.timeout(10_000),
  })
  const text = await response.text()
  if (!response.ok) throw Object.assign(new Error(`/api/${path} answered ${response.status}: ${text.trim()}`), { status: response.status })
  return JSON.parse(text)
}

async function signIn() {
  try {
    ;({ token } = await call('auth/sign-in', customer))
  } catch (error) {
    if (error.status !== 401) throw error
    ;({ token } = await call('auth/sign-up', customer))
  }
}

/** The invoice may be written by somebody else, a moment later. */
async function invoiceOf(order) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const found = (await call('invoices')).find((invoice) => invoice.order === order)
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`no invoice for order ${order} after 20 seconds`)
}

await signIn()
let failed = 0
for (let count = 1; count <= Number(times); count++) {
  try {
    const { order } = await call('orders', { product: 'anvil' })
    if (Number(times) === 1) console.log((await invoiceOf(order)).text.trim())
  } catch (error) {
    failed++
    console.error(error.message)
  }
}
if (Number(times) > 1) console.log(`${times} orders, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
