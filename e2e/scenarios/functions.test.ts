import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'

/** A function with a queue over its life: another app sends to it and shares its database, while it is released, configured and rolled back. */
let pilot: Pilot
let app: string
let shop: string
beforeAll(async () => {
  pilot = await openPilot()
  app = join(pilot.folder, 'shop')
  for (const folder of ['web', 'invoices']) await mkdir(join(app, folder), { recursive: true })
  await writeFile(join(app, 'pilot.yaml'), manifest)
  await writeFile(join(app, 'web/package.json'), JSON.stringify({ name: 'web', type: 'module', scripts: { start: 'node server.js' }, dependencies: { pg: '8.23.1' } }))
  await writeFile(join(app, 'web/server.js'), web)
  await writeFile(join(app, 'invoices/package.json'), JSON.stringify({ name: 'invoices', type: 'module', dependencies: { pg: '8.23.1' } }))
  await version('one')
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
  shop = (await pilot.ok(['up'], { cwd: app })).last
})
afterAll(() => pilot?.[Symbol.asyncDispose]())

const manifest = `project: shop
apps:
  web: { source: ./web, database: postgres, uses: [invoices] }
  invoices: { source: ./invoices, function: { handler: index.handler, http: false, queue: true, timeout: 10s }, database: { from: web } }
`

/** Sends the path as a message, and shows what the function wrote into the database of both. */
const web = `import { createServer } from 'node:http'
import pg from 'pg'
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 2 })
await pool.query('create table if not exists written (message text, version text, greeting text)')
createServer(async (request, response) => {
  if (request.url === '/') return response.end('open')
  if (request.method === 'GET') return response.end(JSON.stringify((await pool.query('select * from written where message = $1', [request.url])).rows))
  const sent = await fetch(process.env.INVOICES_QUEUE_URL, { method: 'POST', body: request.url })
  response.writeHead(sent.status).end()
}).listen(process.env.PORT, '127.0.0.1')
`

const version = (name: string) =>
  writeFile(join(app, 'invoices/index.js'), `import pg from 'pg'
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 })
export async function handler({ Records }) {
  for (const { body } of Records) await pool.query('insert into written values ($1, $2, $3)', [body, '${name}', process.env.GREETING ?? 'none'])
}
`)

let count = 0
async function send(): Promise<string> {
  const path = `/message-${++count}`
  expect((await get(shop, path, { method: 'POST' })).status).toBe(202)
  return path
}

async function written(path: string): Promise<{ version: string; greeting: string }> {
  for (;;) {
    const [found] = JSON.parse((await get(shop, path)).text) as { version: string; greeting: string }[]
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('messages of another app reach it, and it writes into the database of that app', async () => {
  expect(await written(await send())).toMatchObject({ version: 'one', greeting: 'none' })
})

test('env set, a new version and a rollback lose no message, and the live version takes them', { timeout: 120_000 }, async () => {
  let isOver = false
  const sent: string[] = []
  const load = (async () => {
    while (!isOver) {
      sent.push(await send())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  await pilot.ok(['env', 'set', 'GREETING=Moin', '-a', 'invoices'], { cwd: app })
  expect(await written(await send())).toMatchObject({ version: 'one', greeting: 'Moin' })
  await version('two')
  await pilot.ok(['up'], { cwd: app })
  expect(await written(await send())).toMatchObject({ version: 'two', greeting: 'Moin' })
  await pilot.ok(['rollback', 'v1', '-a', 'invoices'], { cwd: app })
  expect(await written(await send())).toMatchObject({ version: 'one', greeting: 'none' })
  isOver = true
  await load
  for (const path of sent) await written(path)
  expect((await pilot.ok(['queue', 'invoices', '--json'], { cwd: app })).json()).toMatchObject({ waiting: 0, dead: 0 })
})

test('a version that cannot be loaded leaves the queue to the one before', { timeout: 60_000 }, async () => {
  await writeFile(join(app, 'invoices/index.js'), 'export const other = 1\n')
  const failed = await pilot.run(['up'], { cwd: app })
  expect(failed).toMatchObject({ code: 4, stderr: expect.stringContaining('exports no function handler') })
  expect(await written(await send())).toMatchObject({ version: 'one' })
})
