import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPilot, type Pilot } from '../driver/pilot.ts'

/** A site and an API below one host. */
let pilot: Pilot
let shop: string

beforeAll(async () => {
  pilot = await openPilot()
  shop = join(pilot.folder, 'shop')
  await mkdir(join(shop, 'api'), { recursive: true })
  await mkdir(join(shop, 'web'))
  await writeFile(join(shop, 'web/index.html'), 'the site')
  await writeFile(join(shop, 'api/server.js'), `import { createServer } from 'node:http'\ncreateServer((request, response) => response.end('api ' + request.url)).listen(process.env.PORT, process.env.HOST)\n`)
  await writeFile(join(shop, 'api/package.json'), '{ "type": "module", "scripts": { "start": "node server.js" } }')
  await pilot.ok(['setup', 'local', '--runtime', 'process'])
})
afterAll(() => pilot?.[Symbol.asyncDispose]())

const manifest = (api: string) => writeFile(join(shop, 'pilot.yaml'), `project: shop\napps:\n  web: { source: ./web, static: {}, route: / }\n  api: { source: ./api, ${api} }\n`)
const views = async () => (await pilot.ok(['status', '-C', shop, '--json'])).json<{ apps: { status: { app: { app: string }; url: string; fallbackUrl: string } }[] }>().apps.map(({ status }) => status)
const urlOf = async (app: string) => new URL((await views()).find((status) => status.app.app === app)!.url)

/** By name, whatever this machine's resolver knows of names below .localhost. */
const ask = (url: URL): Promise<string> =>
  new Promise((done, fail) => {
    request({ host: '127.0.0.1', port: url.port, path: url.pathname, headers: { host: url.host } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => done(text))
    }).on('error', fail).end()
  })

test('apps with a route share the host of the project, each below its path', async () => {
  await manifest('route: /api')
  const up = await pilot.ok(['up', shop])
  expect(up.stderr).not.toContain('not applied')
  const [web, api] = [await urlOf('web'), await urlOf('api')]
  expect([web.hostname, web.pathname, api.hostname, api.pathname, api.port]).toEqual(['shop.localhost', '/', 'shop.localhost', '/api', web.port])
  expect([await ask(web), await ask(api), await ask(new URL('/api/users', web))]).toEqual(['the site', 'api /api', 'api /api/users'])
  // The port of the app alone, for tools that do not resolve the name.
  expect(await (await fetch((await views()).find(({ app }) => app.app === 'api')!.fallbackUrl)).text()).toBe('api /api')
})

test('another route is a release, and rollback goes back to the one before', async () => {
  await manifest('route: /v2')
  await pilot.ok(['up', shop])
  const web = await urlOf('web')
  expect([(await urlOf('api')).pathname, await ask(new URL('/v2/x', web))]).toEqual(['/v2', 'api /v2/x'])
  await pilot.ok(['rollback', 'api', '-C', shop])
  expect([(await urlOf('api')).pathname, await ask(new URL('/api/x', web))]).toEqual(['/api', 'api /api/x'])
})

test('without a route an app has its own host again', async () => {
  await manifest('health: /')
  await pilot.ok(['up', shop])
  expect((await urlOf('api')).hostname).toBe('api.shop.localhost')
  expect(await ask(new URL('/api/x', await urlOf('web')))).not.toContain('api /api')
})
