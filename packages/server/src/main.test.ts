import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startFakeCloud, type FakeCloud } from '@pilot/core/testing'
import { openHome, removeHome, stopSupervisor, supervisorPid, type Home } from '@pilot/host'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, type Client } from './client/index.ts'
import { definition, eventsOf, finished, upRequest } from './testing/test-server.ts'

/** The programs as they run in a home: server and runners as processes, PostgreSQL under the supervisor, an installed provider. */
let home: Home
let cloud: FakeCloud
let client: Client
const programs = new Set<ChildProcess>()

beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-test-main-')))
  cloud = await startFakeCloud()
  await cloud.configure({ slowMs: 0, consistencyMs: 0 })
  await installFakeProvider()
  client = createClient({ socketPath: home.paths.serverSocket, by: 'ada@test' })
}, 120_000)

afterAll(async () => {
  client.close()
  for (const program of programs) program.kill('SIGKILL')
  await cloud.stop()
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
}, 120_000)

test('two runners beside the server: one is killed in the middle, the other one finishes, and everything happens once', { timeout: 180_000 }, async () => {
  const server = start('main.ts', { PILOT_RUNNER: 'separate' })
  await started(server)
  const runners = [start('runner-main.ts'), start('runner-main.ts')]
  const setup = await client.request('startOperation', { body: { action: 'setup', provider: 'fake', settings: { url: cloud.url } } })
  expect(await finished(client, setup.operation.id)).toMatchObject({ state: 'done' })

  await Promise.all(runners.map((runner) => output(runner, 'runner started')))
  await cloud.configure({ faults: [{ action: 'hold', moment: 'after', operation: 'create', type: 'deployment', call: 1 }] })
  const { operation } = await client.request('startOperation', { body: await upRequest(client, [definition('api')]) })
  const { pid } = await cloud.held()
  const victim = runners.find((runner) => runner.pid === pid)!
  const gone = exited(victim)
  victim.kill('SIGKILL')
  await gone
  await cloud.release()

  const ended = await finished(client, operation.id)
  expect(ended).toMatchObject({ state: 'done', jobs: [{ attempt: 2, state: 'done' }] })
  const events = await eventsOf(client, operation.id)
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  expect(events.filter(({ type }) => type === 'app.released')).toHaveLength(1)
  expect((await cloud.resources()).filter(({ type }) => type === 'deployment')).toHaveLength(1)
  const { releases } = await client.request('releases', { params: { project: 'shop', app: 'api', environment: 'production' } })
  expect(releases).toHaveLength(1)
  expect(await cloud.violations()).toEqual([])

  const survivor = runners.find((runner) => runner !== victim)!
  const both = [exited(survivor), exited(server)]
  survivor.kill('SIGTERM')
  server.kill('SIGTERM')
  expect(await Promise.all(both)).toEqual([0, 0])
})

test('a server that is killed in the middle of an operation is followed by one that ends it', { timeout: 180_000 }, async () => {
  const first = start('main.ts')
  await started(first)
  await cloud.configure({ faults: [{ action: 'hold', moment: 'before', operation: 'update', type: 'traffic', call: 1 }] })
  const { operation } = await client.request('startOperation', { body: await upRequest(client, [definition('api', { env: { CHANGED: 'yes' } })]) })
  const watching = eventsOf(client, operation.id)
  await cloud.held()
  const gone = exited(first)
  first.kill('SIGKILL')
  await gone
  await cloud.release({ drop: true })
  const second = start('main.ts')
  const events = await watching
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
  expect(events.at(-1)).toMatchObject({ type: 'operation.finished', outcome: 'done' })
  expect((await cloud.resources()).filter(({ type }) => type === 'deployment')).toHaveLength(1)
  expect(await cloud.violations()).toEqual([])

  const both = [exited(second)]
  await client.request('shutdown', { body: {} })
  expect(await Promise.all(both)).toEqual([0])
  await expect(client.request('info')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' })
})

test('a supervisor that was killed comes back as long as the server runs', { timeout: 60_000 }, async () => {
  const server = start('main.ts')
  await started(server)
  const killed = (await supervisorPid(home))!
  process.kill(killed, 'SIGKILL')
  await expect.poll(async () => ![undefined, killed].includes(await supervisorPid(home)), { timeout: 20_000 }).toBe(true)
  const gone = exited(server)
  server.kill('SIGTERM')
  expect(await gone).toBe(0)
})

test('a server whose home was deleted ends, also when it is none of the services that the supervisor stops', { timeout: 60_000 }, async () => {
  const deleted = await openHome(await mkdtemp(join(tmpdir(), 'pilot-test-deleted-')))
  const server = start('main.ts', {}, deleted)
  await started(server)
  const gone = exited(server)
  const supervisor = (await supervisorPid(deleted))!
  await removeHome(deleted)
  expect(await gone).toBe(0)
  await expect.poll(() => isRunning(supervisor), { timeout: 20_000 }).toBe(false)
  expect(existsSync(deleted.dir)).toBe(false)
})

/** A package as npm would have installed it. */
async function installFakeProvider(): Promise<void> {
  const folder = join(home.dir, 'providers', 'node_modules', 'pilot-provider-fake')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'pilot-provider-fake', version: '1.0.0', type: 'module', exports: './index.js', pilot: { provider: 'fake', contract: 1 } }))
  await writeFile(join(folder, 'index.js'), `export { default } from ${JSON.stringify(new URL('./testing/fake-provider.ts', import.meta.url).href)}\n`)
}

function start(program: 'main.ts' | 'runner-main.ts', env: Readonly<Record<string, string>> = {}, of: Home = home): ChildProcess {
  const child = spawn(process.execPath, ['--conditions=@pilot/source', fileURLToPath(new URL(program, import.meta.url)), of.dir], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  programs.add(child)
  child.once('exit', () => programs.delete(child))
  child.stdout!.on('data', (chunk: Buffer) => texts.set(child, (texts.get(child) ?? '') + chunk))
  return child
}

const texts = new Map<ChildProcess, string>()

const started = (server: ChildProcess): Promise<void> => output(server, 'server started')

async function output(child: ChildProcess, text: string): Promise<void> {
  while (texts.get(child)?.includes(text) !== true) {
    if (child.exitCode !== null) throw new Error(`It ended: ${texts.get(child)} ${await readFile(join(home.paths.logs, 'postgres-control.log'), 'utf8').catch(() => '')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const exited = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once('exit', (code) => resolve(code)))
