import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { listPlatforms, platformDir } from '@pilot/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failStatus } from '../testing/fake-provider.ts'
import { definition, eventsOf, sentSource, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }

let server: TestServer

async function collect<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of iterable) items.push(item)
  return items
}

beforeAll(async () => {
  server = await testServer()
  await server.setup()
})
afterAll(() => server[Symbol.asyncDispose]())

describe('from source to a URL', () => {
  test('up reports its phases, ends with the URL of the main app, and status shows what runs', async () => {
    const { client } = server
    const apps = [definition('web', { uses: ['api'] }), definition('api', { env: { LOG_LEVEL: 'info' } })]
    const { operation, created } = await client.request('startOperation', { body: await upRequest(client, apps) })
    expect(created).toBe(true)
    expect(operation.jobs.map(({ app, after }) => [app?.app, after])).toEqual([['api', []], ['web', [`${operation.id}-1`]]])

    const events = await eventsOf(client, operation.id)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(events[0]).toMatchObject({ v: 1, type: 'operation.started', action: 'up', project: 'shop', apps: ['api', 'web'], operation: operation.id })
    const phases = events.flatMap((event) => (event.type === 'phase.finished' ? [`${event.app} ${event.phase} ${event.outcome}`] : []))
    expect(phases).toEqual(['api build done', 'api deploy done', 'api release done', 'web build done', 'web deploy done', 'web release done'].flatMap((line) => (phases.includes(line) ? [line] : [`missing: ${line}`])).concat(phases.filter((line) => !/ (build|deploy|release) done$/.test(line))))
    expect(events.at(-1)).toMatchObject({ type: 'operation.finished', outcome: 'done', url: expect.stringContaining('web') })

    const status = await client.request('status', { query: { project: 'shop' } })
    expect(status.platforms).toMatchObject([{ name: 'fake', provider: 'fake', state: 'ready' }])
    expect(status.apps.map(({ status, platform }) => [status.app.app, status.state, platform])).toEqual([['api', 'live', 'fake'], ['web', 'live', 'fake']])
    expect(status.jobs).toEqual([])
    expect(status.apps[0]!.actions).toMatchObject({ rollback: { allowed: true }, start: { allowed: false, reason: expect.stringContaining('Only what was stopped is started') } })
    expect(await server.cloud.violations()).toEqual([])
  })

  test('the same again changes nothing and says so', async () => {
    const { client } = server
    const operation = await server.run(await upRequest(client, [definition('api', { env: { LOG_LEVEL: 'info' } })]))
    expect(operation).toMatchObject({ state: 'done', url: expect.stringContaining('api'), jobs: [{ result: { changed: false } }] })
  })

  test('a request with the same requestId returns the first operation, also when both arrive at once', async () => {
    const { client } = server
    const body = { action: 'restart', app, requestId: 'request-0001' } as const
    const both = await Promise.all([client.request('startOperation', { body }), client.request('startOperation', { body })])
    const third = await client.request('startOperation', { body })
    expect(new Set([...both, third].map(({ operation }) => operation.id)).size).toBe(1)
    expect(both.map(({ created }) => created).sort()).toEqual([false, true])
    expect(third.created).toBe(false)
    expect((await eventsOf(client, third.operation.id)).at(-1)).toMatchObject({ outcome: 'done' })
  })

  test('rollback, stop and start, with releases and deployments as records', async () => {
    const { client } = server
    await server.run(await upRequest(client, [definition('api', { env: { LOG_LEVEL: 'debug' } })]))
    const { deployments } = await client.request('deployments', { params: app })
    expect(deployments[0]).toMatchObject({ number: deployments.length, app })

    expect(await server.run({ action: 'rollback', app })).toMatchObject({ state: 'done', jobs: [{ result: { release: { kind: 'rollback' } } }] })
    const { releases, current } = await client.request('releases', { params: app, query: { limit: 2 } })
    expect(releases).toHaveLength(2)
    expect(releases[0]).toMatchObject({ kind: 'rollback', number: current, by: 'ada@test' })

    await server.run({ action: 'stop', app })
    expect((await client.request('app', { params: app })).status.state).toBe('stopped')
    await server.run({ action: 'start', app })
    expect((await client.request('app', { params: app })).status.state).toBe('live')
  })

  test('build and deploy alone leave the traffic where it is; release moves it', async () => {
    const { client } = server
    const source = await sentSource(client, { 'index.html': 'another' })
    const api = definition('api')
    const built = await server.run({ action: 'build', project: 'shop', environment: 'production', apps: [{ definition: api, source }] })
    expect(built.jobs[0]!.result).toMatchObject({ build: { source: { digest: source.digest } } })
    const before = (await client.request('releases', { params: app })).current
    const deployed = await server.run({ action: 'deploy', project: 'shop', environment: 'production', apps: [{ definition: api }] })
    expect(deployed).toMatchObject({ state: 'done', jobs: [{ result: { deployment: { source: { digest: source.digest } } } }] })
    expect((await client.request('releases', { params: app })).current).toBe(before)
    const staged = await client.request('deployments', { params: app })
    expect(staged.unreleased).toEqual([staged.deployments[0]!.id])
    await server.run({ action: 'release', app })
    expect((await client.request('deployments', { params: app, query: { limit: 1 } })).unreleased).toEqual([])
    expect((await client.request('releases', { params: app })).current).toBe(before! + 1)
  })
})

