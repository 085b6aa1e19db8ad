import { spawn } from 'node:child_process'
import { readdir, rename, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sql } from 'kysely'
import type { CronJob } from '@pilot/core'
import type { ChannelInput } from '../contract/notifications.ts'
import { silentLog } from '../log.ts'
import { counted } from '../testing/fake-provider.ts'
import { receiver, type Received } from '../testing/receiver.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'
import { addNotice } from './notices.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }
const backoffMs = [300, 700, 60_000]

let server: TestServer
/** Looks at channels that cannot be read. */
let warnings = 0
let stack: AsyncDisposableStack
beforeEach(async () => {
  counted.length = 0
  warnings = 0
  stack = new AsyncDisposableStack()
  server = stack.use(await testServer({ log: { ...silentLog, warn: (text) => void (warnings += Number(text.includes('notification channels'))) }, notifier: { lookMs: 100, backoffMs }, canaries: { everyMs: 30 } }))
  await server.setup()
})
afterEach(() => stack.disposeAsync())

const put = (name: string, body: ChannelInput) => server.client.request('putNotificationChannel', { params: { name }, query: {}, body })
const channel = async () => (await server.client.request('notificationChannels', { query: {} })).channels[0]!
const hookWith = async (answer?: (count: number) => number | 'never') => stack.use(await receiver(answer))
const eventsOf = (received: readonly Received[]) => received.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
const notice = (title: string) => addNotice(server.database.db, { event: 'app.unhealthy', platform: 'fake', title })
const deliveries = () => server.database.db.selectFrom('deliveries').innerJoin('notices', 'notices.id', 'deliveries.notice').select(['deliveries.state', 'deliveries.attempts', sql<boolean>`next_at <= now()`.as('isDue')]).orderBy('deliveries.id').execute()

async function until(check: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await check()); await sleep(20)) if (Date.now() > end) throw new Error('It does not come.')
}

test('a canary that goes back is told once, with its figures; the request of a person that ends one is not', async () => {
  const hook = await hookWith()
  await put('team', { type: 'webhook', secret: hook.url })
  const release = async (text: string) => server.run({ ...(await upRequest(server.client, [definition('api')], { 'index.html': text })), canary: text === 'one' ? false : { percent: 10 } })
  const view = async () => (await server.client.request('app', { params: app, query: {} })).status
  await release('one')
  await release('two')
  await server.run({ action: 'rollback', app })
  await release('three')
  const { deployment, canary } = await view()
  counted.push({ deployment: deployment!.id, life: 'a', requests: 270, errors: 0, latency: [] }, { deployment: canary!.deployment.id, life: 'a', requests: 30, errors: 9, latency: [] })
  await until(() => hook.received.length > 0)
  await until(async () => (await view()).canary === undefined)
  await notice('the end')
  await until(() => eventsOf(hook.received).some(({ title }) => title === 'the end'))
  expect(eventsOf(hook.received)).toMatchObject([
    { event: 'canary.failed', title: 'The canary of shop/api on fake failed', text: expect.stringMatching(/^v3 failed 9 of 30 requests .*\. All of the traffic is back with the version before\.$/), apps: ['api'], action: 'rollback', by: 'canary', operation: expect.any(String) },
    { title: 'the end' },
  ])
})

test('a cron job that fails is told with its exit code, and stands in the history as failed', async () => {
  const hook = await hookWith()
  await put('team', { type: 'webhook', secret: hook.url })
  const job: CronJob = { schedule: '0 0 1 1 *', timeZone: 'UTC', command: ['exit', '4'], overlap: 'skip', missed: 'skip', timeoutMs: 60_000 }
  await server.run(await upRequest(server.client, [definition('api', { cron: { report: job } })]))
  expect(await server.client.command('runCron', { ...app, name: 'report' }, { body: {}, output: () => {} })).toBe(4)
  await until(() => hook.received.length === 1)
  expect(eventsOf(hook.received)).toMatchObject([{ event: 'schedule.failed', project: 'shop', apps: ['api'], title: 'report of shop/api failed', text: 'exit code 4', by: 'ada@test' }])
  const { entries } = await server.client.request('history', { query: { app: 'api' } })
  expect(entries.map(({ what, outcome }) => [what, outcome])).toEqual([['cron.failed', 'failed'], ['up', 'done']])
})

