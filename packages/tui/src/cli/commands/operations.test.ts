import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packSource } from '@pilot/core'
import { PilotError } from '@pilot/core/errors'
import { afterEach, describe, expect, test } from 'vitest'
import { appView, at, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { folderOf, shopManifest } from '../../testing/folder.ts'
import { runCommand, startCommand } from '../../testing/run-command.ts'

const servers: FakeServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})
async function fake(answers: Parameters<typeof startFakeServer>[0] = {}): Promise<FakeServer> {
  const server = await startFakeServer({ putSource: ({ params }) => ({ digest: params.digest, bytes: 1 }), ...answers })
  servers.push(server)
  return server
}
const operations = (server: FakeServer) => server.seen.filter(({ name }) => name === 'startOperation').map(({ body }) => body as Record<string, unknown>)
const url = 'http://127.0.0.1:4110'
const done = { type: 'operation.finished', outcome: 'done', url } as const

describe('up', () => {
  test('of a project sends each source once and every app with its definition', async () => {
    const server = await fake()
    server.script([done])
    await using shop = await folderOf({ 'pilot.yaml': shopManifest, 'api/Dockerfile': 'FROM x\n', 'web/Dockerfile': 'FROM x\n' })
    const ran = await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(ran).toMatchObject({ exit: 0, stdout: `${url}\n` })
    expect(ran.stderr.split('\n')[0]).toBe('project shop · environment production · platform local')
    expect(operations(server)).toEqual([expect.objectContaining({ action: 'up', platform: 'local', project: 'shop', environment: 'production', release: true, force: false })])
    const apps = operations(server)[0]!['apps'] as { definition: { app: object; uses: string[] }; source: { digest: string } }[]
    expect(apps.map(({ definition }) => definition.app)).toEqual([{ project: 'shop', app: 'api', environment: 'production' }, { project: 'shop', app: 'web', environment: 'production' }])
    expect(apps[1]!.definition.uses).toEqual(['api'])
    // Both folders hold the same files, so it is one source.
    expect(server.seen.filter(({ name }) => name === 'putSource').map(({ params }) => params)).toEqual([{ digest: apps[0]!.source.digest }])
  })

  test('names what runs on though the manifest has it no more, and nothing else', async () => {
    const server = await fake({ status: () => ({ ...emptyStatus, apps: [appView(), appView({ app: 'old' }), appView({ app: 'gone', state: 'destroyed' as never }), appView({ app: 'web' })] }) })
    await using shop = await folderOf({ 'pilot.yaml': shopManifest, 'api/Dockerfile': 'FROM x\n', 'web/Dockerfile': 'FROM x\n' })
    server.script([done])
    const { stderr } = await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(stderr.split('\n').filter((line) => line.includes('has it no more'))).toEqual([expect.stringMatching(/old runs on at http:\/\/old\.shop\.localhost:4110, .*`.*destroy old` removes it/)])
    server.script([done])
    expect((await runCommand(['up', '-a', 'api'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).stderr).not.toContain('no more')
  })

  test('sends the Dockerfile that the manifest names, also where .dockerignore leaves it out', async () => {
    const server = await fake()
    server.script([done])
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: ., build: deploy/api.build }, web: { source: . } }\n', '.dockerignore': 'deploy\n', 'deploy/api.build': 'FROM x\n', Dockerfile: 'FROM y\n' })
    expect((await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).exit).toBe(0)
    const [api, web] = operations(server)[0]!['apps'] as { source: { digest: string } }[]
    const sent = server.seen.filter(({ name }) => name === 'putSource').map(({ params }) => (params as { digest: string }).digest)
    expect(new Set(sent)).toEqual(new Set([api!.source.digest, web!.source.digest]))
    expect(api!.source.digest).toBe((await packSource({ dir: shop.path, build: 'deploy/api.build' })).digest)
    expect(api!.source.digest).not.toBe(web!.source.digest)
  })

  test('does not send what the server has, and sends what is small without asking', async () => {
    const server = await fake({ sourceHeld: () => undefined as never })
    server.script([done])
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: . } }\n', Dockerfile: 'FROM x\n', 'photo.raw': 'x'.repeat(300 * 1024) })
    expect((await runCommand(['up', '--no-release', '--force', '-e', 'preview'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect(server.seen.map(({ name }) => name)).toContain('sourceHeld')
    expect(server.seen.map(({ name }) => name)).not.toContain('putSource')

    await using small = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: . } }\n', Dockerfile: 'FROM x\n' })
    const before = server.seen.length
    await runCommand(['up', '--no-release', '--force', '-e', 'preview'], { cwd: small.path, env: { PILOT_HOME: server.home } })
    const asked = server.seen.slice(before).map(({ name }) => name)
    expect(asked).toContain('putSource')
    expect(asked).not.toContain('sourceHeld')
    expect(operations(server)[0]).toMatchObject({ release: false, force: true, environment: 'preview' })
  })

  test('without a release prints where what was staged answers', async () => {
    const server = await fake()
    const staged = { type: 'app.staged', app: 'api', deployment: 'v3', address: 'http://127.0.0.1:4999' } as const
    server.script([staged, { type: 'operation.finished', outcome: 'done' }])
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: . } }\n', Dockerfile: 'FROM x\n' })
    const ran = await runCommand(['up', '--no-release'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(ran).toMatchObject({ exit: 0, stdout: 'http://127.0.0.1:4999\n', stderr: expect.stringContaining('api  v3 staged without traffic at http://127.0.0.1:4999') })
    server.script([staged, { ...staged, app: 'web', address: 'http://127.0.0.1:5000' }, { type: 'operation.finished', outcome: 'done' }])
    expect((await runCommand(['deploy'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).stdout).toBe('api http://127.0.0.1:4999\nweb http://127.0.0.1:5000\n')
  })

  test('makes the local platform when there is none; --json ends once', async () => {
    const findings = [
      { id: 'docker.engine', status: 'warning', explains: 'runtime', title: 'No Docker engine is installed', fix: 'Install it' },
      { id: 'names', status: 'warning', title: 'Something else', fix: 'Fix it' },
    ]
    const server = await fake({ platforms: () => ({ platforms: [] }), planPlatform: () => ({ findings }) as never })
    server.script([done])
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: . } }\n', Dockerfile: 'FROM x\n' })
    const { stdout } = await runCommand(['up', '--json'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(operations(server).map(({ action }) => action)).toEqual(['setup', 'up'])
    expect(stdout.match(/operation\.finished/g)).toHaveLength(1)
    const { stderr } = await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(stderr).toContain('! No Docker engine is installed\n  Fix Install it\n')
    expect(stderr).not.toContain('Something else')
  })

  test('makes no platform that could not run anything, and says what is missing', async () => {
    const problem = { code: 'ENGINE_DENIED', message: 'The engine refuses this user', suggestion: 'Join the group, or `setup local --runtime process`.' }
    const server = await fake({ platforms: () => ({ platforms: [] }), planPlatform: () => ({ findings: [], problem }) as never })
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: . } }\n', Dockerfile: 'FROM x\n' })
    const ran = await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(ran).toMatchObject({ exit: 1, stderr: expect.stringContaining('✗ The engine refuses this user\n  Try  Join the group, or `pilot setup local --runtime process`.\n       (ENGINE_DENIED)') })
    expect(operations(server)).toEqual([])
  })

  test('several platforms and none named: exit 2 and the list', async () => {
    const server = await fake({ platforms: () => ({ platforms: ['local', 'lab'].map((name) => ({ id: name, name, provider: 'local', state: 'ready', createdAt: at, settings: {} })) }) })
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: . } }\n', Dockerfile: 'FROM x\n' })
    expect(await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).toMatchObject({ exit: 2, stderr: expect.stringContaining('(local, lab)') })
    expect(await runCommand(['up', '--platform', 'cloud'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).toMatchObject({ exit: 2, stderr: expect.stringContaining('There is no platform cloud.') })
  })

  test('of a folder without a manifest shows it, and without a terminal wants --yes', async () => {
    const server = await fake()
    await using folder = await folderOf({ 'shop/Dockerfile': 'FROM x\nEXPOSE 80\n' })
    const { exit, stderr } = await runCommand(['up', 'shop'], { cwd: folder.path, env: { PILOT_HOME: server.home } })
    expect(exit).toBe(2)
    expect(stderr).toContain('│ project: shop\n')
    expect(stderr).toContain('Write shop/pilot.yaml and go on?')
    expect(stderr).toContain('Pass `--yes`.')
    expect(existsSync(join(folder.path, 'shop/pilot.yaml'))).toBe(false)
  })

  test('--yes writes the manifest, with the name and the database that were wished', async () => {
    const server = await fake()
    server.script([done])
    await using folder = await folderOf({ 'a/Dockerfile': 'FROM x\n' })
    expect((await runCommand(['up', 'a', '--yes', '--db', '--name', 'store'], { cwd: folder.path, env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect(await readFile(join(folder.path, 'a/pilot.yaml'), 'utf8')).toMatch(/project: store\napps:\n {2}web:\n {4}source: \.\n {4}database: postgres\n/)
    expect(operations(server)[0]).toMatchObject({ project: 'store', apps: [{ definition: { database: { own: true } } }] })
  })

  test('asked in a terminal, no leaves everything as it was: exit 130', async () => {
    const server = await fake()
    await using folder = await folderOf({ Dockerfile: 'FROM x\n' })
    const running = startCommand(['up'], { cwd: folder.path, env: { PILOT_HOME: server.home }, terminal: true })
    await running.printed('Write pilot.yaml and go on?')
    running.type('n')
    expect((await running.done).exit).toBe(130)
    expect(existsSync(join(folder.path, 'pilot.yaml'))).toBe(false)
  })

  test('--plan says what differs and which secrets are missing, and changes nothing', async () => {
    const server = await fake({ deployments: () => ({ deployments: [{ number: 7, source: { digest: 'sha256:other' } }] }) as never, secrets: () => ({ secrets: [] }) })
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps: { api: { source: ., secrets: [JWT_KEY] } }\n', Dockerfile: 'FROM x\n' })
    const { exit, stdout } = await runCommand(['up', '--plan'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(exit).toBe(0)
    expect(stdout).toContain('~ api  source differs from v7: build, deploy, release')
    expect(stdout).toContain('secrets without a value: JWT_KEY; `pilot secret set api KEY` sets one')
    expect(operations(server)).toEqual([])
  })

  test('of another folder than the one the user is in, the hint for a missing secret names the project', async () => {
    const server = await fake()
    const error = { code: 'SECRETS_MISSING', message: 'shop/api (staging) needs the secret JWT_KEY', suggestion: 'Set it with `secret set api JWT_KEY -e staging`.' } as const
    server.script([{ type: 'operation.finished', outcome: 'failed', error }])
    await using folder = await folderOf({ 'shop/pilot.yaml': 'project: shop\napps: { api: { source: ./api, secrets: [JWT_KEY] } }\n', 'shop/api/Dockerfile': 'FROM x\n' })
    const env = { PILOT_HOME: server.home }
    expect((await runCommand(['up', 'shop', '-e', 'staging'], { cwd: folder.path, env })).stderr).toContain('`pilot secret set api JWT_KEY -e staging -p shop`')
    expect((await runCommand(['up', '-e', 'staging'], { cwd: join(folder.path, 'shop/api'), env })).stderr).toContain('`pilot secret set api JWT_KEY -e staging`.')
  })

  test('keys that are not applied are named', async () => {
    const server = await fake()
    server.script([done])
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\napps:\n  api:\n    source: .\n    scale: { max: 3 }\n', Dockerfile: 'FROM x\n' })
    expect((await runCommand(['up'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).stderr).toContain('! api: not applied by this version: scale.max (line 5)')
  })

  test.each([
    [['up', 'nowhere'], 'There is no folder'],
    [['up', 'Dockerfile'], 'is not a folder'],
    [['up', '--name', 'x'], '--name is for a folder without a manifest'],
    [['up', '-p', 'blog'], 'The manifest is of project shop, not of blog.'],
    [['up', '-a', 'wep'], 'Did you mean web?'],
  ])('%j is usage', async (argv, message) => {
    const server = await fake()
    await using shop = await folderOf({ 'pilot.yaml': shopManifest, Dockerfile: '', 'web/Dockerfile': '', 'api/Dockerfile': '' })
    expect(await runCommand(argv, { cwd: shop.path, env: { PILOT_HOME: server.home } })).toMatchObject({ exit: 2, stderr: expect.stringContaining(message) })
    expect(operations(server)).toEqual([])
  })
})

describe('build, deploy, cancel', () => {
  test('build prints the ids; deploy takes one', async () => {
    const server = await fake({ operation: () => ({ id: 'op-1', jobs: [{ result: { build: { id: 'b1' } } }] }) as never })
    server.script([done])
    await using shop = await folderOf({ 'pilot.yaml': shopManifest, 'api/Dockerfile': '', 'web/Dockerfile': '' })
    expect(await runCommand(['build', 'api'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).toMatchObject({ exit: 0, stdout: 'b1\n' })
    expect((await runCommand(['deploy', 'api', '--build', 'b1'], { cwd: shop.path, env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect(operations(server)).toMatchObject([{ action: 'build', apps: [{ definition: { app: { app: 'api' } } }] }, { action: 'deploy', apps: [{ build: 'b1' }] }])
  })

  test('cancel finds the only one under way, waits for its end, and takes the id of a job too', async () => {
    const job = { id: 'job-9', operation: 'op-1', action: 'up', platform: 'local', state: 'running' }
    const server = await fake({ jobs: ({ query }) => ({ jobs: query?.state === 'queued' ? [] : [job] }) as never, cancelOperation: ({ params }) => {
      if (params.id !== 'op-1') throw new PilotError('NOT_FOUND', 'no such operation')
      server.report({ type: 'operation.finished', outcome: 'cancelled' })
      return { id: 'op-1' } as never
    }, operation: () => ({ id: 'op-1', jobs: [] }) as never })
    expect((await runCommand(['cancel'], { env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect((await runCommand(['cancel', 'job-9'], { env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect((await runCommand(['cancel', 'job-1'], { env: { PILOT_HOME: server.home } })).exit).toBe(2)
  })
})

describe('setup', () => {
  const plan = (over: object) => ({ platform: { name: 'acme', provider: 'aws', exists: false }, settings: {}, changes: [{ key: 'server', kind: 'aws/instance', action: 'create', monthly: 12.4, exposure: [{ what: 'port 443', to: 'internet' }] }, { key: 'network', kind: 'aws/vpc', action: 'keep' }], monthly: 12.4, findings: [], hash: 'h1', ...over })

  test('lists providers, third-party ones included', async () => {
    const provider = (name: string, builtIn: boolean) => ({ name, title: `The ${name}`, package: `@x/${name}`, version: '1.0.0', contract: 1, builtIn })
    const server = await fake({ providers: () => ({ providers: [provider('local', true), provider('mine', false)] }) })
    expect(JSON.parse((await runCommand(['setup', '--json'], { env: { PILOT_HOME: server.home } })).stdout)).toMatchObject({ providers: [{ name: 'local' }, { name: 'mine', builtIn: false }] })
    expect((await runCommand(['setup'], { env: { PILOT_HOME: server.home } })).stdout).toContain('mine      The mine    @x/mine 1.0.0')
  })

  test('what costs money is created after a yes only, and exactly as it was shown', async () => {
    const server = await fake({ planPlatform: () => plan({}) as never })
    server.script([{ type: 'operation.finished', outcome: 'done' }])
    const asked = await runCommand(['setup', 'aws', '--name', 'acme', '--set', 'size=2', '--set', 'ha=true'], { env: { PILOT_HOME: server.home } })
    expect(asked).toMatchObject({ exit: 2, stderr: expect.stringContaining('Create this for about $12.40 a month?') })
    expect(asked.stderr).toContain('  + server  aws/instance  $12.40  port 443 is open to the internet\n')
    expect((await runCommand(['setup', 'aws', '--name', 'acme', '--set', 'size=2', '--set', 'ha=true', '--yes'], { env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect(operations(server)).toEqual([{ requestId: expect.any(String), action: 'setup', provider: 'aws', name: 'acme', settings: { size: 2, ha: true }, plan: 'h1' }])
  })

  test('this machine costs nothing, and is set up at once', async () => {
    const server = await fake({ planPlatform: () => plan({ platform: { name: 'local', provider: 'local', exists: false }, changes: [{ key: 'edge', kind: 'local/edge', action: 'create', monthly: 0 }], monthly: 0 }) as never })
    server.script([{ type: 'operation.finished', outcome: 'done' }])
    expect((await runCommand(['setup', 'local', '--runtime', 'process'], { env: { PILOT_HOME: server.home } })).exit).toBe(0)
    expect(operations(server)[0]).toMatchObject({ settings: { runtime: 'process' } })
  })

  test('stops on a problem, after the warnings', async () => {
    const findings = [{ id: 'a', status: 'warning', title: 'Careful', fix: 'Look' }, { id: 'b', status: 'problem', title: 'Refused', fix: 'Join' }]
    const server = await fake({ planPlatform: () => plan({ findings, problem: { code: 'ENGINE_DENIED', message: 'Refused', suggestion: 'Join' } }) as never })
    const { exit, stderr } = await runCommand(['setup', 'local'], { env: { PILOT_HOME: server.home } })
    expect([exit, stderr]).toEqual([1, '! Careful\n  Fix Look\n✗ Refused\n  Try  Join\n       (ENGINE_DENIED)\n'])
    expect(operations(server)).toEqual([])
  })

  test('a file says what the options would, and is what --export prints', async () => {
    const server = await fake({
      planPlatform: ({ body }) => {
        if (!('size' in (body as { settings: object }).settings)) return plan({ changes: [], monthly: 0 }) as never
        throw new PilotError('USAGE', 'The settings do not fit the provider aws', { reason: 'size: too large', details: { settings: [{ path: ['size'], message: 'size: too large' }] } })
      },
      platforms: () => ({ platforms: [{ id: '1', name: 'acme', provider: 'aws', state: 'ready' as const, createdAt: at, settings: { ha: true } }] }),
    })
    server.script([{ type: 'operation.finished', outcome: 'done' }])
    const env = { PILOT_HOME: server.home }
    const exported = await runCommand(['setup', '--export'], { env })
    expect(exported.stdout).toBe('# pilot setup --file platform.yaml\nprovider: aws\nname: acme\nsettings:\n  ha: true\n')
    expect(JSON.parse((await runCommand(['setup', '--export', '--json'], { env })).stdout)).toEqual({ provider: 'aws', name: 'acme', settings: { ha: true } })
    expect((await runCommand(['setup', '--export', '--name', 'other'], { env })).stderr).toContain('There is no platform other\n  Why  There is acme.')

    const file = join(server.home, 'platform.yaml')
    await writeFile(file, exported.stdout)
    expect((await runCommand(['setup', '--file', file], { env })).exit).toBe(0)
    expect(operations(server)).toMatchObject([{ action: 'setup', provider: 'aws', name: 'acme', settings: { ha: true } }])
    expect(await runCommand(['setup', 'aws', '--set', 'a=1', '--file', file], { env })).toMatchObject({ exit: 2, stderr: expect.stringContaining('aws, --set cannot stand beside it') })

    await writeFile(file, 'provider: aws\nsettings:\n  ha: true\n  size: huge\n')
    expect(await runCommand(['setup', '-f', file], { env })).toMatchObject({ exit: 2, stderr: expect.stringContaining(`${file}:4:3: size: too large`) })
    await writeFile(file, 'provider: aws\nsetings: {}\n')
    expect(await runCommand(['setup', '-f', file], { env })).toMatchObject({ exit: 2, stderr: expect.stringContaining('Unknown key `setings`: did you mean `settings`?') })
    await writeFile(file, '')
    expect((await runCommand(['setup', '-f', file], { env })).stderr).toContain('`provider` is missing')
    expect((await runCommand(['setup', '-f', join(server.home, 'none.yaml')], { env })).stderr).toContain('There is no such file.')
  })

  test('--plan shows and changes nothing', async () => {
    const change = { platform: { name: 'local', provider: 'local', exists: true }, changes: [], monthly: 0, changedSettings: [{ name: 'runtime', from: 'docker', to: 'process' }] }
    expect((await runCommand(['setup', 'local', '--runtime', 'process', '--plan'], { env: { PILOT_HOME: (await fake({ planPlatform: () => plan(change) as never })).home } })).stdout).toBe('Platform local (local): 1 change\n  ~ runtime  docker → process\n')
    const server = await fake({ planPlatform: () => plan({}) as never })
    expect(JSON.parse((await runCommand(['setup', 'aws', '--plan', '--json'], { env: { PILOT_HOME: server.home } })).stdout)).toMatchObject({ hash: 'h1', monthly: 12.4 })
    expect(operations(server)).toEqual([])
  })
})

describe('destroy', () => {
  const two = () => ({ ...emptyStatus, platforms: [{ id: '1', name: 'local', provider: 'local', state: 'ready' as const, createdAt: at, settings: {} }], apps: [appView(), appView({ app: 'web' })] })
  const run = (server: FakeServer, ...argv: string[]) => runCommand(['destroy', ...argv], { env: { PILOT_HOME: server.home } })

  test('with nothing named: exit 2 and the list', async () => {
    const server = await fake({ status: two })
    const { exit, stderr } = await run(server)
    expect(exit).toBe(2)
    for (const line of ['pilot destroy api -p shop -e production', 'pilot destroy --project shop', 'pilot destroy --platform local']) expect(stderr).toContain(line)
    expect((await run(server, '-p', 'shop', '--yes')).exit).toBe(2)
    expect(operations(server)).toEqual([])
  })

  test.each([
    [['api', '-p', 'shop', '--yes'], { action: 'destroy-app', app: { project: 'shop', app: 'api', environment: 'production' }, deleteData: false }],
    [['api', '-p', 'shop', '--platform', 'local', '--yes'], { action: 'destroy-app', platform: 'local', deleteData: false }],
    [['api', '-p', 'shop', '--no-hooks', '--yes'], { action: 'destroy-app', deleteData: false, hooks: false }],
    [['--project', 'shop', '--yes'], { action: 'destroy-project', project: 'shop', deleteData: false }],
    [['--project', 'shop', '-e', 'preview', '--delete-data', '--yes'], { action: 'destroy-project', environment: 'preview', deleteData: true }],
    [['--platform', 'local', '--yes'], { action: 'destroy-platform', platform: 'local', deleteData: false }],
  ])('%j', async (argv, request) => {
    const server = await fake({ status: two, app: () => appView() })
    expect((await run(server, ...argv)).exit).toBe(0)
    expect(operations(server)).toEqual([expect.objectContaining(request)])
  })

  test('says what goes before it asks, and what was kept when it is done', async () => {
    const kept = [{ key: 'database', kind: 'local/database', title: 'shop_api_a55aa9', monthlyCost: 0 }]
    const server = await fake({ status: two, app: () => appView(), operation: () => ({ id: 'op-1', jobs: [{ result: { deleted: ['x'], kept } }] }) as never })
    const { stderr } = await run(server, 'api', '-p', 'shop', '--yes')
    expect(stderr).toContain('Destroys app api of shop, production\n  - shop/api, production on local, http://api.shop.localhost:4110\n  = databases, volumes and backups are kept\n')
    expect(stderr).toContain('Kept:\n  database shop_api_a55aa9 on this machine\n`pilot destroy api -p shop --delete-data` deletes it.\n')
    expect((await run(server, 'api', '-p', 'shop', '-e', 'staging', '--yes')).stderr).toContain('`pilot destroy api -p shop -e staging --delete-data` deletes it.\n')
    kept.push({ key: 'volume', kind: 'aws/rds-instance', title: 'db-1', monthlyCost: 12.4 })
    expect((await run(server, '--project', 'shop', '--yes')).stderr).toContain('  rds instance db-1 on aws, $12.40 a month\n`pilot destroy --project shop --delete-data` deletes them.\n')
    expect((await run(server, '--platform', 'local', '--yes', '--delete-data')).stderr).not.toContain('deletes')
  })

  test('of an app that others use says who, also where nobody is asked', async () => {
    const using = (app: string, uses: readonly string[], canary?: object) => {
      const view = appView({ app })
      return { ...view, status: { ...view.status, deployment: { run: { uses } }, ...(canary === undefined ? {} : { canary }) } } as unknown as ReturnType<typeof appView>
    }
    const apps = [using('api', []), using('web', ['mailer', 'api'])]
    const server = await fake({ status: ({ query }) => ({ ...emptyStatus, apps: query.project === 'shop' && query.environment === 'production' && query.platform === 'local' ? apps : [] }), app: () => apps[0]! })
    expect((await run(server, 'api', '-p', 'shop', '--yes', '--quiet')).stderr).toContain('  ! web uses api, and will get no answer from it.\n')
    apps.push(using('admin', [], { deployment: { run: { uses: ['api'] } } }), using('mailer', []), appView({ app: 'stopped' }))
    expect((await run(server, 'api', '-p', 'shop', '--yes')).stderr).toContain('databases, volumes and backups are kept\n  ! web and admin use api, and will get no answer from it.\n')
    const { stdout } = await run(server, 'api', '-p', 'shop', '--yes', '--json')
    expect(stdout.split('\n').map((line) => (line === '' ? {} : (JSON.parse(line) as object)))).toContainEqual(expect.objectContaining({ type: 'notice', level: 'warning', text: 'web and admin use api, and will get no answer from it.' }))
    apps.splice(1, 2)
    expect((await run(server, 'api', '-p', 'shop', '--yes')).stderr).not.toContain('no answer')
  })

  test('of an app that is not there lists those that are', async () => {
    await using shop = await folderOf({ 'pilot.yaml': 'project: my-app\napps: { web: { source: . } }\n' })
    const server = await fake({ status: () => ({ ...emptyStatus, apps: [appView({ project: 'my-app', app: 'web' })] }) })
    const { exit, stderr } = await runCommand(['destroy', 'api', '--yes'], { cwd: shop.path, env: { PILOT_HOME: server.home } })
    expect(exit).toBe(2)
    expect(stderr).toContain('Project my-app has no app api.\n  Try  Its apps: web.\n')
  })

  test('in a protected environment its name must be typed', async () => {
    await using shop = await folderOf({ 'pilot.yaml': 'project: shop\nenvironments: { production: { platform: local, protected: true } }\napps: { api: { source: . } }\n' })
    const server = await fake({ status: two, app: () => appView() })
    const running = startCommand(['destroy', 'api'], { cwd: shop.path, env: { PILOT_HOME: server.home }, terminal: true })
    await running.printed('Type production to go on')
    running.type('yes\r')
    expect((await running.done).exit).toBe(130)
    expect(operations(server)).toEqual([])
    const again = startCommand(['destroy', 'api'], { cwd: shop.path, env: { PILOT_HOME: server.home }, terminal: true })
    await again.printed('Type production to go on')
    again.type('production\r')
    expect((await again.done).exit).toBe(0)
    expect(operations(server)).toEqual([expect.objectContaining({ action: 'destroy-app', deleteData: false })])
  })

  test('data goes in a terminal only when the name is typed', async () => {
    const server = await fake({ status: two, app: () => appView() })
    const running = startCommand(['destroy', 'api', '-p', 'shop', '--delete-data'], { env: { PILOT_HOME: server.home }, terminal: true })
    await running.printed('Type api to go on')
    running.type('y\r')
    expect((await running.done).exit).toBe(130)
    expect(operations(server)).toEqual([])
  })
})

describe('state', () => {
  test('history of a damaged state says so, and lists what can be gone back to', async () => {
    const problem = { code: 'STATE_CORRUPT' as const, message: '00000002.json cannot be read', reason: 'it is cut off', suggestion: 'See `state restore VERSION`.' }
    const server = await fake({
      status: () => ({ ...emptyStatus, apps: [appView()] }),
      stateHistory: ({ params }) => ({ scope: params.scope, versions: [{ version: 2, at }, { version: 1, at }], resources: [], problem }),
      scopes: () => ({ scopes: [{ scope: 'app/shop/api/production', platform: 'local', version: 2, at, resources: 0, problem }] }),
    })
    const run = (...argv: string[]) => runCommand(['state', 'history', ...argv], { env: { PILOT_HOME: server.home } })
    const { exit, stdout } = await run('-p', 'shop')
    expect(exit).toBe(0)
    expect(stdout).toMatch(/00000002\.json cannot be read\n.*it is cut off\n.*state restore VERSION[^]*VERSION +WRITTEN\n2 [^]*\n1 /)
    expect((await run('--all')).stdout).toMatch(/app\/shop\/api\/production +local +2 .* cannot be read/)
  })

  test('history, restore and forget', async () => {
    const server = await fake({
      status: () => ({ ...emptyStatus, apps: [appView()] }),
      stateHistory: ({ params }) => ({ scope: params.scope, versions: [{ version: 2, at }], resources: [{ key: 'network', kind: 'local/network', id: 'n1', status: 'ready', generation: 1 }] }),
      restoreState: ({ params }) => ({ scope: params.scope, version: 3 }),
      forgetResource: ({ params }) => ({ scope: params.scope, version: 3 }),
    })
    const run = (...argv: string[]) => runCommand(['state', ...argv, '-p', 'shop'], { env: { PILOT_HOME: server.home } })
    expect((await run('history')).stdout).toContain('network   local/network  ready   n1')
    expect((await run('restore', '1')).exit).toBe(2)
    expect(await run('restore', '1', '--yes')).toMatchObject({ exit: 0, stdout: 'Version 1 is restored as version 3.\n' })
    expect(await run('forget', 'api', 'network', '--yes')).toMatchObject({ exit: 0, stdout: 'Forgot network.\n' })
    expect(server.seen.findLast(({ name }) => name === 'forgetResource')).toMatchObject({ params: { scope: 'app/shop/api/production' }, body: { key: 'network' } })
  })
})
