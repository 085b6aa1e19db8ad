import { createServer } from 'node:http'
import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ArtifactReference, DeploymentSpec, FunctionSpec } from '@pilot/core'
import { serviceStatus } from '@pilot/host'
import { askFunction } from './function/ask.ts'
import { askQueue } from './function/ask-queue.ts'
import { defaultHealth, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

let platform: LocalPlatform
/** What handlers tell the test: each a line. */
const told: { readonly version: string; readonly bodies: readonly string[]; readonly record?: Record<string, never> }[] = []
const listener = createServer((request, response) => {
  let text = ''
  request.on('data', (chunk) => (text += chunk)).on('end', () => {
    told.push(JSON.parse(text) as never)
    response.end()
  })
})

beforeAll(async () => {
  platform = await startLocalPlatform({ runtime: 'process' })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  listener.close()
  await platform?.stop()
})

/** Tells the test what it got, and does what the text of a message says. */
const code = (version: string): string => `export const handler = async ({ Records }) => {
  if (!Records) return new Promise((resolve) => setTimeout(resolve, Number(process.env.BUSY_MS)))
  const bodies = Records.map(({ body }) => body)
  await fetch(process.env.TOLD, { method: 'POST', body: JSON.stringify({ version: '${version}', bodies, record: Records[0] }) })
  if (bodies.includes('throw')) throw new Error('cannot invoice that')
  if (bodies.includes('hang')) await new Promise(() => setInterval(() => {}, 1000))
  return { batchItemFailures: Records.filter(({ body }) => body.startsWith('bad')).map(({ messageId }) => ({ itemIdentifier: messageId })) }
}`

async function release(name: string, deployment: string, { queue = { batch: 10, retries: 1 }, version = deployment, old = [], timeoutMs = 1_500, busyMs = 0 }: { queue?: FunctionSpec['queue']; version?: string; old?: readonly string[]; timeoutMs?: number; busyMs?: number } = {}) {
  const { identity, engine } = platform.app(name)
  const compute = platform.provider.compute.function!
  const builder = platform.provider.builders.find(({ target }) => target === 'function')!
  const source = sourceOf({ 'index.mjs': code(version) })
  const artifact: ArtifactReference = await builder.build({ app: identity, ...source, facts: { ...source.facts, handler: 'index.handler' }, args: {}, signal: noSignal(), log: () => {} })
  const app = compute.app({ app: identity, hostLabel: `${name}.shop`, queue: true })
  const spec: DeploymentSpec = { app: identity, deployment, artifact, env: { TOLD: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`, BUSY_MS: String(busyMs) }, health: defaultHealth, memoryBytes: 256 * 1024 ** 2, cpu: 1, instances: 2, appOutputs: app.outputs, function: { handler: 'index.handler', timeoutMs, http: false, ...(queue ? { queue } : {}) } }
  const link = compute.link!({ from: { ...identity, app: 'sender' }, to: identity, toHostLabel: `${name}.shop`, queue: true, appOutputs: app.outputs })
  const consumer = compute.consumer!({ app: identity, deployment, appOutputs: app.outputs })
  const staged = compute.deployment(spec)
  const outputs = await engine.apply([...app.resources, ...staged.resources, ...link.resources])
  const start = async (): Promise<void> => {
    await engine.apply([...app.resources, ...staged.resources, ...link.resources, ...consumer.resources])
    for (const one of old) await engine.destroy([`deployment/${one}/worker/queue/consumer`])
    for (const one of old) await engine.destroy([`deployment/${one}/function`])
  }
  const { service, port } = outputs['queue'] as { service: string; port: number }
  const ask = (path: string, body: object = {}) => askQueue(platform.home, { service, port, path, body }) as Promise<Record<string, never>>
  const invoke = () => compute.invoke!({ app: identity, deployment, event: '{}', signal: noSignal() })
  return { url: outputs[`queue-link/${name}`]!['url'] as string, start, ask, invoke, service, folder: outputs['queue-data']!['folder'] as string, host: engine.id(`deployment/${deployment}/function`), port: outputs[`deployment/${deployment}/function`]!['port'] as number }
}

const post = async (url: string, body: string): Promise<{ MessageId: string }> => {
  const answer = await fetch(url, { method: 'POST', body })
  expect(answer.status).toBe(202)
  return (await answer.json()) as { MessageId: string }
}
const got = (body: string) => told.filter(({ bodies }) => bodies.includes(body))
async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 30))
}

test('messages wait until a version is live, reach it as SQS gives them, and are gone when they are done', async () => {
  const { url, start, ask } = await release('first', 'd1')
  const { MessageId } = await post(url, 'hello')
  const sqs = await fetch(url, { method: 'POST', headers: { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify({ QueueUrl: url, MessageBody: 'as sqs', MessageAttributes: { kind: { DataType: 'String', StringValue: 'x' } } }) })
  expect(await sqs.json()).toMatchObject({ MD5OfMessageBody: createHash('md5').update('as sqs').digest('hex') })
  const batch = await fetch(url, { method: 'POST', headers: { 'x-amz-target': 'AmazonSQS.SendMessageBatch', 'content-type': 'application/x-amz-json-1.0' }, body: JSON.stringify({ QueueUrl: url, Entries: [{ Id: 'x', MessageBody: 'in a batch' }, { Id: 'y', MessageBody: 'in a batch too' }] }) })
  expect(await batch.json()).toMatchObject({ Successful: [{ Id: 'x' }, { Id: 'y' }], Failed: [] })
  expect(await ask('/state')).toMatchObject({ waiting: 4, inFlight: 0, dead: 0, consumers: [] })
  expect(got('hello')).toEqual([])
  await start()
  await until(() => ['as sqs', 'in a batch', 'in a batch too'].every((body) => got(body).length > 0))
  expect(got('hello')[0]!.record).toMatchObject({ messageId: MessageId, body: 'hello', eventSource: 'aws:sqs', attributes: { ApproximateReceiveCount: '1' }, md5OfBody: createHash('md5').update('hello').digest('hex') })
  await until(async () => (await ask('/state'))['waiting'] === 0 && (await ask('/state'))['inFlight'] === 0)
  expect((await fetch(url, { method: 'POST', body: '' })).status).toBe(400)
  expect((await fetch(url, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) })).status).toBe(413)
  expect((await fetch(url)).status).toBe(405)
  expect((await fetch(url, { method: 'POST', headers: { origin: 'https://example.com' }, body: 'from a page' })).status).toBe(403)
  // Who sends takes nothing and asks nothing.
  expect((await fetch(`${url}/receive`, { method: 'POST', headers: { 'x-pilot-function-token': 'a'.repeat(64) }, body: '{}' })).status).toBe(403)
})

test('what fails is tried again and then put aside, alone; it can be sent again', async () => {
  const { url, start, ask } = await release('fails', 'd1')
  await start()
  await Promise.all(['good', 'bad one', 'fine'].map((body) => post(url, body)))
  await until(async () => (await ask('/state'))['dead'] === 1)
  expect(got('bad one')).toHaveLength(2)
  expect([got('good').length, got('fine').length]).toEqual([1, 1])
  await post(url, 'throw')
  await until(async () => (await ask('/state'))['dead'] === 2)
  const { deadMessages } = (await ask('/state')) as unknown as { deadMessages: { body: string; error: string; receives: number }[] }
  expect(deadMessages).toContainEqual(expect.objectContaining({ body: 'throw', error: 'Error: cannot invoice that', receives: 2 }))
  expect(await ask('/retry')).toEqual({ count: 2 })
  await until(() => got('bad one').length > 2)
  await until(async () => (await ask('/state'))['dead'] === 2)
  expect(await ask('/purge', { which: 'dead' })).toEqual({ count: 2 })
})

test('nothing is lost when host or queue are killed in the middle, or when the function hangs', async () => {
  const { url, start, ask, service, host } = await release('killed', 'd1', { queue: { batch: 1, retries: 3 } })
  await start()
  await post(url, 'hang')
  await until(() => got('hang').length === 1)
  process.kill(serviceStatus(platform.home, host)!.process!.pid, 'SIGKILL')
  // Its time has to pass; then another host, started by the supervisor, gets it.
  await until(() => got('hang').length >= 2)
  await Promise.all(Array.from({ length: 20 }, (_, index) => post(url, `kept ${index}`)))
  const before = serviceStatus(platform.home, service)!.process!.pid
  process.kill(before, 'SIGKILL')
  await until(() => {
    const status = serviceStatus(platform.home, service)
    return status?.state === 'running' && status.process?.pid !== before
  })
  await until(() => Array.from({ length: 20 }, (_, index) => got(`kept ${index}`).length).every((count) => count >= 1))
  await until(async () => (await ask('/state').catch(() => ({ dead: 0 }) as never))['dead'] === 1)
}, 60_000)

test('a message that waits for a worker longer than its time comes once', async () => {
  const { start, url, ask, invoke, host, port } = await release('crowded', 'd1', { queue: { batch: 1, retries: 0 }, timeoutMs: 2_000, busyMs: 1_900 })
  await start()
  // Two workers, and five rounds of events of 1.9 seconds: the message waits for longer than its 7 seconds.
  const crowd = Promise.all(Array.from({ length: 10 }, invoke))
  await until(async () => (await askFunction(platform.home, { name: host, port, signal: noSignal() })).waiting >= 7)
  await post(url, 'patient')
  await crowd
  await until(() => got('patient').length > 0)
  await until(async () => (await ask('/state'))['inFlight'] === 0)
  expect(got('patient').map(({ record }) => record)).toMatchObject([{ attributes: { ApproximateReceiveCount: '1' } }])
  expect(await ask('/state')).toMatchObject({ waiting: 0, dead: 0 })
}, 60_000)

test('only the live version takes messages; destroyed without its data, the messages are there for the next', async () => {
  const first = await release('moves', 'd1')
  await first.start()
  await post(first.url, 'one')
  await until(() => got('one').length > 0)
  const second = await release('moves', 'd2', { old: ['d1'] })
  // Staged, it takes none.
  await post(first.url, 'two')
  await until(() => got('two').length > 0)
  expect(got('two')[0]!.version).toBe('d1')
  await second.start()
  await Promise.all(Array.from({ length: 20 }, (_, index) => post(second.url, `after ${index}`)))
  await until(() => Array.from({ length: 20 }, (_, index) => got(`after ${index}`).length).every((count) => count === 1))
  expect(new Set(Array.from({ length: 20 }, (_, index) => got(`after ${index}`)[0]!.version))).toEqual(new Set(['d2']))
  const { engine } = platform.app('moves')
  await engine.destroy(['deployment/d2/worker/queue/consumer', 'deployment/d2/function'])
  await post(second.url, 'for later')
  await engine.destroy(['queue-link/moves', 'queue'])
  expect(existsSync(second.folder)).toBe(true)
  const third = await release('moves', 'd3')
  await third.start()
  await until(() => got('for later').length === 1)
})
