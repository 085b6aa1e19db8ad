import { createHmac } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SMTPServer } from 'smtp-server'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ChannelInput } from '../contract/notifications.ts'
import { receiver as openReceiver, type Receiver } from '../testing/receiver.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'
import { addNotice } from './notices.ts'
import { mostMessages } from './notifier.ts'

let server: TestServer
const cleanUp: (() => Promise<unknown> | void)[] = []
beforeEach(async () => {
  server = await testServer({ notifier: { lookMs: 200, backoffMs: [50, 100, 200] } })
  await server.setup()
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  for (const each of cleanUp.splice(0)) await each()
})

async function receiver(answer?: (count: number) => number | 'never'): Promise<Receiver> {
  const made = await openReceiver(answer)
  cleanUp.push(async () => made[Symbol.asyncDispose]())
  return made
}

const put = (name: string, body: ChannelInput) => server.client.request('putNotificationChannel', { params: { name }, query: {}, body })
const list = async () => (await server.client.request('notificationChannels', { query: {} })).channels
const fail = async (app = 'api') => server.run(await upRequest(server.client, [definition(app)], { 'index.html': `fail ${app}` }))

async function until(check: () => boolean | Promise<boolean>, what = 'it'): Promise<void> {
  for (const end = Date.now() + 15_000; !(await check()); await sleep(20)) if (Date.now() > end) throw new Error(`${what} does not come`)
}

test('a failed operation is told by a signed webhook; what fits the filter, and no address in the list', async () => {
  const hook = await receiver()
  const other = await receiver()
  const { signingKey } = await put('team', { type: 'webhook', secret: hook.url })
  await put('elsewhere', { type: 'webhook', secret: other.url, project: 'bakery' })
  await put('disks', { type: 'webhook', secret: other.url, topics: ['disk'] })
  const { id } = await fail()
  await until(() => hook.received.length === 1)
  const { headers, body } = hook.received[0]!
  expect(JSON.parse(body)).toMatchObject({ version: 1, event: 'operation.failed', platform: 'fake', project: 'shop', environment: 'production', apps: ['api'], operation: id, action: 'up', by: 'ada@test', error: { code: 'BUILD_FAILED' } })
  const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['pilot-signature']))!
  expect(signature).toBe(createHmac('sha256', signingKey!).update(`${seconds}.${body}`).digest('hex'))
  await until(async () => (await list()).find(({ name }) => name === 'team')?.last?.ok === true)
  expect(other.received).toEqual([])
  expect(JSON.stringify(await list())).not.toContain('s3cr3t')
  expect(JSON.stringify(await list())).not.toContain(signingKey)
})

test('a damaged channel is named, keeps no other from being told, and can be removed or made again', async () => {
  const hook = await receiver()
  await put('team', { type: 'webhook', secret: hook.url })
  for (const name of ['pager', 'chat']) {
    await put(name, { type: 'webhook', secret: 'https://hooks.example.org/x' })
    const [box] = readdirSync(server.home.dir, { recursive: true, encoding: 'utf8' }).filter((path) => path.includes(`notifications/${name}/`) && path.endsWith('.box'))
    writeFileSync(join(server.home.dir, box!), 'torn')
  }
  await fail()
  await until(() => hook.received.length === 1)
  const { channels, damaged } = await server.client.request('notificationChannels', { query: {} })
  expect([channels.map(({ name }) => name), damaged]).toEqual([['team'], ['chat', 'pager'].map((name) => ({ name, problem: expect.stringContaining('cannot be decrypted') }))])
  await expect(server.client.request('testNotificationChannel', { params: { name: 'pager' }, query: {} })).rejects.toMatchObject({ code: 'SECRET_UNREADABLE', suggestion: expect.stringContaining('notifications remove pager') })
  await server.client.request('removeNotificationChannel', { params: { name: 'pager' }, query: {} })
  await put('chat', { type: 'webhook', secret: 'https://hooks.example.org/y' })
  expect(await server.client.request('notificationChannels', { query: {} })).toMatchObject({ channels: [{ name: 'chat' }, { name: 'team' }], damaged: [] })
  await expect(server.client.request('removeNotificationChannel', { params: { name: 'pager' }, query: {} })).rejects.toMatchObject({ code: 'NOT_FOUND', suggestion: 'There is: chat, team.' })
})

