import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import pLimit from 'p-limit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Graph } from '../provider/graph.ts'
import { ref } from '../provider/value.ts'
import { startFakeCloud, type CloudResource, type FakeAccount, type FakeCloud } from './fake-cloud/index.ts'
import type { Job, JobAnswer } from './sigkill.fixture.ts'

/**
 * A process that applies or destroys a graph of ten resources is killed with SIGKILL before and after each of its calls that
 * change something, and right after each of its journal entries. A new process then does the same thing again. Each run
 * has an account of the fake cloud and a folder of its own.
 */
const server = (key: string, network: string): Graph[number] => ({ key, kind: 'fake/server', inputs: { network: ref(network).output('id') } })
const graph: Graph = [
  { key: 'network-a', kind: 'fake/network', inputs: {} },
  { key: 'network-b', kind: 'fake/network', inputs: {} },
  { key: 'database-a', kind: 'fake/database', inputs: { network: ref('network-a').output('id') } },
  { key: 'database-b', kind: 'fake/database', inputs: {} },
  server('server-a', 'network-a'),
  server('server-b', 'network-a'),
  server('server-c', 'network-b'),
  { key: 'rule-a', kind: 'fake/rule', inputs: { slot: 'a', target: ref('server-a').output('id') } },
  { key: 'rule-b', kind: 'fake/rule', inputs: { slot: 'b', target: ref('server-b').output('id') } },
  { key: 'rule-c', kind: 'fake/rule', inputs: { slot: 'c', target: ref('server-c').output('id') } },
]
const consistencyMs = 40

let cloud: FakeCloud
let root: string
let runs = 0
const clients = new Set<Client>()
const idle: Client[] = []
const limit = pLimit(3)

beforeAll(async () => {
  cloud = await startFakeCloud()
  root = await mkdtemp(join(memoryFolder(), 'pilot-sigkill-'))
  // In one file it starts ten times as fast, and more than a hundred processes are started.
  await build({ entryPoints: [fileURLToPath(new URL('./sigkill.fixture.ts', import.meta.url))], outfile: join(root, 'program.mjs'), bundle: true, platform: 'node', format: 'esm', conditions: ['@pilot/source'], logLevel: 'warning' })
})
afterAll(async () => {
  for (const client of clients) client.process.kill('SIGKILL')
  await cloud.stop()
  await rm(root, { recursive: true })
})

describe('a process killed in the middle', () => {
  test.each(['apply', 'destroy'] as const)('of %s, before or after any call that changes something', { timeout: 600_000 }, async (action) => {
    const { changes } = await measure(action)
    expect(changes).toBe(10)
    await Promise.all(
      range(changes).flatMap((call) => [
        // What was held before its effect is dropped, has its effect although the client is dead, or had it already.
        limit(() => killAtCall({ action, call, moment: 'before', drop: true })),
        limit(() => killAtCall({ action, call, moment: 'before', drop: false })),
        limit(() => killAtCall({ action, call, moment: 'after', drop: true })),
      ]),
    )
  })

  test.each(['apply', 'destroy'] as const)('of %s, after any journal entry', { timeout: 600_000 }, async (action) => {
    const { entries } = await measure(action)
    expect(entries).toBeGreaterThanOrEqual(30)
    await Promise.all(range(entries).map((entry) => limit(() => killAfterEntry({ action, entry }))))
  })
})

async function killAtCall({ action, call, moment, drop }: { action: Job['action']; call: number; moment: 'before' | 'after'; drop: boolean }): Promise<void> {
  const run = await begin(action)
  await run.account.configure({ faults: [{ action: 'hold', moment, operation: 'change', call: (await changesOf(run.account)) + call }] })
  const client = startClient()
  const answered = client.ask(run.job)
  const held = await Promise.race([run.account.held(), answered])
  expect(held, `${action} ended before call ${call}`).toHaveProperty('pid', client.process.pid)
  await client.kill()
  await run.account.configure({ faults: [] })
  await run.account.release({ drop })
  await finish(run, `${action} killed ${moment} call ${call}${drop ? '' : ', which arrived late'}`)
}

async function killAfterEntry({ action, entry }: { action: Job['action']; entry: number }): Promise<void> {
  const run = await begin(action)
  const answer = await startClient().ask({ ...run.job, dieAt: { entry, moment: 'after' } })
  expect(answer, `${action} ended before journal entry ${entry}`).toBe('killed')
  await finish(run, `${action} killed after journal entry ${entry}`)
}

interface Run {
  readonly account: FakeAccount
  readonly job: Job
}

async function begin(action: Job['action']): Promise<Run> {
  const name = `run${++runs}`
  const account = cloud.account(name)
  await account.configure({ consistencyMs, slowMs: 10, delayMs: 1 })
  const job: Job = { action, url: account.url, dir: join(root, name), desired: graph, consistencyMs }
  if (action === 'destroy') expect(await withIdleClient({ ...job, action: 'apply' })).not.toHaveProperty('error')
  return { account, job }
}

/** Again, in another process: exactly what is desired, nothing twice, no rule of the cloud broken; then destroy leaves none. */
async function finish({ account, job }: Run, title: string): Promise<void> {
  expect(await withIdleClient(job), title).not.toHaveProperty('error')
  if (job.action === 'apply') {
    expect((await account.resources()).map(keyOf).toSorted(), title).toEqual(graph.map(({ key }) => key).toSorted())
    expect(await withIdleClient({ ...job, action: 'destroy' }), title).not.toHaveProperty('error')
  }
  expect((await account.resources()).map(keyOf), title).toEqual([])
  expect(await account.violations(), title).toEqual([])
}

async function measure(action: Job['action']): Promise<{ changes: number; entries: number }> {
  const { account, job } = await begin(action)
  const before = await changesOf(account)
  const { entries = 0, error } = await withIdleClient(job)
  expect(error).toBeUndefined()
  return { changes: (await changesOf(account)) - before, entries }
}

/** What a killed process wrote is in the kernel's hands whether a disk is below or not, and thousands of flushes take time. */
const memoryFolder = () => (existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
const keyOf = ({ marks }: CloudResource): string => marks['key']!
const changesOf = async (account: FakeAccount) => (await account.calls()).filter(({ operation }) => operation !== 'get' && operation !== 'list').length
const range = (n: number) => Array.from({ length: n }, (_, index) => index + 1)

interface Client {
  readonly process: ChildProcess
  readonly ended: Promise<void>
  ask(job: Job): Promise<JobAnswer | 'killed'>
  kill(): Promise<void>
}

/** Repeats need a process that is not the killed one; those that ended well are used again. */
async function withIdleClient(job: Job): Promise<JobAnswer> {
  const client = idle.pop() ?? startClient()
  const answer = await client.ask(job)
  if (answer === 'killed') throw new Error('The process ended by itself')
  idle.push(client)
  return answer
}

function startClient(): Client {
  const child = spawn(process.execPath, [join(root, 'program.mjs')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const lines = createInterface({ input: child.stdout })
  const client: Client = {
    process: child,
    ended,
    ask(job) {
      child.stdin.write(`${JSON.stringify(job)}\n`)
      return Promise.race([new Promise<JobAnswer>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line) as JobAnswer))), ended.then(() => 'killed' as const)])
    },
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
  clients.add(client)
  void ended.then(() => clients.delete(client))
  return client
}
