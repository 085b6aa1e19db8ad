import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'

/** From the files of another tool to an app that answers, as docs/import.md tells it. */
let pilot: Pilot
let app: string
beforeAll(async () => {
  pilot = await openPilot()
  app = join(pilot.folder, 'shop')
  await mkdir(app)
  await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'shop', scripts: { start: 'node server.js' } }))
  await writeFile(join(app, 'server.js'), `require('http').createServer((_, response) => response.end(JSON.stringify(process.env))).listen(process.env.PORT, '127.0.0.1')`)
  await writeFile(join(app, 'worker.js'), `console.log('worker of ' + process.env.GREETING); setInterval(() => {}, 1000)`)
  await writeFile(
    join(app, 'compose.yaml'),
    `name: shop
services:
  web:
    build: .
    command: node server.js
    ports: ["8080:3000"]
    environment: { GREETING: Moin, DATABASE_URL: "postgres://app:hunter2@db/app", API_KEY: hunter2hunter2 }
    depends_on: [db]
  worker: { build: ., command: node worker.js, depends_on: [db] }
  db: { image: "postgres:16" }
`,
  )
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
})
afterAll(() => pilot?.[Symbol.asyncDispose]())

test('a compose.yaml becomes an app with its worker, its database and its secret', async () => {
  const imported = await pilot.ok(['import', 'compose.yaml', '--yes'], { cwd: app })
  expect(imported.stderr).toContain('secret set web API_KEY')
  expect(imported.stdout + imported.stderr + (await readFile(join(app, 'pilot.yaml'), 'utf8'))).not.toContain('hunter2')
  const missing = await pilot.run(['up'], { cwd: app })
  expect(missing.stderr).toContain('SECRETS_MISSING')

  await pilot.ok(['secret', 'set', 'web', 'API_KEY', '--stage'], { cwd: app, input: 'a-new-api-key' })
  const { last: url } = await pilot.ok(['up'], { cwd: app })
  expect(JSON.parse((await get(url)).text)).toMatchObject({ GREETING: 'Moin', API_KEY: 'a-new-api-key', DATABASE_URL: expect.stringMatching(/^postgres/) })
  await expect.poll(async () => (await pilot.ok(['logs', '--json'], { cwd: app })).stdout, { timeout: 20_000 }).toContain('worker of Moin')
})
