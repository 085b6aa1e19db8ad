import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArtifactReference, DeploymentSpec, LogLine, PilotError } from '@pilot/core'
import { hasOwnUsers } from './process/isolation.ts'
import { defaultHealth, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

let platform: LocalPlatform

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
})
afterAll(() => platform?.stop())

const packageJson = (more: object = {}): string => JSON.stringify({ name: 'app', version: '1.0.0', scripts: { start: 'node server.js' }, ...more })
const server = `const http = require('http'), fs = require('fs')
http.createServer((request, response) => {
  console.log(request.method + ' ' + request.url)
  const attempt = (work) => { try { work(); return 'done' } catch (error) { return error.code } }
  const write = { change: attempt(() => fs.openSync(__filename, 'r+')), add: attempt(() => fs.writeFileSync(__dirname + '/x', '')) }
  response.end(JSON.stringify({ uid: process.getuid(), home: process.env.HOME, word: process.env.WORD, keys: Object.keys(process.env).sort(), write }))
}).listen(process.env.PORT, '127.0.0.1', () => console.log('ready'))`

async function build(name: string, files: Record<string, string>, { signal = noSignal(), log = [] as string[] } = {}): Promise<ArtifactReference> {
  const builder = platform.provider.builders.find(({ target }) => target === 'process')!
  return builder.build({ app: platform.app(name).identity, ...sourceOf(files), args: {}, signal, log: (line) => log.push(line) })
}

async function deploy(name: string, deployment: string, artifact: ArtifactReference, more: Partial<DeploymentSpec> = {}) {
  const { identity, engine } = platform.app(name)
  const compute = platform.provider.compute.process!
  const app = compute.app({ app: identity, hostLabel: `${name}.shop` })
  const staged = compute.deployment({ app: identity, deployment, artifact, env: {}, health: defaultHealth, memoryBytes: 256 * 1024 ** 2, cpu: 0.5, instances: 1, appOutputs: app.outputs, ...more })
  const traffic = compute.traffic({ app: identity, hostLabel: `${name}.shop`, weights: [{ deployment, percent: 100, outputs: staged.outputs }], domains: [], appOutputs: app.outputs })
  return engine.apply([...app.resources, ...staged.resources, ...traffic.resources])
}

describe('an app as a process', () => {
  test('runs with its own environment and answers through the edge', async () => {
    const outputs = await deploy('web', 'd1', await build('web', { 'package.json': packageJson(), 'server.js': server }), { env: { WORD: 'hello' } })
    const answer = (await (await fetch(outputs['traffic']!['fallbackUrl'] as string)).json()) as { uid: number; home: string; word: string; keys: string[]; write: object }
    // Under a user of its own an app can write nothing where it lies. Otherwise it runs as the owner of its artifact: files are closed, folders are not.
    expect(answer).toMatchObject({ word: 'hello', write: { change: 'EACCES', add: hasOwnUsers() ? 'EACCES' : 'done' } })
    expect(answer.keys.filter((key) => !['HOME', 'HOST', 'LANG', 'NODE_ENV', 'PYTHONUNBUFFERED', 'PATH', 'PORT', 'TMPDIR', 'TZ', 'WORD', 'PILOT_SERVICE'].includes(key))).toEqual([])
    const account = outputs['user'] as { uid: number | null; folder: string }
    expect(answer.home).toBe(account.folder)
    if (process.getuid!() === 0) {
      expect(answer.uid).toBe(account.uid)
      expect(account.uid).toBeGreaterThan(0)
      expect(statSync(account.folder).mode & 0o777).toBe(0o700)
    }
    const stored = await readFile(join(platform.home.paths.services, `${platform.app('web').engine.id('deployment/d1/process-0')}.json`), 'utf8')
    expect(stored).not.toContain('hello')

    const compute = platform.provider.compute.process!
    expect(await compute.status({ app: platform.app('web').identity, signal: noSignal() })).toMatchObject([{ deployment: 'd1', state: 'running', restarts: 0 }])
    const all: LogLine[] = []
    for await (const line of compute.logs!({ app: platform.app('web').identity, signal: noSignal() })) all.push(line)
    expect(all.map(({ text }) => text)).toEqual(expect.arrayContaining(['ready', 'GET /']))
    const after: string[] = []
    for await (const { text } of compute.logs!({ app: platform.app('web').identity, cursor: all[0]!.cursor, signal: noSignal() })) after.push(text)
    expect(after).toEqual(all.slice(1).map(({ text }) => text))
    const last: string[] = []
    for await (const { text } of compute.logs!({ app: platform.app('web').identity, tail: 1, signal: noSignal() })) last.push(text)
    expect(last).toEqual([all.at(-1)!.text])
  })

  test('is unhealthy when it ends, with exit code and last lines', async () => {
    const error = (await deploy('ends', 'd1', await build('ends', { 'package.json': packageJson(), 'server.js': `console.error('no database'); process.exit(3)` })).catch((error: unknown) => error)) as PilotError
    expect(error).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('exit code 3'), details: { exitCode: 3, log: expect.arrayContaining(['no database']) } })
  })

  test('is told to listen on $PORT when it listens elsewhere', async () => {
    const artifact = await build('elsewhere', { 'package.json': packageJson(), 'server.js': `require('http').createServer((q, r) => r.end('x')).listen(0, '127.0.0.1')` })
    const error = (await deploy('elsewhere', 'd1', artifact, { health: { ...defaultHealth, graceMs: 2_500 } }).catch((error: unknown) => error)) as PilotError
    expect(error).toMatchObject({ code: 'WRONG_PORT', suggestion: expect.stringContaining('PORT') })
  })

  test('leaves nothing when it is deleted', async () => {
    const outputs = await deploy('gone', 'd1', await build('gone', { 'package.json': packageJson(), 'server.js': server }))
    const { engine } = platform.app('gone')
    const [service, user] = [engine.id('deployment/d1/process-0'), engine.id('user')]
    await engine.destroy()
    expect(await readFile('/etc/passwd', 'utf8')).not.toContain(user)
    expect(existsSync((outputs['user'] as { folder: string }).folder)).toBe(false)
    expect(existsSync(join(platform.home.paths.logs, `${service}.log`))).toBe(false)
    await expect(fetch(outputs['deployment/d1/process-0']!['address'] as string)).rejects.toThrow()
  })
})

