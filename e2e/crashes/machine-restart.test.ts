import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openHome, type Home } from '@pilot/host'
import { createClient } from '@pilot/server/client'
import type { StatusView } from '@pilot/server/contract'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'
import { openEngine, whyNoOwnEngine, type OwnEngine } from '../environments/own-engine.ts'
import { changesBetween, inventoryOf, processesOf, type Place } from './inventory.ts'
import { kill } from './victims.ts'

/**
 * The machine goes off and on again: all processes of a home at once, and Docker, an engine of the test's own. One story. That nobody has to
 * type anything where the server is installed as a service is `scenarios/systemd.test.ts`'s.
 */
const reason = await whyNoOwnEngine()
let engine: OwnEngine
let pilot: Pilot
let home: Home
let place: Place
let urls: Readonly<Record<string, string>>
let usual: readonly string[]

/** Answers only when its database does: PostgreSQL says one letter to whoever asks for TLS. */
const server = `const { createServer } = require('node:http')
const { connect } = require('node:net')
const { hostname, port } = new URL(process.env.DATABASE_URL)
const question = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
createServer((request, response) => {
  const end = (status, text) => { socket.destroy(); response.writeHead(status).end(text) }
  const socket = connect({ host: hostname, port: Number(port), timeout: 5000 }, () => socket.write(question))
  socket.once('data', (answer) => end('NS'.includes(String(answer)) ? 200 : 503, 'with its database'))
  socket.once('timeout', () => end(503, 'the database is silent'))
  socket.once('error', (error) => end(503, error.message))
}).listen(Number(process.env.PORT ?? 3000), process.env.HOST)
`
const manifest = `project: notes
apps:
  web: { source: ./web, database: postgres, health: / }
  plain: { source: ./plain, target: process, database: postgres, health: / }
`

beforeAll(async () => {
  if (reason !== undefined) return
  engine = await openEngine()
  // The helpers of this file look where it says.
  process.env['DOCKER_HOST'] = engine.host
  await ensureBaseImages(['node:24-slim'])
  pilot = await openPilot({ env: { DOCKER_HOST: engine.host }, through: engine.inside })
  const folder = join(pilot.folder, 'notes')
  for (const app of ['web', 'plain']) {
    await mkdir(join(folder, app), { recursive: true })
    await writeFile(join(folder, app, 'server.js'), server)
  }
  await writeFile(join(folder, 'web/Dockerfile'), 'FROM node:24-slim\nCOPY server.js /\nUSER node\nEXPOSE 3000\nCMD ["node", "/server.js"]\n')
  await writeFile(join(folder, 'plain/package.json'), '{ "scripts": { "start": "node server.js" } }')
  await writeFile(join(folder, 'plain/package-lock.json'), '{ "lockfileVersion": 3, "packages": {} }')
  await writeFile(join(folder, 'pilot.yaml'), manifest)
  await pilot.ok(['up', folder, '--yes'])
  home = await openHome(pilot.home)
  const status = await statusOf()
  place = { home, platformId: status.platforms[0]!.id, temporary: join(pilot.folder, 'none') }
  urls = Object.fromEntries(status.apps.map((app) => [app.status.app.app, app.status.fallbackUrl!]))
  usual = await inventoryOf(place)
})
afterAll(async () => {
  await pilot?.[Symbol.asyncDispose]()
  await engine?.[Symbol.asyncDispose]()
})
beforeEach(({ skip }) => skip(reason !== undefined, reason))

test('a restart of Docker alone: the app is back without anybody, and its database with it', async () => {
  await engine.stop()
  const [web] = await appsOf('web')
  expect(web).toMatchObject({ problem: { code: expect.any(String), suggestion: expect.stringMatching(/docker/i) } })
  expect(await ask('plain')).toBe('200 with its database')
  await engine.start()
  await everythingIsBack()
})

test('switched off in the middle of everything: what starts nothing says that nothing runs, and which command brings it back', async () => {
  kill(processesOf(home).map(({ pid }) => pid))
  await engine.losePower()
  const status = await pilot.ok(['server', 'status'])
  expect(status.stdout).toContain('Nothing of this home runs; `pilot server start` brings everything back')
  const { running, services } = (await pilot.ok(['server', 'status', '--json'])).json<{ running: boolean; services: { state: string; pid?: number }[] }>()
  expect([running, services.filter(({ state, pid }) => state !== 'stopped' || pid !== undefined)]).toEqual([false, []])
  expect(processesOf(home)).toEqual([])
})

test('while Docker is still away, status shows what is back and what is not, and why', async () => {
  await pilot.ok(['server', 'start'])
  await answers('plain')
  const [web] = await appsOf('web')
  expect(web).toMatchObject({ problem: { message: expect.any(String), suggestion: expect.stringMatching(/docker/i) } })
  expect((await pilot.ok(['status', '-p', 'notes'])).stdout).toMatch(/docker/i)
})

test('once Docker is there, everything is as it was', async () => {
  await engine.start()
  await everythingIsBack()
})

test('Docker first, then one command: everything is as it was', async () => {
  kill(processesOf(home).map(({ pid }) => pid))
  await engine.losePower()
  await engine.start()
  await pilot.ok(['status', '-p', 'notes'])
  await everythingIsBack()
})

test('and the next up finds that nothing changed', async () => {
  const up = await pilot.ok(['up', join(pilot.folder, 'notes'), '--yes'])
  expect(up.stderr).toMatch(/unchanged|nothing changed/i)
})

async function statusOf(): Promise<StatusView> {
  const client = createClient({ socketPath: (await openHome(pilot.home)).paths.serverSocket })
  try {
    return await client.request('status')
  } finally {
    client.close()
  }
}

/** From inside the network of the engine. */
async function ask(name: string): Promise<string> {
  const program = 'fetch(process.argv[1]).then(async (answer) => console.log(answer.status, await answer.text()), (error) => console.log(error.cause?.code))'
  const [command, ...args] = [...engine.inside, process.execPath, '-e', program, urls[name]!]
  return (await promisify(execFile)(command!, args)).stdout.trim()
}

const appsOf = async (name: string): Promise<StatusView['apps']> => (await statusOf()).apps.filter(({ status }) => status.app.app === name)
async function answers(name: string): Promise<void> {
  await expect.poll(() => ask(name), { timeout: 60_000 }).toBe('200 with its database')
}

async function everythingIsBack(): Promise<void> {
  await Promise.all(Object.keys(urls).map(answers))
  await expect.poll(async () => (await statusOf()).apps.map(({ status, problem }) => [status.app.app, status.state, problem]).sort(), { timeout: 30_000 }).toEqual([['plain', 'live', undefined], ['web', 'live', undefined]])
  await expect.poll(async () => changesBetween(usual, await inventoryOf(place)), { timeout: 30_000 }).toEqual([])
}
