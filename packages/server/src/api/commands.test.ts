import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deploymentsInUse, forgetDeadCommands } from '../commands/in-use.ts'
import { ownIdentity } from '../jobs/runner.ts'
import { interrupted, waiting } from '../testing/fake-provider.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }

let server: TestServer
beforeAll(async () => {
  server = await testServer()
  await server.setup()
  await server.run(await upRequest(server.client, [definition('api', { env: { LOG_LEVEL: 'info' } })]))
})
afterAll(() => server[Symbol.asyncDispose]())

const command = async (name: 'run' | 'exec', body: { command: string[]; process?: string }, signal?: AbortSignal) => {
  const seen: string[] = []
  const exitCode = await server.client.command(name, app, { body, ...(signal ? { signal } : {}), output: (stream, data) => void seen.push(`${stream} ${Buffer.from(data).toString('latin1')}`) })
  return { exitCode, seen }
}

test('a command gets the environment of what is live; its output comes byte for byte, and its exit code last', async () => {
  expect(await command('run', { command: ['migrate', '--now'] })).toEqual({ exitCode: 7, seen: ['stdout migrate --now info\n', 'stderr \xff\n'] })
  expect((await command('exec', { command: ['ls'] })).seen[0]).toBe('stdout in 1: ls info\n')
})

test('it ends when the one who asked goes away', async () => {
  const stop = new AbortController()
  const running = command('run', { command: ['wait', 'here'] }, stop.signal).catch(() => 'left')
  await sleep(300)
  stop.abort()
  await running
  for (let waited = 0; waited < 5_000 && interrupted.length === 0; waited += 20) await sleep(20)
  expect(interrupted).toEqual(['wait here'])
})

test('what a command runs in counts as in use while it runs, so that no release deletes its artifact; one that died with its server does not', async () => {
  const { db } = server.database
  const { status } = await server.client.request('app', { params: app, query: {} })
  const inUse = () => deploymentsInUse(db, { platform: 'fake', app })
  await command('run', { command: ['migrate'] })
  expect(await inUse()).toEqual([])

  const stop = new AbortController()
  const running = [command('run', { command: ['wait', 'noted'] }, stop.signal), session(['wait', 'noted too'], { signal: stop.signal })].map((each) => each.catch(() => 'left'))
  await expect.poll(() => waiting.filter((each) => each.startsWith('wait noted')).length).toBe(2)
  expect(await inUse()).toEqual([status.deployment!.id])
  expect(await deploymentsInUse(db, { platform: 'fake', app: { ...app, environment: 'preview' } })).toEqual([])
  stop.abort()
  await Promise.all(running)
  await expect.poll(inUse).toEqual([])

  await db.insertInto('commands').values({ platform: 'fake', ...app, deployment: 'd1', runner: JSON.stringify({ ...ownIdentity(), pid: 2 ** 22 + 1 }) }).execute()
  expect(await inUse()).toEqual([])
  await forgetDeadCommands(db)
  expect(await db.selectFrom('commands').select('id').execute()).toEqual([])
})

