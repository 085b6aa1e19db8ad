import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'

/** The main job with containers, as one story: each test goes on where the one before stopped. */
let pilot: Pilot
let todo: string
let url: string

beforeAll(async () => {
  pilot = await openPilot()
  todo = await pilot.example('todo')
})
afterAll(() => pilot?.[Symbol.asyncDispose]())
beforeEach(needsDocker)

test('one command goes from a folder to a live URL, with platform and database', async () => {
  await ensureBaseImages(['node:24-slim'])
  const up = await pilot.ok(['up', todo, '--yes'])
  url = up.last
  expect(up.stderr).toContain('There is no platform yet')
  expect(await get(url, '/healthz')).toMatchObject({ status: 200 })
})

test('the app keeps its data in its database', async () => {
  const added = await get(url, '/api/todos', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: 'buy milk' }) })
  expect(added.status).toBe(201)
  expect((await get(url, '/api/todos')).text).toContain('buy milk')
})

test('a second up finds nothing to do, says so, and prints the same address alone on the last line', async () => {
  const again = await pilot.ok(['up', todo])
  expect(again.last).toBe(url)
  expect(again.stderr).toMatch(/unchanged|nothing changed/i)
  expect((await pilot.ok(['releases', '-C', todo, '--json'])).json<{ releases: unknown[] }>().releases).toHaveLength(1)
})

test('env set releases at once, and rollback goes back', async () => {
  await pilot.ok(['env', 'set', 'GREETING=hello', '-C', todo])
  const { releases } = (await pilot.ok(['releases', '-C', todo, '--json'])).json<{ releases: { kind: string }[] }>()
  expect(releases[0]).toMatchObject({ kind: 'configuration' })
  await pilot.ok(['rollback', '-C', todo])
  expect((await get(url, '/api/todos')).text).toContain('buy milk')
})

test('a release that is not healthy ends with exit code 4 and leaves the running one alone', async () => {
  const server = join(todo, 'src/server.js')
  const good = await readFile(server, 'utf8')
  await writeFile(server, `console.error('cannot find the config')\nprocess.exit(3)\n`)
  const failed = await pilot.run(['up', todo])
  await writeFile(server, good)
  expect(failed.code).toBe(4)
  expect(failed.stderr).toContain('cannot find the config')
  expect(failed.stderr).toMatch(/todo\/web \(v\d+\) stopped by itself/)
  expect((await get(url, '/api/todos')).text).toContain('buy milk')
})

test('the app answers while the server is killed, and the next command starts a new one', async () => {
  const { services } = (await pilot.ok(['server', 'status', '--json'])).json<{ services: { name: string; pid?: number }[] }>()
  process.kill(services.find(({ name }) => name === 'server')!.pid!, 'SIGKILL')
  expect((await get(url, '/healthz')).status).toBe(200)
  expect((await pilot.ok(['status', '-C', todo, '--json'])).json<{ apps: { status: { state: string } }[] }>().apps[0]?.status.state).toBe('live')
})

test('two services use each other under names that the platform gives', async () => {
  const example = await pilot.example('dockerfile')
  const up = await pilot.ok(['up', example])
  expect((await get(up.last)).text).toContain('<blockquote>')
})

test('a container sends to the queue of a function that it uses, and one that does not use it cannot', async () => {
  const folder = join(pilot.folder, 'mixed')
  for (const name of ['web', 'other', 'jobs']) await mkdir(join(folder, name), { recursive: true })
  const code = `require('http').createServer(async ({ url }, response) => {
    const to = url === '/' ? undefined : url === '/sent' ? process.env.JOBS_QUEUE_URL : decodeURIComponent(url.slice(1))
    const status = to && (await fetch(to, { method: 'POST', body: 'from ' + process.env.NAME, signal: AbortSignal.timeout(3000) }).then(({ status }) => status, () => 'unreachable'))
    response.end(JSON.stringify({ status, queue: process.env.JOBS_QUEUE_URL }))
  }).listen(8080)`
  for (const name of ['web', 'other']) {
    await writeFile(join(folder, name, 'Dockerfile'), `FROM node:24-slim\nENV NAME=${name}\nCOPY server.js .\nEXPOSE 8080\nCMD ["node", "server.js"]\n`)
    await writeFile(join(folder, name, 'server.js'), code)
  }
  await writeFile(join(folder, 'jobs/index.mjs'), `export const handler = async ({ Records }) => Records.forEach(({ body }) => console.log('took', body))`)
  await writeFile(join(folder, 'pilot.yaml'), 'project: mixed\napps:\n  web: { source: ./web, uses: [jobs] }\n  other: { source: ./other }\n  jobs: { source: ./jobs, function: { handler: index.handler, http: false, queue: true } }\n')
  const { last } = await pilot.ok(['up'], { cwd: folder })
  const sent = JSON.parse((await get(last, '/sent')).text) as { status: number; queue: string }
  expect(sent.status).toBe(202)
  await expect.poll(async () => (await pilot.ok(['logs', 'jobs'], { cwd: folder })).stdout, { timeout: 30_000, interval: 200 }).toContain('took from web')
  const { apps } = (await pilot.ok(['status', '--json'], { cwd: folder })).json<{ apps: { status: { app: { app: string }; fallbackUrl: string } }[] }>()
  const other = apps.find(({ status }) => status.app.app === 'other')!.status.fallbackUrl
  const refused = JSON.parse((await get(other, `/${encodeURIComponent(sent.queue)}`)).text) as { status: unknown; queue?: string }
  expect(refused.queue).toBeUndefined()
  expect(refused.status).not.toBe(202)
  await pilot.ok(['destroy', '--project', 'mixed', '--delete-data', '--yes'])
}, 120_000)

test('destroy keeps the data until told otherwise, and then leaves nothing', async () => {
  const kept = await pilot.ok(['destroy', 'web', '-C', todo, '--yes'])
  expect(kept.stdout + kept.stderr).toContain('database')
  await pilot.ok(['up', todo])
  expect((await get((await pilot.ok(['up', todo])).last, '/api/todos')).text).toContain('buy milk')
  await pilot.ok(['destroy', '--project', '-C', todo, '--yes', '--delete-data'])
  expect((await pilot.ok(['status', '-C', todo, '--json'])).json<{ apps: unknown[] }>().apps).toEqual([])
})
