import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { currentAccount, handleAuth } from './auth.js'
import { pool } from './database.js'
import { answer } from './http.js'
import { invoicesOf } from './invoices.js'
import { order, products } from './orders.js'

const page = await readFile(new URL('../public/index.html', import.meta.url))

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://acme')
  if (pathname !== '/healthz') response.on('finish', () => console.log(`${request.method} ${pathname} ${response.statusCode}`))
  try {
    await handle(request, response, pathname)
  } catch (error) {
    console.error(error)
    if (!response.headersSent) answer(response, 500, { error: 'Something went wrong' })
    else response.end()
  }
})

async function handle(request, response, pathname) {
  if (pathname === '/') return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
  if (pathname === '/healthz') return answer(response, 200, await pool.query('select 1').then(() => 'ok'))
  if (pathname.startsWith('/api/auth/')) return handleAuth(request, response, pathname)
  if (pathname === '/api/products') return answer(response, 200, products)

  const account = await currentAccount(request)
  if (account === undefined) return answer(response, 401, { error: 'Sign in first' })
  if (pathname === '/api/orders' && request.method === 'POST') return order(request, response, account)
  if (pathname === '/api/invoices') return answer(response, 200, await invoicesOf(account))
  return answer(response, 404, { error: 'Not found' })
}

server.listen(Number(process.env.PORT ?? 3000), process.env.HOST, () => console.log('the shop is open'))

process.once('SIGTERM', () => server.close(() => pool.end()))
