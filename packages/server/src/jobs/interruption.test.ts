import { spawn } from 'node:child_process'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { forgetPlatform, listPlatforms, platformScope } from '@pilot/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient } from '../client/index.ts'
import type { StreamEvent } from '../contract/events.ts'
import fakeProvider from '../testing/fake-provider.ts'
import partsProvider from '../testing/parts-provider.ts'
import { definition, eventsOf, finished, testServer, upRequest, type TestServer } from '../testing/test-server.ts'
import { createOperation } from './create.ts'
import type { PlannedJob } from './plan.ts'

let server: TestServer
beforeEach(async () => {
  server = await testServer({ providers: [fakeProvider, partsProvider] })
  await server.setup()
})
afterEach(() => server[Symbol.asyncDispose]())

/** Starts `up` and returns when the cloud holds the creation of the deployment. */
async function upAndHold(): Promise<string> {
  await server.cloud.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', type: 'deployment', call: 1 }] })
  const { operation } = await server.client.request('startOperation', { body: await upRequest(server.client, [definition('api')]) })
  await server.cloud.held()
  return operation.id
}

const deployments = async () => (await server.cloud.resources()).filter(({ type }) => type === 'deployment')

test('cancel stops what runs at its next step, and nothing is left of it', async () => {
  const id = await upAndHold()
  expect(await server.client.request('cancelOperation', { params: { id } })).toMatchObject({ jobs: [{ cancelRequested: true }] })
  const operation = await finished(server.client, id)
  expect(operation).toMatchObject({ state: 'cancelled', error: { code: 'CANCELLED', message: 'Cancelled by ada@test' } })
  await server.cloud.release({ drop: true })
  expect((await server.client.request('app', { params: { project: 'shop', app: 'api', environment: 'production' } })).status.release).toBeUndefined()

  await server.cloud.configure({ faults: [] })
  expect(await server.run(await upRequest(server.client, [definition('api')]))).toMatchObject({ state: 'done' })
  expect(await deployments()).toHaveLength(1)
  expect(await server.cloud.violations()).toEqual([])
})

test('a server that stops in the middle gives its job back; the next one goes on, and who watches notices only a pause', async () => {
  const id = await upAndHold()
  const watching = eventsOf(server.client, id)
  const log = (async () => {
    let text = ''
    for await (const chunk of server.client.log(id, { follow: true })) text += chunk.text
    return text
  })()
  const restarted = server.restart()
  await server.cloud.release()
  await restarted

  const events = await watching
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  expect(events.filter(({ type }) => type === 'operation.started')).toHaveLength(1)
  expect(events).toContainEqual(expect.objectContaining({ type: 'notice', text: 'Going on after an interruption' }))
  expect(events.filter((event) => event.type === 'phase.finished' && event.outcome === 'cancelled')).toEqual([])
  expect(events.at(-1)).toMatchObject({ type: 'operation.finished', outcome: 'done' })
  expect(await log).toBe('building shop/api (production)\n')
  expect(await server.client.request('operation', { params: { id } })).toMatchObject({ state: 'done', jobs: [{ attempt: 2 }] })
  expect(await deployments()).toHaveLength(1)
  expect(await server.cloud.violations()).toEqual([])
})

test('a release that hands a volume over and is interrupted goes on, with one writer at any time and its hooks', async () => {
  const app = { ...definition('api'), volumes: { data: {} }, hooks: { 'after-release': ['tell'] } }
  await server.run(await upRequest(server.client, [app], { 'index.html': 'one' }))
  await server.cloud.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'create', type: 'deployment', call: 2 }] })
  const { operation } = await server.client.request('startOperation', { body: await upRequest(server.client, [app], { 'index.html': 'two' }) })
  await server.cloud.held()
  const restarted = server.restart()
  await server.cloud.release()
  await restarted
  expect(await finished(server.client, operation.id)).toMatchObject({ state: 'done', jobs: [{ attempt: 2 }] })
  expect((await server.client.request('app', { params: app.app })).status).toMatchObject({ deployment: { number: 2 } })
  expect(await deployments()).toHaveLength(1)
  expect(await server.cloud.violations()).toEqual([])
  let log = ''
  for await (const { text } of server.client.log(operation.id, {})) log += text
  expect(log).toContain('after-release ran tell for v2')
  expect((await server.client.request('volumes', { params: app.app })).volumes).toMatchObject([{ volume: 'data', inUse: true }])
})

test('a rollback that was interrupted after it switched the traffic does not go on to another release', async () => {
  const app = definition('api').app
  for (const text of ['one', 'two']) await server.run(await upRequest(server.client, [definition('api')], { 'index.html': text }))
  await server.cloud.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'delete', type: 'deployment', call: 2 }] })
  const { operation } = await server.client.request('startOperation', { body: { action: 'rollback', app } })
  await server.cloud.held()
  const restarted = server.restart()
  // What is held is the last step: it ends when the runner has begun to give its job back, which nobody else can see.
  await setTimeout(1_000)
  await server.cloud.release()
  await restarted
  expect(await finished(server.client, operation.id)).toMatchObject({ state: 'done', jobs: [{ attempt: 2, result: { release: { number: 3, kind: 'rollback' } } }] })
  expect((await server.client.request('app', { params: app })).status).toMatchObject({ deployment: { number: 1 }, release: { number: 3 } })
  expect(await deployments()).toHaveLength(1)
})

const setupOfParts = () => ({ provider: 'parts', settings: { url: server.cloud.url } })