test('an app that was never deployed, a process that is not there and no command at all are refused', async () => {
  await expect(command('exec', { command: ['ls'], process: 'mail' })).rejects.toMatchObject({ code: 'NOT_ALLOWED_NOW', message: 'shop/api has no running instance of the process mail' })
  await expect(command('run', { command: [] })).rejects.toMatchObject({ code: 'USAGE' })
  await expect(server.client.command('run', { ...app, app: 'nope' }, { body: { command: ['ls'] }, output: () => {} })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

const session = (command: readonly string[], call: Partial<Parameters<TestServer['client']['session']>[2]> = {}) => server.client.session('runSession', app, { command, output: () => {}, ...call })

test('a session gives the input byte for byte and at the pace of its reader', async () => {
  const bytes = randomBytes(10 * 1024 ** 2)
  const input = (async function* () {
    for (let at = 0; at < bytes.length; at += 200_000) yield bytes.subarray(at, at + 200_000)
  })()
  const back: Uint8Array[] = []
  const output = async (_stream: string, data: Uint8Array) => {
    back.push(Uint8Array.from(data))
    if (Math.random() < 0.1) await sleep(1)
  }
  expect(await session(['echo'], { input, output })).toBe(3)
  expect(Buffer.concat(back).equals(bytes)).toBe(true)
  expect(await session(['migrate'])).toBe(7)
})

test('a session gives the terminal its size and changes of it, and says where there is none', async () => {
  const keys = new PassThrough()
  let seen = ''
  let resize: (size: { columns: number; rows: number }) => void = () => {}
  const tty = { columns: 91, rows: 31, term: 'vt100', onResize: (listener: typeof resize) => void (resize = listener), unavailable: (reason: string) => void (seen += ` [${reason}]`) }
  const ended = session(['size'], { input: keys, tty, output: (_stream, data) => void (seen += Buffer.from(data).toString('utf8')) })
  while (!seen.includes(']')) await sleep(10)
  resize({ columns: 70, rows: 20 })
  while (!seen.includes('now')) await sleep(10)
  keys.end()
  expect(await ended).toBe(0)
  expect(seen).toBe('91x31 vt100 [There is none.]now 70x20')
})

test('an input that breaks is told as it is, and ends the command; so does a client that does not keep to the rules, or leaves', async () => {
  const broken = (async function* () {
    yield Buffer.from('x')
    throw new Error('the cable is out')
  })()
  await expect(session(['echo'], { input: broken })).rejects.toThrow('the cable is out')
  await expect(session([])).rejects.toMatchObject({ code: 'USAGE' })
  await expect(session(['echo'], { tty: { columns: 0, rows: 1, onResize: () => {}, unavailable: () => {} } })).rejects.toMatchObject({ code: 'USAGE' })
  await expect(server.client.session('runSession', { ...app, app: 'nope' }, { command: ['ls'], output: () => {} })).rejects.toMatchObject({ code: 'NOT_FOUND' })

  const before = interrupted.length
  const stop = new AbortController()
  // Input that nobody takes must not hide that the client has gone.
  const flood = (async function* () {
    for (;;) {
      yield Buffer.alloc(65_536)
      await sleep(0)
    }
  })()
  const left = session(['wait', 'flooded'], { input: flood, signal: stop.signal }).catch(() => 'left')
  while (!waiting.includes('wait flooded')) await sleep(20)
  await sleep(100)
  stop.abort()
  expect(await left).toBe('left')
  while (interrupted.length === before) await sleep(20)
  expect(interrupted.at(-1)).toBe('wait flooded')
})

test('over TCP a session needs the token and a host of ours, and plain requests are no sessions', async () => {
  const { port, token } = server.server().browser
  const ask = (headers: Record<string, string>, path = '/v1/apps/shop/production/api/run') =>
    new Promise<number>((resolve, reject) => {
      const key = { 'sec-websocket-key': randomBytes(16).toString('base64'), 'sec-websocket-version': '13' }
      request({ host: '127.0.0.1', port, path, headers: { connection: 'Upgrade', upgrade: 'websocket', ...key, ...headers } }, (response) => {
        response.resume()
        resolve(response.statusCode!)
      })
        .on('upgrade', (response, socket) => {
          socket.destroy()
          resolve(response.statusCode!)
        })
        .on('error', reject)
        .end()
    })
  const authorization = `Bearer ${token}`
  expect(await ask({ authorization })).toBe(101)
  expect(await ask({})).toBe(401)
  expect(await ask({ authorization, host: 'evil.example' })).toBe(401)
  expect(await ask({ authorization, origin: 'http://evil.example' })).toBe(401)
  expect(await ask({ authorization }, '/v1/status')).toBe(400)
  expect(await ask({ authorization, upgrade: 'h2c' })).toBe(400)
  expect((await fetch(`http://127.0.0.1:${port}/v1/apps/shop/production/api/run`, { headers: { authorization } })).status).toBe(400)
})
