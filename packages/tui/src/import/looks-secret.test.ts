import { expect, it } from 'vitest'
import { holdsSecret, looksSecret } from './looks-secret.ts'

it.each([
  ['JWT_KEY', 'abc'],
  ['PGPASSWORD_FILE_PASSWORD', 'x'],
  ['github_token', 'x'],
  ['DATABASE_URL', 'postgres://app:hunter2@db/app'],
  ['CACHE', 'redis://:hunter2@cache:6379'],
  ['CERT', '-----BEGIN RSA PRIVATE KEY-----\nabc'],
  ['STRIPE', 'sk_live_abcdef'],
  ['HOOK', 'https://hooks.slack.com/services/T0/B0/xyz'],
])('%s=%s looks like a secret', (name, value) => {
  expect(looksSecret(name, value)).toBeTypeOf('string')
})

it.each([
  ['LOG_LEVEL', 'debug'],
  ['TOKEN_TTL', '3600'],
  ['SECRET_REQUIRED', 'true'],
  ['JWT_KEY', ''],
  ['STRIPE_PUBLIC_KEY', 'pk_live_abc'],
  ['TOKEN_URL', 'https://auth.example.com/token'],
  ['DATABASE_URL', 'postgres://db/app'],
  ['DATABASE_URL', 'postgres://app:${PASSWORD}@db/app'],
  ['MONKEY', 'banana'],
  ['DB_PASSWORD', '${DB_PASSWORD}'],
])('%s=%s does not', (name, value) => {
  expect(looksSecret(name, value)).toBeUndefined()
})

it.each([
  ['server --password hunter2', true],
  ['server --api-key=hunter2', true],
  ['server --url postgres://app:hunter2@db/app', true],
  ['API_TOKEN=hunter2 node server.js', true],
  ['server --password $PASSWORD', false],
  ['bundle exec sidekiq -q mail --concurrency 5', false],
  ['node server.js --token-ttl 3600', false],
  ['https://github.com/acme/shop.git', false],
  ['https://ada:hunter2@github.com/acme/shop.git', true],
])('%s holds a secret: %j', (command, expected) => {
  expect(holdsSecret(command)).toBe(expected)
})