/** Starts the setup that a plan was approved for, and kills its runner when the cloud has created the server. */
async function setupAndKill(): Promise<string> {
  await server.restart({ runner: false })
  const { hash } = await server.client.request('planPlatform', { body: setupOfParts() })
  await server.cloud.configure({ faults: [{ action: 'hold', moment: 'after', operation: 'create', type: 'server', call: 1 }] })
  const where = JSON.stringify({ home: server.home.dir, database: server.database.address })
  const runner = spawn(process.execPath, ['--conditions=@pilot/source', fileURLToPath(new URL('../testing/runner-process.ts', import.meta.url))], { stdio: ['pipe', 'inherit', 'inherit'], env: { ...process.env, PILOT_TEST_RUNNER: where } })
  const gone = new Promise((resolve) => runner.once('exit', resolve))
  const { operation } = await server.client.request('startOperation', { body: { action: 'setup', ...setupOfParts(), plan: hash! } })
  await Promise.race([server.cloud.held(), gone])
  runner.kill('SIGKILL')
  await gone
  await server.cloud.release({ drop: true })
  return operation.id
}

const goOn = () => server.restart({ runner: { heartbeatMs: 200, lookMs: 300, silentMs: 2000 } })
const ofParts = async () => (await server.cloud.resources()).filter(({ type }) => type !== 'deployment').map(({ type }) => type).sort()

test('a setup that was killed in the middle goes on with what was approved', async () => {
  const id = await setupAndKill()
  expect(await ofParts()).toEqual(['network', 'network', 'server'])
  await goOn()
  expect(await finished(server.client, id)).toMatchObject({ state: 'done', jobs: [{ attempt: 2, result: { changed: true, platform: 'parts' } }] })
  expect(await ofParts()).toEqual(['network', 'network', 'rule', 'server'])
  expect((await server.client.request('platforms')).platforms.find(({ name }) => name === 'parts')).toMatchObject({ state: 'ready' })
  expect(await server.cloud.violations()).toEqual([])
})

test('a setup that was killed in the middle replaces nothing that nobody approved', async () => {
  const id = await setupAndKill()
  const made = (await server.cloud.resources()).find(({ type }) => type === 'server')!
  await server.cloud.change(made.id, { image: 'other' })
  await goOn()
  expect(await finished(server.client, id)).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE', reason: expect.stringContaining('server: replace') } })
  expect((await server.cloud.resources()).filter(({ type }) => type === 'server')).toMatchObject([{ id: made.id }])
})

test('a destroy of a platform that ended after the platform was forgotten is done', async () => {
  const [platform] = await listPlatforms(server.home.dir)
  await forgetPlatform(server.home.dir, platform!.id)
  const jobs: readonly PlannedJob[] = [{ scope: platformScope, payload: { action: 'destroy-platform', deleteData: true }, after: [] }]
  const { operation } = await createOperation(server.database.db, { action: 'destroy-platform', platform: platform!.name, by: 'ada@test', jobs })
  expect(await finished(server.client, operation.id)).toMatchObject({ state: 'done' })
})

test('a reader whose connection breaks again and again gets each event once, and the log byte for byte', async () => {
  const path = join(server.home.paths.run, 'flaky.sock')
  const flaky = await breakingProxy({ path, to: server.home.paths.serverSocket, afterBytes: 700 })
  const client = createClient({ socketPath: path })
  const { operation } = await server.client.request('startOperation', { body: await upRequest(server.client, [definition('api', { buildArgs: { POEM: 'größer als\n'.repeat(400) } }), definition('web', { uses: ['api'] })]) })
  const seen: StreamEvent[] = []
  for await (const event of client.events(operation.id)) seen.push(event)
  let text = ''
  for await (const chunk of client.log(operation.id, { follow: true })) text += chunk.text
  expect(flaky.broken()).toBeGreaterThan(3)
  client.close()
  await flaky.close()

  expect(seen).toEqual(await eventsOf(server.client, operation.id))
  let whole = ''
  for await (const chunk of server.client.log(operation.id)) whole += chunk.text
  expect(text).toBe(whole)
  expect(whole).toContain('größer als')
})

test('a duration is called usual only after three runs', async () => {
  const usual = async () => (await eventsOf(server.client, (await server.run({ action: 'restart', app: { project: 'shop', app: 'api', environment: 'production' } })).id)).flatMap((event) => (event.type === 'phase.started' && event.phase === 'release' ? [event.usualMs] : []))
  await server.run(await upRequest(server.client, [definition('api')]))
  expect(await usual()).toEqual([undefined])
  expect(await usual()).toEqual([undefined])
  expect(await usual()).toEqual([expect.any(Number)])
})

/** Passes bytes on and cuts every connection after the first few of the answer. */
async function breakingProxy({ path, to, afterBytes }: { path: string; to: string; afterBytes: number }): Promise<{ broken(): number; close(): Promise<void> }> {
  let broken = 0
  const open = new Set<Socket>()
  const proxy = createServer((inside) => {
    const outside = connect(to)
    let passed = 0
    open.add(inside).add(outside)
    inside.pipe(outside)
    outside.on('data', (chunk: Buffer) => {
      passed += chunk.byteLength
      // Cut in the middle of what would be passed on.
      inside.write(passed > afterBytes ? chunk.subarray(0, Math.max(1, chunk.byteLength - 7)) : chunk)
      if (passed <= afterBytes) return
      broken++
      inside.end(() => inside.destroy())
      outside.destroy()
    })
    for (const socket of [inside, outside]) socket.on('error', () => {}).on('close', () => (inside.destroy(), outside.destroy(), open.delete(socket)))
  })
  await new Promise<void>((resolve) => proxy.listen(path, resolve))
  return {
    broken: () => broken,
    close: () =>
      new Promise((resolve) => {
        open.forEach((socket) => socket.destroy())
        proxy.close(() => resolve())
      }),
  }
}
