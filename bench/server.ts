/**
 * The server with much in it: `npx node --conditions=@pilot/source bench/server.ts [--apps 1000] [--operations 100000] [--events 1000000] [--clients 1000]`.
 *
 * One app is deployed for real; its records are copied for all the others, each with the 200 releases, deployments and
 * configurations that the retention leaves. Operations, jobs and events are written into its PostgreSQL, without the time of their
 * end, so that the retention (20,000 operations, a million events) leaves them there. Then lists, status and
 * history are asked for by another process than the server's, at first alone, then while so many clients follow the activity of the
 * server and a deployment after the other runs.
 */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { parseArgs } from 'node:util'
import { openHome } from '@pilot/host'
import { createClient, type Client } from '@pilot/server/client'
import pg from 'pg'
import { openPilot } from '../e2e/driver/pilot.ts'

const { values } = parseArgs({ options: { apps: { type: 'string', default: '1000' }, operations: { type: 'string', default: '100000' }, events: { type: 'string', default: '1000000' }, clients: { type: 'string', default: '1000' } } })
const [apps, operations, events, clients] = [Number(values.apps), Number(values.operations), Number(values.events), Number(values.clients)]
const kept = 200
const perProject = 10

await using pilot = await openPilot()
await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
const dir = join(pilot.folder, 'seed')
await mkdir(dir)
await writeFile(join(dir, 'pilot.yaml'), 'project: seed\napps:\n  web: { health: { path: / } }\n')
await writeFile(join(dir, 'package.json'), '{ "name": "app", "version": "1.0.0", "scripts": { "start": "node server.js" } }')
await writeFile(join(dir, 'server.js'), `require('http').createServer((_, response) => response.end('ok')).listen(process.env.PORT)`)
await pilot.ok(['up'], { cwd: dir })
const home = await openHome(pilot.home)
const client = createClient({ socketPath: home.paths.serverSocket, by: 'bench' })

const copies = await mkdtemp(join(tmpdir(), 'pilot-bench-server-'))
const added: string[] = []
try {
  await fillStore()
  await fillDatabase()
  await table('alone')
  const watching = Array.from({ length: clients }, () => createClient({ socketPath: home.paths.serverSocket }))
  const stop = new AbortController()
  let seen = 0
  const following = watching.map(async (each) => {
    for await (const _ of each.activity({ signal: stop.signal })) seen++
  })
  let deployments = 0
  const busy = (async () => {
    while (!stop.signal.aborted) {
      await writeFile(join(dir, 'version.txt'), String(deployments))
      await pilot.ok(['up'], { cwd: dir })
      deployments++
    }
  })()
  await table(`${clients} clients on server-sent events, deployments one after the other`)
  stop.abort()
  await Promise.allSettled([...following, busy])
  watching.forEach((each) => each.close())
  console.log(`\n${deployments} deployments meanwhile, ${seen} events delivered`)
} finally {
  await Promise.all(added.map((folder) => rm(folder, { recursive: true, force: true })))
  await rm(copies, { recursive: true, force: true })
  client.close()
}

