import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { casesOf } from '@pilot/core/testing'
import { openHome } from '@pilot/host'
import { createClient, type Client } from '@pilot/server/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program } from '../driver/pilot.ts'
import { openBench, type Bench, type LiveApp } from './bench.ts'

/**
 * Cancelled in each phase: what the job started is gone, whatever it does against that. The goal is 2 s, which a busy machine may
 * not keep; each takes well below 10 s, and the times are printed.
 */
const withinMs = 10_000

let bench: Bench
let app: LiveApp
let client: Client
const times: string[] = []
beforeAll(async () => {
  bench = await openBench({ runtime: 'process' })
  app = await bench.live('shop')
  client = createClient({ socketPath: (await openHome(bench.pilot.home)).paths.serverSocket, by: 'ada@test' })
})
afterAll(async () => {
  console.log(`cancelled, until nothing of it is left:\n${times.join('\n')}`)
  client?.close()
  await bench?.[Symbol.asyncDispose]()
})

/** Ignores SIGTERM and SIGHUP, and has a child in a session of its own that does too. Both carry the word by which they are found. */
const stubborn = (word: string): string => `
const hold = "for (const name of ['SIGTERM', 'SIGHUP', 'SIGINT']) process.on(name, () => {}); setInterval(() => {}, 1000); process.title = '${word}!'"
require('node:child_process').spawn(process.execPath, ['-e', hold], { detached: true, stdio: 'inherit' }).unref()
eval(hold)
`
const manifest = (more: string): string => `project: shop\napps:\n  web: { health: { path: /, grace: 60s }${more} }\n`

const staged = (word: string): Readonly<Record<string, string>> => ({ 'package.json': `{ "name": "app", "scripts": { "start": "node server.js ${word}" } }` })

/** What makes an `up` stay in each phase. */
const phases: Readonly<Record<string, (word: string) => Readonly<Record<string, string>>>> = {
  'build': (word) => ({ 'package.json': `{ "name": "app", "scripts": { "build": "node hold.js ${word}", "start": "node server.js" } }`, 'hold.js': stubborn(word) }),
  'hook before build': (word) => ({ 'pilot.yaml': manifest(`, hooks: { before-build: node hold.js ${word} }`), 'hold.js': stubborn(word) }),
  'deploy': (word) => ({ 'package.json': `{ "name": "app", "scripts": { "start": "node hold.js ${word}" } }`, 'hold.js': stubborn(word) }),
  'release command': (word) => ({ 'pilot.yaml': manifest(`, release: node hold.js ${word}`), 'hold.js': stubborn(word) }),
  'hook before deploy': (word) => ({ 'pilot.yaml': manifest(`, hooks: { before-deploy: node hold.js ${word} }`), 'hold.js': stubborn(word) }),
  // What is staged by then goes too.
  'hook after deploy': (word) => ({ ...staged(word), 'pilot.yaml': manifest(`, hooks: { after-deploy: node hold.js ${word} }`), 'hold.js': stubborn(word) }),
  'hook before release': (word) => ({ ...staged(word), 'pilot.yaml': manifest(`, hooks: { before-release: node hold.js ${word} }`), 'hold.js': stubborn(word) }),
}

for (const [phase, filesOf] of casesOf(Object.entries(phases), 5)) {
  test(`cancelled in the ${phase}: nothing of it is left, what ran goes on`, async () => {
    const word = newWord()
    const expected = await app.answer()
    const old = await app.change(filesOf(word))
    const up = begin(['up'])
    await held(word)
    const id = await operationOf()
    const error = await cancelled(id, phase, word)
    expect(error).toMatchObject({ state: 'cancelled', error: { code: 'CANCELLED' } })
    expect(await up).toBe(130)
    expect(await app.answer()).toBe(expected)
    await old()
    await app.recovers()
  })
}

test('cancelled while an old version drains: the new one is live, and the operation ends', async () => {
  const word = newWord()
  const old = await app.change({ 'package.json': `{ "name": "app", "scripts": { "start": "node server.js ${word}" } }`, 'server.js': `require('http').createServer((request, response) => { response.write('x'); if (request.url !== '/slow') response.end(require('fs').readFileSync('version.txt', 'utf8')) }).listen(process.env.PORT)\n` })
  await app.run(['up'])
  const { hostname, port } = new URL(app.url)
  const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => socket.write(`GET /slow HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`))
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('data', resolve))
  await old()
  const expected = await app.nextVersion()
  const up = begin(['up'])
  await expect.poll(() => app.answer(), { timeout: 60_000 }).toBe(expected)
  const id = await operationOf()
  const started = performance.now()
  expect(await withWord(word)).not.toEqual([])
  await client.request('cancelOperation', { params: { id } })
  await gone('drain', word, started)
  const ended = await end(id)
  expect(ended).toMatchObject({ state: 'cancelled', error: { code: 'CANCELLED' } })
  expect(performance.now() - started).toBeLessThan(withinMs)
  await up
  expect(await app.answer()).toBe(expected)
  socket.destroy()
  await app.recovers()
})

test('a one-off command whose connection is cut: nothing of it is left', async () => {
  const word = newWord()
  const leave = new AbortController()
  const command = ['node', '-e', stubborn(word)]
  const session = client.session('runSession', { project: 'shop', app: 'web', environment: 'production' }, { command, output: () => {}, signal: leave.signal }).catch(() => {})
  await held(word)
  const started = performance.now()
  leave.abort()
  await session
  await gone('one-off command', word, started)
  await app.recovers()
})

async function cancelled(id: string, phase: string, word: string) {
  const started = performance.now()
  await client.request('cancelOperation', { params: { id } })
  await gone(phase, word, started)
  const ended = await end(id)
  expect(performance.now() - started).toBeLessThan(withinMs)
  return ended
}

async function end(id: string) {
  for await (const _ of client.events(id));
  return client.request('operation', { params: { id } })
}

async function operationOf(): Promise<string> {
  const { jobs } = await client.request('jobs', { query: { state: 'running' } })
  expect(jobs).toHaveLength(1)
  return jobs[0]!.operation
}

async function gone(phase: string, word: string, started: number): Promise<void> {
  while ((await withWord(word)).length > 0) {
    if (performance.now() - started > withinMs) throw new Error(`Left in ${phase}: ${(await withWord(word)).join(', ')}`)
    await sleep(20)
  }
  times.push(`${phase} ${Math.round(performance.now() - started)} ms`)
}

/** Both hold on: the title that they have taken says so. */
async function held(word: string): Promise<void> {
  await expect.poll(async () => (await withWord(word, (line) => line.startsWith(`${word}!`))).length, { timeout: 60_000, interval: 50 }).toBe(2)
}

/** Processes that have it in their command line. */
async function withWord(word: string, isIt = (line: string) => line.includes(word)): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(pids.map(async (pid) => ({ pid, line: await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '') })))
  return lines.filter(({ line }) => isIt(line)).map(({ pid }) => pid)
}

const newWord = (): string => `held${randomBytes(6).toString('hex')}`

/** Its exit code. */
function begin(words: readonly string[]): Promise<number | null> {
  const child = spawn(process.execPath, [...program, ...words], { cwd: app.dir, env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PILOT_HOME: bench.pilot.home, NO_COLOR: '1' }, stdio: 'ignore' })
  return new Promise((resolve) => child.once('exit', (code) => resolve(code)))
}
