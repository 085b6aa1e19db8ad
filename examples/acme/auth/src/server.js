import { createServer } from 'node:http'
import { accountOf, signIn, signUp } from './accounts.js'
import { pool } from './database.js'
import { answer, body, tokenOf } from './http.js'

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
  if (pathname === '/healthz') return answer(response, 200, await pool.query('select 1').then(() => 'ok'))
  if (pathname === '/api/auth/current') {
    const account = accountOf(tokenOf(request))
    return account === undefined ? answer(response, 401, { error: 'Sign in first' }) : answer(response, 200, { account })
  }
  const { email, password } = (await body(request)) ?? {}
  if (request.method !== 'POST' || typeof email !== 'string' || !/^\S+@\S+$/.test(email) || typeof password !== 'string' || password.length < 8) return answer(response, 400, { error: 'Send { "email", "password" } with at least 8 characters' })
  if (pathname === '/api/auth/sign-up') return given(response, await signUp(email, password), 409, 'There is an account with this address')
  if (pathname === '/api/auth/sign-in') return given(response, await signIn(email, password), 401, 'Address or password are wrong')
  return answer(response, 404, { error: 'Not found' })
}

const given = (response, token, status, error) => answer(response, token ? 200 : status, token ? { token } : { error })

server.listen(Number(process.env.PORT ?? 3000), process.env.HOST, () => console.log('auth is ready'))

process.once('SIGTERM', () => server.close(() => pool.end()))
