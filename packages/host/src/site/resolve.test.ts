import { expect, test } from 'vitest'
import { isHashed, resolveSite } from './resolve.ts'
import type { SiteIndex } from './site-index.ts'

const file = { size: 1, hash: 'aa', type: 'text/html; charset=utf-8' }
const index = (...paths: string[]): SiteIndex => ({ version: 1, files: Object.fromEntries(paths.map((path) => [path, file])) })
const site = index('/index.html', '/about.html', '/docs/index.html', '/404.html', '/a b.txt', '/ü.txt')

test.each([
  ['/', '/index.html'],
  ['/index.html', '/index.html'],
  ['/about', '/about.html'],
  ['/about?x=/y', '/about.html'],
  ['/docs/', '/docs/index.html'],
  ['/a%20b.txt', '/a b.txt'],
  ['/%C3%BC.txt', '/ü.txt'],
])('%s is %s', (target, path) => {
  expect(resolveSite(site, { target })).toMatchObject({ kind: 'file', path, status: 200 })
})

test('a folder without its slash is sent to where its relative links work', () => {
  expect(resolveSite(site, { target: '/docs?a=1' })).toEqual({ kind: 'redirect', to: '/docs/?a=1' })
  expect(resolveSite(index('//evil.example/index.html', '/evil.example/index.html'), { target: '//evil.example' })).toMatchObject({ to: '/evil.example/' })
})

test.each(['/../secret', '/%2e%2e/secret', '/__proto__', '/constructor', '/nothing'])('%s is not there', (target) => {
  expect(resolveSite(site, { target })).toMatchObject({ kind: 'file', path: '/404.html', status: 404 })
  expect(resolveSite(index('/index.html'), { target })).toEqual({ kind: 'missing' })
})

test('what is no path is refused', () => {
  expect([resolveSite(site, { target: '/%' }), resolveSite(site, { target: '/a%00b' })]).toEqual([{ kind: 'bad' }, { kind: 'bad' }])
})

test('an app that routes by itself gets its page for pages, and never for files or data', () => {
  const spa = { spa: true }
  expect(resolveSite(site, { target: '/orders/4711', accept: 'text/html,*/*' }, spa)).toMatchObject({ path: '/index.html', status: 200 })
  expect(resolveSite(site, { target: '/assets/old-1234abcd.js', accept: '*/*' }, spa)).toMatchObject({ path: '/404.html', status: 404 })
  expect(resolveSite(site, { target: '/orders/4711', accept: 'application/json' }, spa)).toMatchObject({ path: '/404.html', status: 404 })
})

test('the smallest form that the client takes', () => {
  const packed: SiteIndex = { version: 1, files: { '/a.js': { ...file, encodings: ['br', 'gzip'] } } }
  const encoding = (acceptEncoding: string) => (resolveSite(packed, { target: '/a.js', acceptEncoding }) as { encoding?: string }).encoding
  expect([encoding('gzip, deflate, br'), encoding('gzip'), encoding('br;q=0, gzip'), encoding('*'), encoding('identity'), encoding('')]).toEqual(['br', 'gzip', 'gzip', 'br', undefined, undefined])
})

test.each([
  ['/assets/index-DiwrgTda.js', false],
  ['/assets/index-D1wrgTda.js', true],
  ['/main.3f9a1c2b.css', true],
  ['/jquery-3.7.1.js', false],
  ['/my-component.js', false],
  ['/2024-01-02.html', false],
])('%s carries a hash: %s', (path, hashed) => {
  expect(isHashed(path)).toBe(hashed)
})