describe('configuration', () => {
  test('env set releases at once; env list names the source of each value', async () => {
    const { client } = server
    await server.run(await upRequest(client, [definition('api', { env: { LOG_LEVEL: 'info', REGION: 'eu' } })]))
    await server.run({ action: 'configure', app, set: { LOG_LEVEL: 'trace' } })
    const env = await client.request('env', { params: app })
    expect(env.values).toEqual([
      { key: 'LOG_LEVEL', source: 'env set', value: 'trace', hides: ['manifest'] },
      { key: 'PORT', source: 'platform', from: 'port' },
      { key: 'REGION', source: 'manifest', value: 'eu' },
    ])
    expect(env.released).toBe(env.version)
    await server.run({ action: 'configure', app, unset: ['LOG_LEVEL'], stage: true })
    expect(await client.request('env', { params: app })).toMatchObject({ released: env.version, version: env.version + 1, pending: { why: 'staged', names: ['LOG_LEVEL'] } })
  })

  test('versions: history, difference, and a way back', async () => {
    const { client } = server
    await server.run(await upRequest(client, [definition('api', { env: { REGION: 'eu' } })]))
    await server.run({ action: 'configure', app, set: { LOG_LEVEL: 'one' } })
    const { version } = await client.request('env', { params: app })
    await server.run({ action: 'configure', app, set: { LOG_LEVEL: 'two' } })
    const change = { name: 'LOG_LEVEL', before: { source: 'env set', value: 'one' }, after: { source: 'env set', value: 'two' } }
    expect((await client.request('envHistory', { params: app })).versions[0]).toMatchObject({ version: version + 1, released: true, changes: [change] })
    expect(await client.request('envDiff', { params: app, query: { from: version, to: 'next' } })).toEqual({ from: version, to: 'next', changes: [change] })
    expect(await client.request('envDiff', { params: app })).toMatchObject({ changes: [] })
    await server.run({ action: 'configure', app, restore: version })
    expect(await client.request('env', { params: app })).toMatchObject({ version: version + 2, released: version + 2, values: expect.arrayContaining([{ key: 'LOG_LEVEL', source: 'env set', value: 'one' }]) })
    expect(await server.run({ action: 'configure', app, restore: 99 })).toMatchObject({ state: 'failed', error: { code: 'NOT_FOUND' } })
    await expect(client.request('envDiff', { params: app, query: { from: 99 } })).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('99') })
  })

  test('secrets show names and versions only, and take effect with the operation', async () => {
    const { client } = server
    const stored = await client.request('putSecrets', { params: app, body: { values: { JWT_KEY: 'very-secret-value' } } })
    expect(stored).toEqual({ stored: [{ name: 'JWT_KEY', version: 1 }] })
    expect(await client.request('putSecrets', { params: app, body: { values: { JWT_KEY: 'very-secret-value' } } })).toEqual(stored)
    expect((await client.request('secrets', { params: app })).secrets).toMatchObject([{ name: 'JWT_KEY', version: 1, released: false }])
    await server.run({ action: 'secret', app })
    const answers = [await client.request('secrets', { params: app }), await client.request('env', { params: app }), await client.request('jobs')]
    expect(answers[0]).toMatchObject({ secrets: [{ name: 'JWT_KEY', version: 1, released: true }] })
    expect(JSON.stringify(answers)).not.toContain('very-secret-value')

    await client.request('removeSecret', { params: { ...app, name: 'JWT_KEY' } })
    expect((await client.request('secrets', { params: app })).secrets).toEqual([])
    await expect(client.request('removeSecret', { params: { ...app, name: 'JWT_KEY' } })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('a secret may be set before the first deployment', async () => {
    const { client } = server
    const params = { ...app, app: 'new' }
    await client.request('putSecrets', { params, body: { values: { TOKEN: 'abcdefgh' } } })
    expect((await client.request('secrets', { params })).secrets).toMatchObject([{ name: 'TOKEN', version: 1 }])
    const up = await upRequest(client, [definition('new', { secrets: ['TOKEN', 'OTHER'] })])
    await expect(server.run(up)).rejects.toMatchObject({ code: 'SECRETS_MISSING', details: { missing: ['OTHER'] } })
    const both = await upRequest(client, [definition('new', { secrets: ['OTHER'] }), definition('newer', { secrets: ['A', 'B'] })])
    await expect(server.run(both)).rejects.toMatchObject({ message: 'shop/new needs the secret OTHER; shop/newer needs the secrets A, B', suggestion: 'Set each with `secret set new OTHER`, `secret set newer A`, `secret set newer B`.' })
  })

  test('of an app that was never deployed are shown and can be destroyed, with the app or with its project', async () => {
    const { client, home } = server
    const params = { project: 'quiet', app: 'never', environment: 'production' }
    const boxes = async () => (await readdir(join(platformDir(home.dir, (await listPlatforms(home.dir))[0]!.id), 'secrets'), { recursive: true })).filter((path) => path.includes('quiet') && path.endsWith('.box'))
    for (const destroy of [{ action: 'destroy-app', app: params }, { action: 'destroy-project', project: 'quiet' }] as const) {
      await client.request('putSecrets', { params, body: { values: { TOKEN: 'abcdefgh' } } })
      expect(await boxes()).toHaveLength(1)
      expect((await client.request('app', { params })).status.state).toBe('absent')
      expect(await server.run(destroy)).toMatchObject({ state: 'done' })
      expect(await boxes()).toEqual([])
      await expect(client.request('startOperation', { body: destroy })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    }
  })

  test('a project goes in the order of what is live, also when the newest deployment never became healthy', async () => {
    const of = (name: string, changes: Parameters<typeof definition>[1] = {}) => ({ ...definition(name, changes), app: { project: 'order', app: name, environment: 'production' } })
    const up = async (...apps: ReturnType<typeof of>[]) => server.run({ ...(await upRequest(server.client, apps)), project: 'order' })
    await up(of('b-store', { database: { own: true } }), of('a-reader', { database: { from: 'b-store' } }))
    expect(await up(of('a-reader', { env: { PILOT_FAKE_HEALTH: 'unhealthy' } }))).toMatchObject({ state: 'failed' })
    expect(await server.run({ action: 'destroy-project', project: 'order', deleteData: true })).toMatchObject({ state: 'done', jobs: [{ app: { app: 'a-reader' } }, { app: { app: 'b-store' } }] })
  })

  test('a build argument that holds a secret is refused, without saying which value', async () => {
    const { client } = server
    const leaky = definition('leaky', { buildArgs: { NOTE: 'tell hunter2-hunter2' } })
    await client.request('putSecrets', { params: leaky.app, body: { values: { PASSWORD: 'hunter2-hunter2' } } })
    const operation = await server.run(await upRequest(client, [leaky]))
    expect(operation.error).toMatchObject({ code: 'SECRET_IN_BUILD_ARGUMENT' })
    expect(JSON.stringify([operation, await eventsOf(client, operation.id)])).not.toContain('hunter2')
  })

  test('a secret that is a piece of a number, or a word of ours, breaks no job, event or error', async () => {
    const { client } = server
    const pin = definition('pin', { memoryBytes: 512 * 1024 ** 2 })
    await client.request('putSecrets', { params: pin.app, body: { values: { PIN: '536870', WORD: 'deployment', TYPE: 'phase.started' } } })
    const operation = await server.run(await upRequest(client, [pin]))
    expect(operation).toMatchObject({ state: 'done', jobs: [{ result: { deployment: { run: { memoryBytes: 536870912 } } } }] })
    expect((await eventsOf(client, operation.id)).filter(({ type }) => type === 'phase.started').length).toBeGreaterThan(0)
    const failed = await server.run(await upRequest(client, [pin], { 'index.html': 'fail with 536870' }))
    expect(failed.error).toMatchObject({ code: 'BUILD_FAILED', message: 'The page says fail with [redacted]' })
  })

  test('secrets that a build prints stand neither in its log nor in events, errors and jobs', async () => {
    const { client } = server
    const leaky = definition('leaky')
    const secret = 'hunter2-hunter2'
    const page = `print and fail: ${secret} ${Buffer.from(secret).toString('base64')}`
    const operation = await server.run(await upRequest(client, [leaky], { 'index.html': page }))
    const log = (await collect(client.log(operation.id))).map(({ text }) => text).join('')
    expect(operation.error).toMatchObject({ code: 'BUILD_FAILED', message: 'The page says print and fail: [redacted] [redacted]', details: { log: ['print and fail: [redacted] [redacted]'] } })
    expect(log).toBe('print and fail: [redacted] [redacted]\n')
    const said = JSON.stringify([operation, await eventsOf(client, operation.id), await client.request('jobs')])
    expect(said).not.toContain(secret)
    expect(said).not.toContain(Buffer.from(secret).toString('base64'))
  })
})

describe('logs', () => {
  test('build output is read by byte offset, with the name of the app when there are several', async () => {
    const { client } = server
    const operation = await server.run(await upRequest(client, [definition('one', { buildArgs: { COLOUR: 'blue' } }), definition('two', { buildArgs: { COLOUR: 'grün' } })]))
    const chunks = await collect(client.log(operation.id))
    const text = chunks.map((chunk) => chunk.text).join('')
    expect(text.split('\n').sort()).toEqual(['', 'one | COLOUR is blue', 'one | building shop/one (production)', 'two | COLOUR is grün', 'two | building shop/two (production)'])
    expect(chunks.at(-1)!.offset).toBe(Buffer.byteLength(text))
    const rest = await collect(client.log(operation.id, { offset: 10 }))
    expect(rest.map((chunk) => chunk.text).join('')).toBe(Buffer.from(text).subarray(10).toString())
  })

  test('lines of an app, from the end, and on from a cursor', async () => {
    const { client } = server
    const tail = await collect(client.logs(app, { tail: 2 }))
    expect(tail.map(({ text }) => text)).toEqual(['line 3', 'line 4'])
    const rest = await collect(client.logs(app, { cursor: '2' }))
    expect(rest.map(({ text }) => text)).toEqual(['line 3', 'line 4'])
    const stop = new AbortController()
    for await (const { text } of client.logs(app, { follow: true, signal: stop.signal })) if (text === 'line 4') stop.abort()
  })
})

test('the log of one deployment, by number or id; an unknown one is told with those that there are', async () => {
  const { client } = server
  const { deployments } = await client.request('deployments', { params: app })
  const { id, number } = deployments[0]!
  for (const deployment of [id, `v${number}`, String(number)]) expect((await collect(client.logs(app, { deployment }))).map((line) => line.deployment)).toContain(id)
  await expect(collect(client.logs(app, { deployment: 'v999' }))).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'shop/api has no deployment v999', reason: expect.stringContaining(`v${number} (${id})`) })
})

