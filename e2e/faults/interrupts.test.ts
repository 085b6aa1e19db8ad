import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program } from '../driver/pilot.ts'
import { openBench, outcome, type Bench, type LiveApp } from './bench.ts'

/** The user leaves, or types twice what was meant once. */
let bench: Bench
let app: LiveApp
beforeAll(async () => {
  bench = await openBench({ runtime: 'process' })
  app = await bench.live('shop')
})
afterAll(() => bench?.[Symbol.asyncDispose]())

const hold = 'setInterval(() => {}, 1000)\n'
const manifest = (more = '') => `project: shop\napps:\n  web: { health: { path: /, grace: 60s }${more} }\n`
/** Each phase of an `up` that goes on until somebody ends it. */
const phases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  build: { 'package.json': '{ "name": "app", "scripts": { "build": "node hold.js", "start": "node server.js" } }', 'hold.js': hold },
  deploy: { 'server.js': hold },
  'release command': { 'hold.js': hold, 'pilot.yaml': manifest(', release: node hold.js') },
}

for (const [phase, files] of Object.entries(phases)) {
  test(`Ctrl-C in the ${phase} cancels it: what ran goes on, nothing is left`, async () => {
    const old = await app.change(files)
    const running = await app.answer()
    const up = begin(['up', '--json'])
    await up.says(phase === 'build' ? /"phase":"build"/ : phase === 'deploy' ? /"local\/process"[^\n]*"waiting"/ : /process-task[^\n]*"waiting"/)
    up.interrupt()
    const ended = await up.ended
    expect({ code: ended.code, error: outcome(ended) }).toMatchObject({ code: 130, error: { code: 'CANCELLED' } })
    expect(await app.answer()).toBe(running)
    await old()
    await app.recovers()
  })
}

test('Ctrl-C twice leaves at once, says what goes on, and the next up works', async () => {
  const old = await app.change(phases['deploy']!)
  const up = begin(['up'])
  await up.says(/deploy/)
  up.interrupt()
  await up.says(/Cancelling/)
  up.interrupt()
  const ended = await up.ended
  expect(ended.code).toBe(130)
  await old()
  await app.recovers()
})

test('a closed terminal (SIGHUP) leaves the work to the server, and nothing of the command', async () => {
  const expected = await app.nextVersion()
  const up = begin(['up'])
  await up.says(/build/)
  process.kill(-up.child.pid!, 'SIGHUP')
  await up.ended
  await expect.poll(() => app.answer(), { timeout: 30_000 }).toBe(expected)
  await app.recovers()
})

test('two ups of one app at once both end, and the last one is live', async () => {
  const copy = join(bench.pilot.folder, 'second')
  await cp(app.dir, copy, { recursive: true })
  await app.nextVersion()
  await app.change({ 'package.json': '{ "name": "app", "scripts": { "build": "sleep 1", "start": "node server.js" } }' })
  const first = begin(['up'])
  await first.says(/build/)
  const second = begin(['up'], copy)
  const ends = await Promise.all([first.ended, second.ended])
  expect(ends.map(({ code }) => code), ends.map(({ stderr }) => stderr).join('\n')).toEqual([0, 0])
  expect(await app.answer()).toBe(await version(copy))
  await rm(copy, { recursive: true })
  await app.recovers()
})

test('an up during a rollback waits for it, and is live afterwards', async () => {
  const expected = await app.nextVersion()
  const back = begin(['rollback'])
  await back.says(/release/)
  const up = begin(['up'])
  const ends = await Promise.all([back.ended, up.ended])
  expect(ends.map(({ code }) => code), ends.map(({ stderr }) => stderr).join('\n')).toEqual([0, 0])
  expect(await app.answer()).toBe(expected)
  await app.recovers()
})

test('a project that was moved goes on; one whose folder is gone is destroyed by its name', async () => {
  const other = await bench.live('nomad')
  const moved = join(bench.pilot.folder, 'elsewhere')
  await rename(other.dir, moved)
  const up = await bench.pilot.ok(['up'], { cwd: moved })
  expect(up.last).toBe(other.url)
  expect(up.stderr).toMatch(/nothing changed|unchanged/i)
  await rm(moved, { recursive: true })
  expect((await bench.pilot.ok(['status', '-p', 'nomad'])).stdout).toContain('nomad')
  await bench.pilot.ok(['destroy', '--project', 'nomad', '--yes', '--delete-data'])
  await bench.settle()
  await app.recovers()
})

/** In a process group of its own, as a shell starts it: a signal reaches all that it has started. */
function begin(words: readonly string[], cwd = app.dir): { child: ChildProcess; says(text: RegExp): Promise<void>; interrupt(): void; ended: Promise<{ code: number; stdout: string; stderr: string; last: string; json<T>(): T }> } {
  const child = spawn(process.execPath, [...program, ...words], { cwd, env: { PATH: process.env['PATH'], HOME: process.env['HOME'], PILOT_HOME: bench.pilot.home, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name]!.on('data', (chunk) => (texts[name] += String(chunk)))
  const ended = new Promise<{ code: number; stdout: string; stderr: string; last: string; json<T>(): T }>((resolve) => child.once('close', (code) => resolve({ code: code ?? -1, ...texts, last: '', json: () => JSON.parse(texts.stdout) as never })))
  return {
    child,
    ended,
    async says(text) {
      await expect.poll(() => texts.stdout + texts.stderr, { timeout: 60_000, interval: 20 }).toMatch(text)
    },
    interrupt: () => void process.kill(-child.pid!, 'SIGINT'),
  }
}

const version = (dir: string) => new Promise<string>((resolve) => execFile('cat', [join(dir, 'version.txt')], (_error, stdout) => resolve(stdout)))
