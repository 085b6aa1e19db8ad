import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'

/** The configuration of an app over its life: sources, versions, an import, and a rollback after a secret was rotated. */
let pilot: Pilot
let app: string
beforeAll(async () => {
  pilot = await openPilot()
  app = join(pilot.folder, 'shop')
  await mkdir(app)
  await write('one')
  await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'shop', scripts: { start: 'node server.js' } }))
  await writeFile(join(app, 'pilot.yaml'), 'project: shop\napps:\n  web:\n    source: .\n    env: { LOG_LEVEL: info, REGION: eu }\n    secrets: [API_KEY]\n')
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
  await pilot.ok(['secret', 'set', 'API_KEY', '--stage'], { cwd: app, input: 'the-first-key' })
})
afterAll(() => pilot?.[Symbol.asyncDispose]())

/** An app that shows its code's version and its environment. */
const write = (version: string) => writeFile(join(app, 'server.js'), `require('http').createServer((_, response) => response.end(JSON.stringify({ version: '${version}', ...process.env }))).listen(process.env.PORT, '127.0.0.1')`)
const at = {
  get cwd() {
    return app
  },
}
const seen = async (url: string): Promise<Record<string, string>> => JSON.parse((await get(url)).text) as Record<string, string>
const list = async () => (await pilot.ok(['env', 'list', '--json'], at)).json<{ version: number; released: number; pending?: { why: string; names: string[] }; values: { key: string; source: string; value?: string; hides?: string[] }[] }>()

test('env list says where each value comes from', async () => {
  const { last: url } = await pilot.ok(['up'], at)
  await pilot.ok(['env', 'set', 'LOG_LEVEL=debug'], at)
  expect(await seen(url)).toMatchObject({ version: 'one', LOG_LEVEL: 'debug', REGION: 'eu', API_KEY: 'the-first-key' })
  expect((await list()).values).toEqual([
    { key: 'API_KEY', source: 'secret' },
    { key: 'LOG_LEVEL', source: 'env set', value: 'debug', hides: ['manifest'] },
    { key: 'PORT', source: 'platform', from: 'port' },
    { key: 'REGION', source: 'manifest', value: 'eu' },
  ])
})

test('a rollback after the rotation of a secret runs the older code and values with the key of today', async () => {
  const before = await list()
  await pilot.ok(['secret', 'set', 'API_KEY'], { ...at, input: 'the-second-key' })
  await pilot.ok(['env', 'set', 'LOG_LEVEL=trace'], at)
  await write('two')
  const { last: url } = await pilot.ok(['up'], at)
  expect(await seen(url)).toMatchObject({ version: 'two', LOG_LEVEL: 'trace', API_KEY: 'the-second-key' })

  const back = await pilot.ok(['rollback', 'v2'], at)
  expect(back.stderr).toContain('API_KEY changed since v2')
  expect(await seen(url)).toMatchObject({ version: 'one', LOG_LEVEL: 'debug', API_KEY: 'the-second-key' })
  const listing = await pilot.ok(['env', 'list'], at)
  expect(listing.stdout).toContain('A rollback went back to version')
  expect(listing.stdout).not.toMatch(/staged/i)
  expect((await pilot.ok(['env', 'history'], at)).stdout).toContain(`rollback to ${before.version}, with the newest secrets`)
  expect((await pilot.ok(['env', 'diff'], at)).stdout).toMatch(/~ +LOG_LEVEL +debug +trace +env set/)
})

test('the older values come back as a new version, which the next up keeps', async () => {
  const { released } = await list()
  const { last: url } = await pilot.ok(['env', 'restore', String(released)], at)
  expect(await list()).not.toHaveProperty('pending')
  await pilot.ok(['up'], at)
  expect(await seen(url)).toMatchObject({ version: 'two', LOG_LEVEL: 'debug', API_KEY: 'the-second-key' })
  expect((await pilot.run(['env', 'restore', '99'], at)).stderr).toContain('no version 99')
})

test('a dotenv file is imported whole or not at all, secrets into the secret store', async () => {
  const file = join(pilot.folder, 'values.txt')
  await writeFile(file, 'LOG_LEVEL=warn\nSMTP_PASSWORD=hunter2hunter2\nGREETING="two\nlines"\nbroken\n')
  const refused = await pilot.run(['env', 'import', file, '--yes'], at)
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain(':5: not of the form KEY=VALUE')
  expect((await list()).values.find(({ key }) => key === 'LOG_LEVEL')?.value).toBe('debug')

  await writeFile(file, 'LOG_LEVEL=warn\nSMTP_PASSWORD=hunter2hunter2\nGREETING="two\nlines"\n')
  expect((await pilot.run(['env', 'import', file], at)).stderr).toContain('SMTP_PASSWORD looks like a secret')
  const { last: url, stderr } = await pilot.ok(['env', 'import', file, '--yes', '--secrets', 'SMTP_PASSWORD'], at)
  expect(stderr).not.toContain('hunter2')
  expect(await seen(url)).toMatchObject({ LOG_LEVEL: 'warn', SMTP_PASSWORD: 'hunter2hunter2', GREETING: 'two\nlines' })
  expect((await list()).values).toContainEqual({ key: 'SMTP_PASSWORD', source: 'secret' })
})

test('what is staged waits, and is called so', async () => {
  const { last: url } = await pilot.ok(['open', '--print'], at)
  await pilot.ok(['env', 'restore', '1', '--stage'], at)
  expect((await pilot.ok(['env', 'list'], at)).stdout).toContain('Staged: GREETING, LOG_LEVEL')
  expect((await seen(url))['LOG_LEVEL']).toBe('warn')
  await pilot.ok(['up'], at)
  expect((await seen(url))['LOG_LEVEL']).toBe('info')
})
