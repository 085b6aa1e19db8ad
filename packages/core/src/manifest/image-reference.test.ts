import { expect, it } from 'vitest'
import { parseImageReference } from './image-reference.ts'

const digest = `sha256:${'a'.repeat(64)}`

it.each([
  ['redis', { name: 'redis' }],
  ['redis:7', { name: 'redis', tag: '7' }],
  ['acme/auth', { name: 'acme/auth' }],
  ['ghcr.io/acme/auth:v1.2-rc_1', { registry: 'ghcr.io', name: 'ghcr.io/acme/auth', tag: 'v1.2-rc_1' }],
  ['localhost/auth', { registry: 'localhost', name: 'localhost/auth' }],
  ['registry:5000/auth:7', { registry: 'registry:5000', name: 'registry:5000/auth', tag: '7' }],
  [`127.0.0.1:5000/a__b/c--d@${digest}`, { registry: '127.0.0.1:5000', name: '127.0.0.1:5000/a__b/c--d', digest }],
  [`redis:7@${digest}`, { name: 'redis', tag: '7', digest }],
])('%s is taken apart', (text, reference) => expect(parseImageReference(text)).toEqual(reference))

it.each(['', 'Redis', 'https://ghcr.io/acme/auth', 'redis:', 'redis@sha256:0123', `redis@md5:${'a'.repeat(32)}`, 'a b', '/auth', 'auth/', '-auth', 'a..b', 'redis:7:8'])('%j is no image', (text) =>
  expect(parseImageReference(text)).toBeUndefined())
