import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inCampaign } from '@pilot/core/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, type Client } from './client/index.ts'
import { activityStream, lastEvent } from './events/streams.ts'
import { definition, finished, testServer, upRequest, type TestServer } from './testing/test-server.ts'

/** Many at once: deployments, runners that are processes of their own (two of them die), and people who watch. */
const apps = 10
const perApp = 5
const runners = 5
const clients = inCampaign({ full: 1_000, short: 100 })

let server: TestServer
const programs = new Set<ChildProcess>()
beforeAll(async () => {
  server = await testServer({ runner: false })
})
afterAll(async () => {
  for (const program of programs) program.kill('SIGKILL')
  await server?.[Symbol.asyncDispose]()
})

test(`${apps * perApp} deployments over ${runners} runners of which two are killed: each ends once and in its app's order, and whoever watches sees every event once`, { timeout: 300_000 }, async () => {
  // Nobody works on them until all are queued.
  const first = startRunner()
  await server.setup()
  await ended(first, () => first.stdin!.end())
  await server.cloud.configure({ slowMs: 50 })
  const watchers: { readonly client: Client; readonly seen: number[]; readonly of: string; readonly over: Promise<void> }[] = []
  const closing = new AbortController()
  // The activity of the whole server, for every second one.
  const activity = Array.from({ length: clients / 2 }, () => watchActivity(closing.signal))

  const queued: { readonly app: string; readonly id: string }[] = []
  for (let round = 1; round <= perApp; round++) {
    for (let n = 1; n <= apps; n++) {
      const { operation } = await server.client.request('startOperation', { body: await upRequest(server.client, [definition(`app${n}`, { env: { ROUND: String(round) } })]) })
      queued.push({ app: `app${n}`, id: operation.id })
    }
  }
  for (let n = 0; n < clients / 2; n++) {
    const client = newClient()
    const { id } = queued[n % queued.length]!
    const seen: number[] = []
    watchers.push({ client, seen, of: id, over: follow(client, id, seen) })
  }

  const measuring = measure(closing.signal)
  measuring.catch(() => {})
  const running = Array.from({ length: runners }, startRunner)
  for (const victim of running.slice(0, 2)) await killWhileItWorks(victim)

  const operations = await Promise.all(queued.map(({ id }) => finished(server.client, id)))
  expect(operations.map(({ state, error }) => ({ state, error }))).toEqual(queued.map(() => ({ state: 'done', error: undefined })))
  await Promise.all(watchers.map(({ over }) => over))

  const { db } = server.database
  for (const { seen, of } of watchers) expect(seen).toEqual(upTo(await lastEvent(db, of)))
  const last = await lastEvent(db, activityStream)
  for (const { seen } of activity) await expect.poll(() => seen.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(last)
  closing.abort()
  for (const { seen } of activity) expect(seen).toEqual(upTo(last))

  const rows = await db.selectFrom('jobs').select(['operation', 'app', 'attempt']).where('app', 'is not', null).orderBy('queue_no').execute()
  expect(rows).toHaveLength(apps * perApp)
  expect(rows.some(({ attempt }) => attempt > 1)).toBe(true)
  const steps = await db.selectFrom('events').select(['operation', 'body']).where('stream', '=', activityStream).orderBy('seq').execute()
  for (const [app, jobs] of Map.groupBy(rows, (row) => row.app!)) {
    // Each began after the one before it had ended. By the order of the commits: times are those of when a transaction began.
    const own = steps.filter(({ operation }) => jobs.some((job) => job.operation === operation)).map(({ operation, body }) => `${body['what']} ${operation}`)
    expect(own, app).toEqual(jobs.flatMap(({ operation }) => [`operation.started ${operation}`, `operation.finished ${operation}`]))
    const { releases } = await server.client.request('releases', { params: { project: 'shop', app, environment: 'production' } })
    expect(releases.map(({ number }) => number).toSorted((a, b) => a - b), app).toEqual(upTo(perApp))
    const { status } = await server.client.request('app', { params: { project: 'shop', app, environment: 'production' } })
    expect(status, app).toMatchObject({ deployment: { number: perApp }, release: { number: perApp } })
  }
  const ends = await db.selectFrom('events').select(['stream', 'body']).where('stream', 'in', queued.map(({ id }) => id)).execute()
  for (const { id } of queued) {
    const types = ends.filter(({ stream }) => stream === id).map(({ body }) => body['type'])
    expect(types.filter((type) => ['operation.started', 'operation.finished', 'app.released'].includes(String(type))).sort()).toEqual(['app.released', 'operation.finished', 'operation.started'])
  }
  expect((await server.cloud.resources()).filter(({ type }) => type === 'deployment')).toHaveLength(apps)
  expect(await server.cloud.violations()).toEqual([])
  const { count, p50, p95, worst } = await measuring
  console.log(`${clients} clients on server-sent events, meanwhile ${count} requests: median ${p50} ms, p95 ${p95} ms, slowest ${worst} ms`)
  watchers.forEach(({ client }) => client.close())
})

function newClient(): Client {
  return createClient({ socketPath: server.home.paths.serverSocket, by: 'ada@test' })
}

function watchActivity(signal: AbortSignal): { readonly seen: number[] } {
  const seen: number[] = []
  const client = newClient()
  void (async () => {
    for await (const { seq } of client.activity({ after: 0, signal })) seen.push(seq)
  })().catch(() => {}).finally(() => client.close())
  return { seen }
}

async function follow(client: Client, id: string, seen: number[]): Promise<void> {
  for await (const { seq } of client.events(id)) seen.push(seq)
}

/** What people ask for, one after the other. */
async function measure(signal: AbortSignal): Promise<{ readonly count: number; readonly p50: number; readonly p95: number; readonly worst: number }> {
  const client = newClient()
  const times: number[] = []
  const asked = [() => client.request('status'), () => client.request('history'), () => client.request('jobs'), () => client.request('releases', { params: { project: 'shop', app: 'app1', environment: 'production' } }).catch(() => {})]
  for (let n = 0; !signal.aborted; n++) {
    const started = performance.now()
    await asked[n % asked.length]!()
    times.push(performance.now() - started)
    await sleep(20)
  }
  client.close()
  const sorted = times.toSorted((a, b) => a - b).map(Math.round)
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]!
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), worst: at(1) }
}

function startRunner(): ChildProcess {
  const where = JSON.stringify({ home: server.home.dir, database: server.database.address, runner: { concurrency: 2, heartbeatMs: 500, lookMs: 500, silentMs: 5_000 } })
  const program = spawn(process.execPath, ['--conditions=@pilot/source', fileURLToPath(new URL('testing/runner-process.ts', import.meta.url))], { stdio: ['pipe', 'inherit', 'inherit'], env: { ...process.env, PILOT_TEST_RUNNER: where } })
  programs.add(program)
  program.once('exit', () => programs.delete(program))
  return program
}

async function killWhileItWorks(victim: ChildProcess): Promise<void> {
  const works = async () => (await server.database.db.selectFrom('jobs').select('runner').where('state', '=', 'running').execute()).some(({ runner }) => runner?.pid === victim.pid)
  await expect.poll(works, { timeout: 60_000, interval: 5 }).toBe(true)
  await ended(victim, () => victim.kill('SIGKILL'))
}

async function ended(program: ChildProcess, end: () => unknown): Promise<void> {
  const gone = new Promise((resolve) => program.once('exit', resolve))
  end()
  await gone
}

const upTo = (last: number): readonly number[] => Array.from({ length: last }, (_, index) => index + 1)