test('a notifier that is killed while it sends: another one sends the same again, under the same id', async () => {
  const hook = await hookWith((count) => (count === 1 ? 'never' : 204))
  await put('team', { type: 'webhook', secret: hook.url })
  await server.server().stop()
  await notice('it is down')
  const child = spawn(process.execPath, ['--conditions=@pilot/source', join(import.meta.dirname, '../testing/notifier-process.ts')], {
    env: { ...process.env, PILOT_TEST_NOTIFIER: JSON.stringify({ home: server.home.dir, database: server.database.address }) },
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const gone = new Promise((resolve) => child.once('close', resolve))
  try {
    await until(() => hook.received.length === 1)
  } finally {
    child.kill('SIGKILL')
    await gone
  }
  expect((await deliveries()).map(({ state }) => state)).toEqual(['waiting'])
  await server.restart()
  await until(async () => (await deliveries())[0]!.state === 'sent')
  expect(hook.received.map(({ headers }) => headers['pilot-delivery'])).toEqual([expect.stringMatching(/^[a-z0-9]+-1$/), hook.received[0]!.headers['pilot-delivery']])
})

test('each notice keeps to its own waits, whatever else is told meanwhile', async () => {
  const hook = await hookWith(() => 500)
  await put('team', { type: 'webhook', secret: hook.url })
  await notice('first')
  await until(async () => (await deliveries())[0]?.attempts === 3)
  for (const title of ['second', 'third', 'fourth']) {
    const before = hook.received.length
    await notice(title)
    await until(() => hook.received.length > before)
  }
  await until(async () => (await deliveries()).every(({ attempts }) => attempts >= 2))
  expect((await deliveries())[0]).toMatchObject({ state: 'waiting', attempts: 3 })
})

test('while the channels cannot be read nothing is given up', async () => {
  const hook = await hookWith((count) => (count === 1 ? 500 : 204))
  await put('team', { type: 'webhook', secret: hook.url })
  await notice('before')
  await until(async () => (await deliveries())[0]?.attempts === 1)
  const box = await boxOf(server.home.dir, 'team')
  await rename(box, `${box}.away`)
  await writeFile(box, 'damaged')
  await notice('meanwhile')
  await until(async () => (await deliveries())[0]!.isDue)
  const looks = warnings
  await until(() => warnings > looks + 1)
  expect((await deliveries()).map(({ state }) => state)).toEqual(['waiting'])
  await rename(`${box}.away`, box)
  await until(() => hook.received.length === 3)
  expect(eventsOf(hook.received).map(({ title }) => title).toSorted()).toEqual(['before', 'before', 'meanwhile'])
})

test('what waits goes to the channel that takes the place of its own', async () => {
  const [broken, mended] = [await hookWith(() => 500), await hookWith()]
  await put('team', { type: 'webhook', secret: broken.url })
  await notice('first')
  await until(() => broken.received.length === 1)
  await put('team', { type: 'webhook', secret: mended.url })
  await until(() => mended.received.length === 1)
  expect(await channel()).toMatchObject({ waiting: 0, failed: 0 })
})

test('nobody is mentioned by what an app or a person wrote', async () => {
  const hook = await hookWith()
  await put('chat', { type: 'webhook', format: 'slack', secret: hook.url })
  await notice('@everyone <!here> @Here @channels of ada@laptop')
  await until(() => hook.received.length === 1)
  expect(eventsOf(hook.received)[0]!['text']).toBe('@\u200beveryone &lt;!here&gt; @\u200bHere @channels of ada@laptop')
})

test('a command cannot be set by whoever hangs up before it is looked at', async () => {
  const { port, token } = server.server().browser
  const body = JSON.stringify({ type: 'command', command: ['true'] })
  const ask = (name: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(`PUT /v1/notifications/${name} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`, () => socket.resetAndDestroy())
      })
      socket.once('close', () => resolve())
      socket.once('error', () => {})
    })
  await Promise.all(Array.from({ length: 10 }, (_, n) => ask(`x${n}`)))
  // Answered after those that came before it.
  await server.client.request('notificationChannels', { query: {} })
  expect((await server.client.request('notificationChannels', { query: {} })).channels).toEqual([])
})

/** The file that holds the newest version of a channel. */
async function boxOf(home: string, name: string): Promise<string> {
  const found = (await readdir(home, { recursive: true })).filter((path) => path.includes(join('notifications', name)) && path.endsWith('.box')).toSorted()
  return join(home, found.at(-1)!)
}
