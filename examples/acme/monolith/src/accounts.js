import { createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'
import { query } from './database.js'

const key = process.env.SESSION_KEY
const lifetimeMs = 24 * 60 * 60 * 1000

/** Undefined when there is an account with this address already. */
export async function signUp(email, password) {
  const salt = randomBytes(16).toString('hex')
  const [account] = await query('insert into accounts (email, password) values ($1, $2) on conflict do nothing returning id', [email, `${salt}:${hash(password, salt)}`])
  return account && tokenOf(account.id)
}

/** Undefined when address or password are wrong. */
export async function signIn(email, password) {
  const [account] = await query('select id, password from accounts where email = $1', [email])
  const [salt, expected] = (account?.password ?? ':').split(':')
  return account && same(hash(password, salt), expected) ? tokenOf(account.id) : undefined
}

/** The id of the account, or undefined when the token is none of ours or too old. */
export function accountOf(token = '') {
  const [id, until, signature] = token.split('.')
  return signature && same(signature, sign(`${id}.${until}`)) && Number(until) > Date.now() ? Number(id) : undefined
}

function tokenOf(id) {
  const content = `${id}.${Date.now() + lifetimeMs}`
  return `${content}.${sign(content)}`
}

const sign = (content) => createHmac('sha256', key).update(content).digest('hex')
const hash = (password, salt) => scryptSync(password, salt, 32).toString('hex')
const same = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