test('deleting an older artifact leaves the app that runs a newer one alone', async () => {
  const builder = platform.provider.builders.find(({ target }) => target === 'process')!
  const [old, live] = [await build('kept', { 'package.json': packageJson(), 'server.js': server }), await build('kept', { 'package.json': packageJson(), 'server.js': server })]
  const outputs = await deploy('kept', 'd2', live)
  await builder.remove!(old, noSignal())
  // What runs is never taken away, whoever asks for it.
  await expect(builder.remove!(live, noSignal())).rejects.toMatchObject({ code: 'BLOCKED' })
  expect([existsSync(old.location), await builder.exists(live, noSignal())]).toEqual([false, true])
  expect((await fetch(outputs['traffic']!['fallbackUrl'] as string)).status).toBe(200)
  await platform.app('kept').engine.destroy()
  await builder.remove!(live, noSignal())
  expect(existsSync(live.location)).toBe(false)
})

test('a destroy ends whatever runs as the app’s user', async ({ skip }) => {
  skip(!hasOwnUsers(), 'this needs root (on Linux): only then an app has a user of its own')
  const outputs = await deploy('strays', 'd1', await build('strays', { 'package.json': packageJson(), 'server.js': server }))
  const { uid, gid } = outputs['user'] as { uid: number; gid: number }
  // In no group and without any mark: it ignores SIGTERM, and starts another one as often as it can.
  const stray = spawn(process.execPath, ['-e', `process.on('SIGTERM', () => {}); setInterval(() => require('child_process').spawn('/bin/sleep', ['100'], { detached: true, stdio: 'ignore' }), 20)`], { uid, gid, cwd: '/', env: {}, stdio: 'ignore' })
  await new Promise((resolve) => stray.once('spawn', resolve))
  const ended = new Promise((resolve) => stray.once('exit', (_, signal) => resolve(signal)))
  const { engine } = platform.app('strays')
  const user = engine.id('user')
  await engine.destroy()
  expect(await ended).toBe('SIGKILL')
  expect(await readFile('/etc/passwd', 'utf8')).not.toContain(user)
})

describe('building a process', () => {
  test('the same source is built once, and a failed build says why and leaves nothing', async () => {
    const files = { 'package.json': packageJson({ scripts: { build: 'node build.js', start: 'node server.js' } }), 'server.js': server, 'build.js': `require('fs').writeFileSync('built.txt', String(process.getuid())); console.log('building')` }
    const builder = platform.provider.builders.find(({ target }) => target === 'process')!
    const call = { app: platform.app('built').identity, ...sourceOf(files), args: {}, signal: noSignal() }
    const log: string[] = []
    const first = await builder.build({ ...call, log: (line) => log.push(line) })
    expect(log).toEqual(expect.arrayContaining(['$ npm run build', 'building']))
    if (process.getuid!() === 0) expect(await readFile(join(first.location, 'built.txt'), 'utf8')).not.toBe('0')
    const again: string[] = []
    expect(await builder.build({ ...call, log: (line) => again.push(line) })).toEqual(first)
    expect(again).toEqual([])

    const error = (await build('broken', { ...files, 'build.js': `console.error('type error in x'); process.exit(7)` }).catch((error: unknown) => error)) as PilotError
    expect(error).toMatchObject({ code: 'BUILD_FAILED', reason: 'exit code 7', details: { exitCode: 7, log: expect.arrayContaining(['type error in x']) } })
    await builder.remove!(first, noSignal())
    expect(await builder.exists(first, noSignal())).toBe(false)
  })

  test('a cancel ends what the build started', async () => {
    const controller = new AbortController()
    const log: string[] = []
    const building = build('slow', { 'package.json': packageJson({ scripts: { build: 'node build.js', start: 'node server.js' } }), 'build.js': `console.log('pid ' + process.pid); setInterval(() => {}, 1000)` }, { signal: controller.signal, log })
    while (!log.some((line) => line.startsWith('pid '))) await new Promise((resolve) => setTimeout(resolve, 20))
    controller.abort()
    await expect(building).rejects.toThrow()
    const pid = Number(log.find((line) => line.startsWith('pid '))!.slice(4))
    // One that has ended may wait for whoever inherited it to look.
    expect(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).toBe('')
  })
})