describe('what the server says about itself', () => {
  test('info, doctor and providers', async () => {
    const { client } = server
    expect(await client.request('info')).toMatchObject({ api: 1, pid: process.pid, home: server.home.dir, jobs: { running: 0, queued: 0 } })
    const { providers } = await client.request('providers', { query: { check: true } })
    expect(providers.find(({ name }) => name === 'fake')).toMatchObject({ title: 'The fake cloud', settings: { properties: { url: { type: 'string' } } }, findings: [{ status: 'ok' }] })
    const { findings } = await client.request('doctor')
    expect(findings).toContainEqual(expect.objectContaining({ about: 'server', status: 'ok' }))
    expect(findings).toContainEqual(expect.objectContaining({ about: 'fake', status: 'ok' }))
  })

  test('status tells what it knows while the provider cannot be asked', async () => {
    const { client } = server
    await server.cloud.configure({ faults: [] })
    expect((await client.request('app', { params: app })).problem).toBeUndefined()
    failStatus.because = 'The engine sleeps'
    const view = await client.request('app', { params: app })
    const { apps } = await client.request('status', { query: { project: 'shop' } })
    failStatus.because = undefined
    expect(view).toMatchObject({ status: { state: 'unhealthy', release: { app } }, problem: { message: 'The engine sleeps' } })
    expect(apps.find(({ status }) => status.app.app === 'api')!.problem?.message).toBe('The engine sleeps')
  })

  test('activity tells who did what', async () => {
    const { client } = server
    const seen: unknown[] = []
    const stop = new AbortController()
    const following = (async () => {
      for await (const { what, by, action, text } of client.activity({ signal: stop.signal })) {
        seen.push({ what, by, action, text })
        if (what === 'operation.finished') return
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 200))
    await client.request('putSecrets', { params: app, body: { values: { A_KEY: 'some value' } } })
    await server.run({ action: 'restart', app })
    await following
    expect(seen).toEqual([
      { what: 'secret.set', by: 'ada@test', action: undefined, text: 'set A_KEY of shop/api' },
      { what: 'operation.started', by: 'ada@test', action: 'restart', text: 'restart of shop/api on fake started' },
      { what: 'operation.finished', by: 'ada@test', action: 'restart', text: 'restart of shop/api on fake done' },
    ])
  })

  test('scopes, their history, restore and forget', async () => {
    const { client } = server
    const scope = 'app/shop/api/production'
    const { scopes } = await client.request('scopes')
    expect(scopes.find((each) => each.scope === scope)).toMatchObject({ platform: 'fake', resources: expect.any(Number) })
    const history = await client.request('stateHistory', { params: { scope } })
    const [newest] = history.versions
    const traffic = history.resources.find(({ key }) => key === 'traffic')!
    expect(await client.request('forgetResource', { params: { scope }, body: { key: traffic.key } })).toEqual({ scope, version: newest!.version + 1 })
    expect((await client.request('stateHistory', { params: { scope } })).resources.map(({ key }) => key)).not.toContain('traffic')
    await client.request('restoreState', { params: { scope }, body: { version: newest!.version } })
    expect((await client.request('stateHistory', { params: { scope } })).resources.map(({ key }) => key)).toContain('traffic')
    await expect(client.request('restoreState', { params: { scope }, body: { version: 999 } })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('requests that cannot be', () => {
  test.each([
    ['an unknown operation', () => server.client.request('operation', { params: { id: 'nothing' } }), 'NOT_FOUND'],
    ['an unknown app', () => server.client.request('app', { params: { ...app, app: 'nobody' } }), 'NOT_FOUND'],
    ['an action on an unknown app', () => server.client.request('startOperation', { body: { action: 'restart', app: { ...app, app: 'nobody' } } }), 'NOT_FOUND'],
    ['an unknown platform', () => server.client.request('startOperation', { body: { action: 'restart', app, platform: 'mars' } }), 'NOT_FOUND'],
    ['an unknown provider', () => server.client.request('planPlatform', { body: { provider: 'mars' } }), 'NOT_FOUND'],
    ['settings that do not fit', () => server.client.request('planPlatform', { body: { provider: 'fake', name: 'other', settings: { url: 5 } } }), 'USAGE'],
    ['a name that is none', () => server.client.request('app', { params: { ...app, app: '../../etc' } }), 'USAGE'],
    ['a secret with a bad name', () => server.client.request('putSecrets', { params: app, body: { values: { 'A-B': 'x' } } }), 'USAGE'],
    ['an action that does not exist', () => server.client.request('startOperation', { body: { action: 'explode' } as never }), 'USAGE'],
    ['an app of another project', async () => server.client.request('startOperation', { body: { ...(await upRequest(server.client, [definition('api')])), project: 'other' } }), 'USAGE'],
    ['a source that was not sent', () => server.client.request('startOperation', { body: { action: 'build', project: 'shop', environment: 'production', apps: [{ definition: definition(), source: { digest: `sha256:${'0'.repeat(64)}` } }] } }), 'NOT_FOUND'],
    ['other settings for a platform that is set up', () => server.client.request('planPlatform', { body: { provider: 'fake', settings: { url: 'http://127.0.0.1:1' } } }), 'NOT_ALLOWED_NOW'],
  ])('%s', async (_, request, code) => {
    await expect(request()).rejects.toMatchObject({ code })
  })

  test('a plan that is no longer right is refused', async () => {
    expect(await server.run({ action: 'setup', provider: 'fake', plan: 'something else' })).toMatchObject({ state: 'failed', error: { code: 'PLAN_STALE' } })
    const plan = await server.client.request('planPlatform', { body: { provider: 'fake' } })
    expect(plan).toMatchObject({ platform: { name: 'fake', exists: true }, changes: [{ key: 'network', action: 'keep' }] })
    expect(await server.run({ action: 'setup', provider: 'fake', plan: plan.hash! })).toMatchObject({ state: 'done', jobs: [{ result: { changed: false } }] })
  })

  test('a plan for a platform that does not exist leaves nothing behind', async () => {
    const plan = await server.client.request('planPlatform', { body: { provider: 'fake', name: 'second', settings: { url: server.cloud.url } } })
    expect(plan).toMatchObject({ platform: { name: 'second', exists: false }, changes: [{ key: 'network', action: 'create', unpriced: 'networks are free' }] })
    expect((await server.client.request('platforms')).platforms.map(({ name }) => name)).toEqual(['fake'])
  })
})

describe('at the end', () => {
  test('a platform is destroyed with its apps, and nothing is left', async () => {
    const { client } = server
    const destroyed = await server.run({ action: 'destroy-platform', platform: 'fake', deleteData: true })
    expect(destroyed.state).toBe('done')
    expect(destroyed.jobs.at(-1)).toMatchObject({ action: 'destroy-platform', after: destroyed.jobs.slice(0, -1).map(({ id }) => id) })
    expect(destroyed.jobs.length).toBeGreaterThan(1)
    expect((await client.request('platforms')).platforms).toEqual([])
    expect(await server.cloud.resources()).toEqual([])
    expect(await server.cloud.violations()).toEqual([])
  })
})