/** As the store has them: each record in a file with its checksum. */
async function fillStore(): Promise<void> {
  const root = (await readdir(join(pilot.home, 'platforms'), { recursive: true, withFileTypes: true })).find((entry) => entry.isDirectory() && entry.name === 'seed')!
  const store = root.parentPath
  const seed = join(store, 'seed', 'web', 'production')
  const template = join(copies, 'template')
  await cp(seed, template, { recursive: true })
  await rm(join(template, 'lease'), { recursive: true, force: true })
  await rm(join(template, 'journal'), { recursive: true, force: true })
  for (const type of ['deployment', 'release', 'configuration'] as const) {
    const folder = join(template, 'records', type)
    const [name] = await readdir(folder)
    const { value } = JSON.parse(await readFile(join(folder, name!), 'utf8')) as { value: Record<string, unknown> }
    if (type !== 'deployment') await rm(join(folder, name!))
    for (let n = type === 'deployment' ? 2 : 1; n <= kept; n++) {
      const record = { ...value, ...(type === 'configuration' ? { version: n } : { number: n }), ...(type === 'deployment' ? { id: `copy${String(n).padStart(6, '0')}` } : {}) }
      await writeFile(join(folder, `${type === 'deployment' ? record['id' as never] : String(n).padStart(8, '0')}.json`), checked(record))
    }
  }
  const files = (await readdir(template, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(template.length + 1))
  const texts = await Promise.all(files.map(async (file) => ({ file, text: await readFile(join(template, file), 'utf8') })))
  for (let n = 0; n < apps; n++) {
    const [project, app] = [`p${Math.floor(n / perProject)}`, `a${n % perProject}`]
    if (n % perProject === 0) added.push(join(store, project))
    const folder = join(store, project, app, 'production')
    for (const part of new Set(texts.map(({ file }) => join(file, '..')))) await mkdir(join(folder, part), { recursive: true })
    await Promise.all(texts.map(({ file, text }) => writeFile(join(folder, file), renamed(text, project, app))))
  }
  console.log(`${apps} apps with ${texts.length} files each`)
}

function renamed(text: string, project: string, app: string): string {
  const { value } = JSON.parse(text) as { value: unknown }
  return checked(JSON.parse(JSON.stringify(value).replaceAll('"project":"seed","app":"web"', `"project":"${project}","app":"${app}"`)))
}

function checked(value: unknown): string {
  const json = JSON.stringify(value)
  return `{"crc":"${crc32(json).toString(16).padStart(8, '0')}","value":${json}}\n`
}

async function fillDatabase(): Promise<void> {
  const { rows } = await inDatabase(async (database) => {
    await database.query(`insert into operations (id, action, platform, project, environment, apps, by, state, created_at, started_at, finished_at)
      select 'bench' || n, 'up', 'local', 'p' || (n / ${perProject}) % ${Math.ceil(apps / perProject)}, 'production', jsonb_build_array('a' || n % ${perProject}), 'ada', 'done', at, at, null
      from (select n, now() - n * interval '7 seconds' as at from generate_series(1, ${operations}) n) numbered`)
    await database.query(`insert into jobs (id, operation, action, platform, scope, project, environment, app, payload, payload_version, state, attempt, after, created_at, started_at, finished_at)
      select id || '-1', id, action, platform, 'app/' || project || '/' || (apps->>0) || '/production', project, environment, apps->>0, '{}', 1, state, 1, '[]', created_at, started_at, finished_at from operations where id like 'bench%' order by created_at`)
    const perOperation = Math.ceil(events / operations)
    await database.query(`insert into streams (name, last) select 'bench' || n, ${perOperation} from generate_series(1, ${operations}) n`)
    await database.query(`insert into events (stream, seq, at, operation, body) select 'bench' || n, seq, now(), 'bench' || n, '{"v":1,"type":"resource","app":"a1","key":"deployment-1","kind":"local/process","action":"create","status":"waiting"}' from generate_series(1, ${operations}) n, generate_series(1, ${perOperation}) seq`)
    await database.query('analyze')
    return database.query<{ size: string }>('select pg_size_pretty(pg_database_size(current_database())) as size')
  })
  console.log(`${operations} deployments, ${events} events: the database has ${rows[0]!.size}`)
}

async function inDatabase<T>(work: (database: pg.Client) => Promise<T>): Promise<T> {
  const { homeDatabase } = (await import('../packages/server/src/home-database.ts')) as typeof import('../packages/server/src/home-database.ts')
  const database = new pg.Client(await homeDatabase(home))
  await database.connect()
  return work(database).finally(() => database.end())
}

async function table(title: string): Promise<void> {
  const of = { project: 'p1', app: 'a1', environment: 'production' }
  const asked: readonly (readonly [string, number, (client: Client) => Promise<unknown>])[] = [
    ['history', 100, (each) => each.request('history')],
    ['history of an app', 100, (each) => each.request('history', { query: of })],
    ['jobs', 100, (each) => each.request('jobs')],
    ['one operation', 100, (each) => each.request('operation', { params: { id: 'bench77' } })],
    ['status of an app', 50, (each) => each.request('app', { params: of })],
    ['releases of an app', 50, (each) => each.request('releases', { params: of })],
    [`status of a project of ${perProject} apps`, 20, (each) => each.request('status', { query: { project: 'p1' } })],
    [`status of all ${apps} apps`, 2, (each) => each.request('status', { timeoutMs: 300_000 })],
  ]
  console.log(`\n${title}\n\n| | median, ms | p95, ms | slowest, ms |\n|---|---|---|---|`)
  for (const [name, times, ask] of asked) {
    const took: number[] = []
    for (let n = 0; n < times; n++) {
      const started = performance.now()
      await ask(client)
      took.push(performance.now() - started)
    }
    const sorted = took.toSorted((a, b) => a - b).map(Math.round)
    const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]!
    console.log(`| ${name} | ${at(0.5)} | ${at(0.95)} | ${at(1)} |`)
  }
}
