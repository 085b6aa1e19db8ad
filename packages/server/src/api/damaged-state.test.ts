import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { listPlatforms, platformDir } from '@pilot/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

const api = { project: 'shop', app: 'api', environment: 'production' }
const scope = 'app/shop/api/production'

let server: TestServer
beforeAll(async () => {
  server = await testServer()
  await server.setup()
  await server.run(await upRequest(server.client, [definition('api'), definition('web')]))
})
afterAll(() => server[Symbol.asyncDispose]())

/** Cuts the newest version of a state off, as a broken disk would. Returns its number. */
async function damage(name: string): Promise<number> {
  const [platform] = await listPlatforms(server.home.dir)
  const folder = join(platformDir(server.home.dir, platform!.id), 'store', ...name.split('/'), 'state')
  const newest = (await readdir(folder)).filter((file) => /^\d+\.json$/.test(file)).sort().at(-1)!
  await writeFile(join(folder, newest), (await readFile(join(folder, newest), 'utf8')).slice(0, 60))
  return Number.parseInt(newest, 10)
}

test('a damaged state is shown as such, hides no other app, and can be gone back from', async () => {
  const { client } = server
  await server.run({ action: 'configure', app: api, set: { LOG_LEVEL: 'debug' } })
  const before = await client.request('stateHistory', { params: { scope } })
  const damaged = await damage(scope)

  const { apps } = await client.request('status')
  expect(apps.map(({ status, problem }) => [status.app.app, status.state, problem?.code])).toEqual([['api', 'unhealthy', 'STATE_CORRUPT'], ['web', 'live', undefined]])
  expect((await client.request('app', { params: api })).actions).toMatchObject({ restart: { allowed: false, reason: expect.stringContaining('cannot be read') } })
  expect(await server.run({ action: 'restart', app: api })).toMatchObject({ state: 'failed', error: { code: 'STATE_CORRUPT', suggestion: expect.stringContaining('`state restore VERSION`') } })

  const { scopes } = await client.request('scopes')
  expect(scopes.map(({ scope, problem }) => [scope, problem?.code])).toEqual([['platform', undefined], [scope, 'STATE_CORRUPT'], ['app/shop/web/production', undefined]])
  expect(scopes[1]).toMatchObject({ version: damaged, at: expect.any(String) })
  expect(await client.request('stateHistory', { params: { scope } })).toMatchObject({ versions: before.versions.map(({ version }) => ({ version })), resources: [], problem: { code: 'STATE_CORRUPT' } })
  await expect(client.request('restoreState', { params: { scope }, body: { version: damaged } })).rejects.toMatchObject({ code: 'STATE_CORRUPT' })

  // The last version but one is from the middle of the release: what it lacks is found by its marks.
  expect(await client.request('restoreState', { params: { scope }, body: { version: damaged - 1 } })).toEqual({ scope, version: damaged + 1 })
  expect(await client.request('stateHistory', { params: { scope } })).not.toHaveProperty('problem')
  expect(await server.run(await upRequest(client, [definition('api')]))).toMatchObject({ state: 'done' })
  expect((await client.request('app', { params: api })).status.state).toBe('live')
  expect(await server.cloud.violations()).toEqual([])
})

test('the platform\'s own damaged state hides no app', async () => {
  const { client } = server
  await client.request('restoreState', { params: { scope: 'platform' }, body: { version: 1 } })
  const damaged = await damage('platform')
  const status = await client.request('status')
  expect(status.platforms).toMatchObject([{ name: 'fake', state: 'unusable', problem: expect.stringContaining('cannot be read') }])
  expect(status.apps.map(({ status }) => [status.app.app, status.state])).toEqual([['api', 'live'], ['web', 'live']])
  await client.request('restoreState', { params: { scope: 'platform' }, body: { version: damaged - 1 } })
  expect(await server.run({ action: 'setup', provider: 'fake' })).toMatchObject({ state: 'done' })
  expect((await client.request('status')).platforms).toMatchObject([{ state: 'ready' }])
})

test('a platform whose record is damaged is shown with its file, and the others work', async () => {
  const { client } = server
  expect(await server.run({ action: 'setup', provider: 'fake', name: 'second', settings: { url: server.cloud.url } })).toMatchObject({ state: 'done' })
  const second = (await listPlatforms(server.home.dir)).find(({ name }) => name === 'second')!
  const file = join(platformDir(server.home.dir, second.id), 'platform.json')
  const whole = await readFile(file, 'utf8')
  await writeFile(file, whole.slice(0, 30))

  const status = await client.request('status')
  expect(status.platforms).toMatchObject([{ name: 'fake', state: 'ready' }, { name: second.id, state: 'unusable', problem: expect.stringContaining(file) }])
  expect(status.apps.map(({ status }) => status.app.app)).toEqual(['api', 'web'])
  expect((await client.request('scopes')).scopes.at(-1)).toMatchObject({ platform: second.id, problem: { code: 'HOME_UNUSABLE' } })
  expect((await client.request('doctor')).findings.length).toBeGreaterThan(0)
  expect(await server.run({ action: 'restart', app: api, platform: 'fake' })).toMatchObject({ state: 'done' })
  const refused = expect.objectContaining({ code: 'HOME_UNUSABLE', message: `${file} cannot be read` })
  await expect(client.request('startOperation', { body: { action: 'restart', app: api } })).rejects.toEqual(refused)
  await expect(client.request('startOperation', { body: { action: 'destroy-platform', platform: 'second' } })).rejects.toEqual(refused)
  await expect(client.request('planPlatform', { body: { provider: 'fake', name: 'third', settings: { url: server.cloud.url } } })).rejects.toEqual(refused)

  await writeFile(file, whole)
  expect(await server.run({ action: 'destroy-platform', platform: 'second' })).toMatchObject({ state: 'done' })
})