test('what could not be sent is tried again under the same id, and then given up with its reason', async () => {
  const hook = await receiver((count) => (count < 3 ? 500 : 200))
  await put('team', { type: 'webhook', secret: hook.url })
  await fail()
  await until(() => hook.received.length === 3)
  expect(new Set(hook.received.map(({ headers }) => headers['pilot-delivery'])).size).toBe(1)
  await until(async () => (await list())[0]?.last?.ok === true)

  const redirecting = await receiver(() => 302)
  await put('team', { type: 'webhook', secret: redirecting.url })
  await fail('web')
  await until(async () => (await list())[0]?.failed === 1)
  expect(redirecting.received).toHaveLength(4)
  expect((await list())[0]).toMatchObject({ what: new URL(redirecting.url).host, waiting: 0, last: { ok: false, error: 'answered 302: it redirects, which is not followed' } })
})

test('a server that ends while a receiver keeps it waiting sends again when it is back, and operations wait for none of it', async () => {
  const hook = await receiver((count) => (count === 1 ? 'never' : 200))
  await put('team', { type: 'webhook', secret: hook.url })
  expect((await fail()).state).toBe('failed')
  await until(() => hook.received.length === 1)
  await server.restart()
  await until(() => hook.received.length === 2)
  expect(hook.received[1]!.headers['pilot-delivery']).toBe(hook.received[0]!.headers['pilot-delivery'])
})

test('a storm becomes a few messages and a number', async () => {
  const hook = await receiver()
  await put('chat', { type: 'webhook', format: 'slack', secret: hook.url })
  await server.database.db.transaction().execute(async (tx) => {
    for (let n = 1; n <= 30; n++) await addNotice(tx, { event: 'app.unhealthy', platform: 'fake', title: `app <${n}> is unhealthy` })
  })
  await until(() => hook.received.length === mostMessages)
  await sleep(600)
  expect(hook.received).toHaveLength(mostMessages)
  const texts = hook.received.map(({ body }) => (JSON.parse(body) as { text: string }).text)
  expect(texts[0]).toBe('app &lt;1&gt; is unhealthy')
  expect(texts.at(-1)).toContain(`and ${30 - mostMessages} more`)
})

test('e-mail goes by TLS with a login, to a server whose certificate is looked at', async () => {
  const folder = server.home.dir
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', join(folder, 'mail.key'), '-out', join(folder, 'mail.pem'), '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { stdio: 'ignore' })
  const mails: { secure: boolean; user: unknown; to: string[]; text: string }[] = []
  const smtp = new SMTPServer({
    key: readFileSync(join(folder, 'mail.key')),
    cert: readFileSync(join(folder, 'mail.pem')),
    onAuth: ({ username, password }, _session, done) => (username === 'pilot' && password === 'pa55word' ? done(null, { user: username }) : done(new Error(`not ${password}`))),
    onData(stream, session, done) {
      let text = ''
      stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
      stream.on('end', () => {
        mails.push({ secure: session.secure, user: session.user, to: session.envelope.rcptTo.map(({ address }) => address), text })
        done()
      })
    },
  })
  smtp.on('error', () => {})
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => new Promise<void>((resolve) => smtp.close(() => resolve())))
  const { port } = smtp.server.address() as AddressInfo
  const mail = { type: 'email' as const, host: 'localhost', port, user: 'pilot', secret: 'pa55word', from: 'pilot@example.org', to: ['ops@example.org', 'ada@example.org'] }

  await put('mail', mail)
  await expect(server.client.request('testNotificationChannel', { params: { name: 'mail' }, query: {} })).rejects.toMatchObject({ code: 'NOTIFICATION_FAILED', reason: expect.stringMatching(/certificate/i) })
  const ca = readFileSync(join(folder, 'mail.pem'), 'utf8')
  await put('mail', { ...mail, ca, secret: 'wr0ng' })
  const refused = (await server.client.request('testNotificationChannel', { params: { name: 'mail' }, query: {} }).catch((error: unknown) => error)) as { reason: string }
  expect(refused.reason).toMatch(/login|not \*\*\*/i)
  expect(refused.reason).not.toContain('wr0ng')
  await put('mail', { ...mail, ca })
  await server.client.request('testNotificationChannel', { params: { name: 'mail' }, query: {} })
  expect(mails[0]).toMatchObject({ secure: true, user: 'pilot', to: ['ops@example.org', 'ada@example.org'] })
  await fail()
  await until(() => mails.length === 2)
  expect(mails[1]!.text).toMatch(/^Subject: \[pilot fake\] up of shop\/api on fake failed$/m)
  await expect(put('mail', { ...mail, host: 'mail.example.org', plain: true })).rejects.toMatchObject({ code: 'USAGE' })
})

