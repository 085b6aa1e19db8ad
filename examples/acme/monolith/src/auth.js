import { accountOf, signIn, signUp } from './accounts.js'
import { answer, body, tokenOf } from './http.js'

/** Once there is an app of its own for this (`uses: [auth]`), its address stands here and its answer counts. */
const elsewhere = process.env.AUTH_URL

export async function currentAccount(request) {
  const token = tokenOf(request)
  if (!elsewhere) return accountOf(token)
  const answered = await fetch(new URL('/api/auth/current', elsewhere), { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(5_000) })
  return answered.ok ? (await answered.json()).account : undefined
}

export async function handleAuth(request, response, pathname) {
  const { email, password } = (await body(request)) ?? {}
  if (request.method !== 'POST' || typeof email !== 'string' || !/^\S+@\S+$/.test(email) || typeof password !== 'string' || password.length < 8) return answer(response, 400, { error: 'Send { "email", "password" } with at least 8 characters' })
  if (pathname === '/api/auth/sign-up') return given(response, await signUp(email, password), 409, 'There is an account with this address')
  if (pathname === '/api/auth/sign-in') return given(response, await signIn(email, password), 401, 'Address or password are wrong')
  return answer(response, 404, { error: 'Not found' })
}

const given = (response, token, status, error) => answer(response, token ? 200 : status, token ? { token } : { error })
