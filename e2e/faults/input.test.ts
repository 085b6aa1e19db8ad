import { inCampaign } from '@pilot/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openBench, type Bench, type Fault, type LiveApp } from './bench.ts'

/** Bad builds, manifests, sources and values. What each package says of them is tried there; here that all of it reaches the user, and that nothing else happens. */
let bench: Bench
let app: LiveApp
beforeAll(async () => {
  bench = await openBench({ runtime: 'process' })
  app = await bench.live('shop')
})
afterAll(() => bench?.[Symbol.asyncDispose]())

const built = (script: string): Record<string, string> => ({ 'package.json': JSON.stringify({ name: 'app', version: '1.0.0', scripts: { build: 'node build.js', start: 'node server.js' } }), 'build.js': script })
const laughs = ['a: &a [x,x,x,x,x,x,x,x,x]', ...[...'bcdefghij'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghij'[index]}`).join(',')}]`)].join('\n')

const cases: Readonly<Record<string, Fault>> = {
  'a build that fails, with escape sequences and bytes that are no text': {
    files: built(`process.stdout.write(Buffer.from('\\x1b]0;owned\\x07\\x1b]52;c;aGk=\\x07\\x1b[2J\\xff\\xfe\\x00 binary\\n', 'latin1')); console.error('\\x1b[31mbroken\\x1b[0m'); process.exit(7)`),
    code: 'BUILD_FAILED', exit: 1, says: [/exit code 7/], person: true,
  },
  'a package.json that is none': { files: { 'package.json': '{ "name": ' }, code: 'NOTHING_DETECTED', exit: 2, says: [/package\.json/] },
  'a manifest of wrong types': { files: { 'pilot.yaml': 'project: shop\napps:\n  web: { memory: [], prot: 1 }\n' }, early: true, code: 'MANIFEST_INVALID', exit: 2, says: [/pilot\.yaml:3:18/, /pilot\.yaml:3:22: Unknown key `prot`.*did you mean `port`/], person: true },
  'a manifest that explodes': { files: { 'pilot.yaml': `project: shop\n${laughs}\n` }, early: true, code: 'MANIFEST_INVALID', exit: 2, says: [/Aliases expand to too much/] },
  'a manifest of 10 MB': { files: { 'pilot.yaml': `project: shop\n${'# long\n'.repeat(1_500_000)}` }, early: true, code: 'MANIFEST_INVALID', exit: 2, says: [/larger than 256 KB/] },
  'a manifest with a key twice': { files: { 'pilot.yaml': 'project: shop\napps: { web: {} }\napps: { web: {} }\n' }, early: true, code: 'MANIFEST_INVALID', exit: 2, says: [/`apps` stands twice \(first in line 2\)/] },
  'a manifest that is empty': { files: { 'pilot.yaml': '' }, early: true, code: 'MANIFEST_INVALID', exit: 2, says: [/empty/] },
  'a variable of 200 KB': { files: { 'pilot.yaml': `project: shop\napps:\n  web: { env: { BIG: ${'x'.repeat(200_000)} } }\n` }, early: true, code: 'MANIFEST_INVALID', exit: 2, says: [/apps\.web\.env\.BIG/, /127 KB/] },
  'env set with a bad name': { words: ['env', 'set', '1A=x'], early: true, code: 'USAGE', exit: 2, says: [/1A/, /not beginning with a digit/] },
}

test.for(Object.entries(cases))('%s', async ([, fault]) => void (await app.fault(fault)))

test('after all of them the next up works', () => app.recovers())

test('values arrive as they were given: lines, quotes, dollars, 64 KB', async () => {
  const values = { LINES: 'a\nb\r\n\nc\n', QUOTES: `it's "so" \`id\``, DOLLARS: '$HOME ${X} $(id) %PATH% \\$', LONG: 'ü'.repeat(32 * 1024), EMPTY: '', ESCAPES: '\u001b[31m' }
  await app.write({ 'server.js': `require('http').createServer(({ url }, response) => response.end(url === '/env' ? JSON.stringify(process.env) : require('fs').readFileSync('version.txt', 'utf8'))).listen(process.env.PORT)\n` })
  await app.recovers()
  const set = await app.run(['env', 'set', 'web', ...Object.entries(values).map(([key, value]) => `${key}=${value}`)])
  expect(set.code, set.stderr).toBe(0)
  const secret = await app.run(['secret', 'set', 'web', 'PEM'], { input: '-----BEGIN\n$a "b"\nEND\n\n' })
  expect(secret.code, secret.stderr).toBe(0)
  const got = JSON.parse((await (await fetch(new URL('/env', app.url))).text())) as Record<string, string>
  expect(got).toMatchObject({ ...values, PEM: '-----BEGIN\n$a "b"\nEND\n' })
  const listed = await app.run(['env', 'list', 'web'])
  expect(listed.stdout).not.toContain('\u001b')
  for (const [key, value] of [['BIG', 'x'.repeat(140_000)]] as const) {
    const refused = await app.run(['secret', 'set', 'web', key], { input: value })
    expect(refused.code).toBe(2)
    expect(refused.stderr.replaceAll(/\s+/g, ' ')).toContain('more than the 128 KB that an environment variable can have')
  }
  await app.recovers()
})

test('a build that prints 200 MB, most of it in one line, ends in time, and its log is kept in bounds', async () => {
  await app.write(built(`const chunk = 'x'.repeat(1 << 20); for (let i = 0; i < ${inCampaign({ full: 200, short: 40 })}; i++) require('fs').writeSync(1, chunk); for (let i = 0; i < 20000; i++) console.log('line', i, 'y'.repeat(100)); require('fs').writeFileSync('built.txt', 'done')`))
  await app.recovers()
})