test('a command gets the notice in its environment and on its input, and says why it failed', async () => {
  const script = join(server.home.dir, 'notify.sh')
  const out = join(server.home.dir, 'told')
  writeFileSync(script, `#!/bin/sh\n{ echo "$PILOT_EVENT $PILOT_PROJECT $PILOT_APPS"; cat; } > "$1.part"\nmv "$1.part" "$1"\n`)
  chmodSync(script, 0o700)
  await put('script', { type: 'command', command: [script, out] })
  await fail()
  await until(() => existsSync(out))
  const [head, json] = readFileSync(out, 'utf8').split('\n')
  expect(head).toBe('operation.failed shop api')
  expect(JSON.parse(json!)).toMatchObject({ version: 1, event: 'operation.failed' })

  await put('script', { type: 'command', command: ['sh', '-c', 'echo no pager >&2; exit 3'] })
  await expect(server.client.request('testNotificationChannel', { params: { name: 'script' }, query: {} })).rejects.toMatchObject({ reason: 'exit code 3: no pager' })
  await put('script', { type: 'command', command: ['no-such-program'] })
  await expect(server.client.request('testNotificationChannel', { params: { name: 'script' }, query: {} })).rejects.toMatchObject({ reason: 'there is no no-such-program' })
})

test('a command cannot be set by whoever has the token of the browser', async () => {
  const { port, token } = server.server().browser
  const ask = (body: ChannelInput) => fetch(`http://127.0.0.1:${port}/v1/notifications/x`, { method: 'PUT', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  expect((await ask({ type: 'command', command: ['true'] })).status).toBe(401)
  expect((await ask({ type: 'webhook', secret: 'https://example.org/x' })).status).toBe(200)
})

test('a channel that is removed is told nothing more; one that is none is named with those that are', async () => {
  const hook = await receiver()
  await put('team', { type: 'webhook', secret: hook.url })
  await expect(server.client.request('removeNotificationChannel', { params: { name: 'teem' }, query: {} })).rejects.toMatchObject({ code: 'NOT_FOUND', suggestion: 'There is: team.' })
  await server.client.request('removeNotificationChannel', { params: { name: 'team' }, query: {} })
  await fail()
  await sleep(400)
  expect(hook.received).toEqual([])
  expect(await list()).toEqual([])
  await expect(put('team', { type: 'webhook', secret: 'ftp://example.org' })).rejects.toMatchObject({ code: 'USAGE' })
  const withUser = await put('team', { type: 'webhook', secret: 'https://ada:pa55word@example.org/' }).catch((error: unknown) => error)
  expect(withUser).toMatchObject({ code: 'USAGE', message: expect.stringContaining('user') })
  expect(JSON.stringify(withUser)).not.toContain('pa55word')
})

test('history tells operations and what is done at once, newest first, with who and how it ended', async () => {
  await fail()
  await server.client.request('putSecrets', { params: { project: 'shop', app: 'api', environment: 'production' }, query: {}, body: { values: { KEY: 'x' } } })
  const { entries } = await server.client.request('history', { query: { project: 'shop', app: 'api' } })
  expect(entries.map(({ what, by, outcome }) => [what, by, outcome])).toEqual([['secret.set', 'ada@test', 'done'], ['up', 'ada@test', 'failed']])
  expect(entries[1]).toMatchObject({ apps: ['api'], text: expect.stringContaining('fail api'), ms: expect.any(Number) })
  expect((await server.client.request('history', { query: { app: 'other' } })).entries).toEqual([])
  expect((await server.client.request('history', { query: { limit: 1 } })).entries).toHaveLength(1)
})
