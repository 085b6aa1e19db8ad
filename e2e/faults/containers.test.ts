import Docker from 'dockerode'
import { inCampaign } from '@pilot/core/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'
import { openBench, type Bench, type Fault, type LiveApp } from './bench.ts'

/** Versions of an app, and builds of it, that must not come live: as containers. */
let bench: Bench
let app: LiveApp
beforeEach(needsDocker)
beforeAll(async () => {
  if (!(await new Docker().ping().then(() => true, () => false))) return
  await ensureBaseImages(['node:24-slim'])
  bench = await openBench({ runtime: 'docker' })
  app = await bench.live('shop')
})
afterAll(() => bench?.[Symbol.asyncDispose]())

const manifest = (more: string) => `project: shop\napps:\n  web: { health: { path: /, grace: 10s }, ${more} }\n`
const http = (more: string, listen = '8080') => `${more}\nrequire('http').createServer((_, response) => response.end(require('fs').readFileSync('version.txt', 'utf8'))).listen(${listen})\n`
const dockerfile = (line: string) => `FROM node:24-slim\nCOPY . .\n${line}\nEXPOSE 8080\nCMD ["node", "server.js"]\n`

const cases: Readonly<Record<string, Fault>> = {
  'listens on 127.0.0.1 only': { files: { 'server.js': http('', `8080, '127.0.0.1'`), 'pilot.yaml': manifest('port: 8080').replace('10s', '3s') }, code: 'WRONG_PORT', exit: 4, says: [/listens on 127\.0\.0\.1:8080 only/, /from inside the container only/, /0\.0\.0\.0:8080/], person: true },
  'listens on another port': { files: { 'server.js': http('', '3111'), 'pilot.yaml': manifest('port: 8080').replace('10s', '3s') }, code: 'WRONG_PORT', exit: 4, says: [/port 3111, not on 8080/, /port: 3111/] },
  'eats all of its memory': { files: { 'server.js': `const all = []; setInterval(() => all.push(Buffer.alloc(16 << 20, 1)), 1)\n`, 'pilot.yaml': manifest('memory: 64Mi') }, code: 'UNHEALTHY', exit: 4, says: [/ran out of memory/, /Raise `memory:`/] },
  'has a Dockerfile that is no Dockerfile': { files: { Dockerfile: 'FORM node:24-slim\n' }, code: 'BUILD_FAILED', exit: 1, says: [/FORM|unknown instruction|no build stage/i] },
  'has a Dockerfile that is empty': { files: { Dockerfile: '' }, code: 'BUILD_FAILED', exit: 1, says: [/empty/i] },
  'names a Dockerfile that is not there': { files: { 'pilot.yaml': manifest('build: deploy/Dockerfile') }, code: 'SOURCE_UNREADABLE', exit: 1, says: [/holds no deploy\/Dockerfile/, /Correct `build:`/] },
  'prints what a terminal would obey, and fails to build': { files: { Dockerfile: dockerfile(`RUN printf '\\033]0;owned\\007\\033[2J\\377\\376 binary\\n'; exit 9`) }, code: 'BUILD_FAILED', exit: 1, says: [/exit code 9/], person: true },
}

test.for(Object.entries(cases))('one that %s', async ([, fault]) => void (await app.fault(fault)))

test('one that ignores SIGTERM is ended all the same, when its successor has the traffic', async () => {
  await app.write({ 'server.js': http(`process.on('SIGTERM', () => {})`) })
  await app.recovers()
  await app.recovers()
})

test('one that forks without end has its limit, and everything else goes on', async () => {
  const other = await bench.live('other')
  const old = await app.change({ 'server.js': http(`setInterval(() => { for (let i = 0; i < 100; i++) try { require('child_process').spawn('sleep', ['1000']).on('error', () => {}) } catch {} }, 20)`) })
  await app.run(['up'])
  expect(await other.answer()).toBe('1')
  expect((await other.run(['status', '--json'])).code).toBe(0)
  await old()
  await app.recovers()
})

test('one that floods its log fills no disk, and everything else goes on', async () => {
  const megabytes = inCampaign({ full: 1024, short: 120 })
  await app.write({ 'server.js': http(`let left = ${megabytes}; const line = 'x'.repeat(1023) + '\\n'; const more = () => { if (left-- > 0) process.stdout.write(line.repeat(1024), more); else console.log('all of it') }; setTimeout(more, 500)`) })
  await app.recovers()
  await expect.poll(async () => (await app.run(['logs', 'web', '-n', '5'])).stdout, { timeout: 300_000, interval: 500 }).toContain('all of it')
  const [container] = await new Docker().listContainers({ filters: { label: ['pilot.project=shop'] } })
  const { HostConfig: { LogConfig: { Config: limits } = {} } } = (await new Docker().getContainer(container!.Id).inspect()) as unknown as { HostConfig: { LogConfig?: { Config?: Record<string, string> } } }
  expect(Number(limits?.['max-size']) * Number(limits?.['max-file'])).toBeLessThanOrEqual(64 * 1024 ** 2)
  await app.recovers()
})
