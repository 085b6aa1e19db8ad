import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectAsSuperuser, openCluster, openHome, waitForPostgres, type Home } from '@pilot/host'
import { createClient, type Client } from '@pilot/server/client'
import { expect } from 'vitest'
import { get, openPilot, type Pilot } from '../driver/pilot.ts'
import type { Runtime } from './cases.ts'
import type { Place } from './inventory.ts'

/** `examples/todo` on a platform of its own, with a release command that leaves a row for each time that it ran. */
export interface Todo extends AsyncDisposable {
  readonly pilot: Pilot
  readonly folder: string
  readonly place: Place
  readonly url: string
  /** Of the server; reconnects by itself. */
  readonly client: Client
  /** Resolves once the app reaches its database: its connections broke if that was killed. */
  healthy(): Promise<void>
  /** Deploys whatever lies in the folder. */
  up(): Promise<void>
  /** What the app says of itself to somebody who asks: its source, and the texts of its to-dos. */
  version(): Promise<string>
  texts(): Promise<readonly string[]>
  add(text: string): Promise<void>
  writeVersion(version: string): Promise<void>
  /** How often the release command ran since the database is there. */
  releaseCommands(): Promise<number>
}

const manifest = `project: todo
apps:
  web:
    source: .
    health: /healthz
    database: postgres
    release: node src/count.js
`
const counter = `import { close, query } from './database.js'
await query('create table if not exists counted (at timestamptz not null default now())')
await query('insert into counted default values')
await close()
`

export async function openTodo({ runtime, env = {} }: { readonly runtime: Runtime; readonly env?: Readonly<Record<string, string>> }): Promise<Todo> {
  const temporary = await mkdtemp(join(tmpdir(), 'pilot-e2e-tmp-'))
  const pilot = await openPilot({ env: { TMPDIR: temporary, ...env } })
  const close = async (): Promise<void> => {
    try {
      await pilot[Symbol.asyncDispose]()
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  }
  await pilot.ok(['setup', 'local', '--runtime', runtime, '--yes']).catch(async (error: unknown) => {
    await close()
    throw error
  })
  const folder = await pilot.example('todo')
  await writeFile(join(folder, 'pilot.yaml'), manifest)
  await writeFile(join(folder, 'src/count.js'), counter)
  const home = await openHome(pilot.home)
  const client = createClient({ socketPath: home.paths.serverSocket })
  const { platforms } = await client.request('platforms')
  const place: Place = { home, platformId: platforms[0]!.id, temporary }
  let url = ''
  const page = async (path: string, init?: RequestInit): Promise<string> => {
    const { status, text } = await get(url, path, init)
    if (status >= 400) throw new Error(`${path} answered ${status}: ${text}`)
    return text
  }

  return {
    pilot,
    folder,
    place,
    client,
    get url() {
      return url
    },
    async up() {
      url = (await pilot.ok(['up', folder, '--yes'])).last
    },
    async healthy() {
      await expect.poll(() => get(url, '/healthz').then(({ status }) => status, () => 0), { timeout: 30_000 }).toBe(200)
    },
    version: () => page('/version.txt'),
    texts: async () => (JSON.parse(await page('/api/todos')) as { text: string }[]).map(({ text }) => text),
    add: async (text) => void (await page('/api/todos', { method: 'POST', body: JSON.stringify({ text }), headers: { 'content-type': 'application/json' } })),
    writeVersion: (version) => writeFile(join(folder, 'public/version.txt'), version),
    releaseCommands: () => countRows(home),
    async [Symbol.asyncDispose]() {
      client.close()
      await close()
    },
  }
}

async function countRows(home: Home): Promise<number> {
  const password = (await readFile(join(home.paths.keys, 'postgres-apps.password'), 'utf8')).trim()
  const cluster = await openCluster(home, 'apps')
  await waitForPostgres(home, { cluster, password })
  const all = await connectAsSuperuser(cluster, { password })
  const { rows } = await all.query<{ datname: string }>(`select datname from pg_database where datname ~ '^todo_web_' and datname !~ '_old$'`).finally(() => all.end())
  const one = await connectAsSuperuser(cluster, { password, database: rows[0]!.datname })
  const counted = await one.query<{ count: string }>('select count(*) from counted').finally(() => one.end())
  return Number(counted.rows[0]!.count)
}
