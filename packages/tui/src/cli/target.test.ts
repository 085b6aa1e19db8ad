import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { appView, emptyStatus, startFakeServer, type FakeServer } from '../testing/fake-server.ts'
import { folderOf, shopManifest, type Folder } from '../testing/folder.ts'
import { runCommand, startCommand } from '../testing/run-command.ts'
import { processTerminal } from './terminal.ts'

let server: FakeServer
let shop: Folder
beforeEach(async () => {
  server = await startFakeServer({ app: () => appView(), status: ({ query }) => ({ ...emptyStatus, apps: [appView(), appView({ project: 'blog', app: 'web' })].filter(({ status }) => query?.project === undefined || status.app.project === query.project) }) })
  shop = await folderOf({ 'pilot.yaml': shopManifest, 'api/server.js': '', 'web/deep/file': '' })
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await shop[Symbol.asyncDispose]()
})

const run = (argv: string[], { cwd = shop.path, ...rest }: Parameters<typeof runCommand>[1] = {}) => runCommand(argv, { cwd, env: { PILOT_HOME: server.home }, ...rest })
const asked = () => server.seen.findLast(({ name }) => name === 'app')

describe('the project', () => {
  test('is that of the nearest manifest upwards', async () => {
    expect((await run(['open', 'api', '--print'], { cwd: join(shop.path, 'web/deep') })).exit).toBe(0)
    expect(asked()).toMatchObject({ params: { project: 'shop', app: 'api', environment: 'production' }, query: { platform: 'local' } })
  })

  test('is looked for from --dir on', async () => {
    expect((await run(['open', 'api', '--print', '-C', 'web'], { cwd: shop.path })).exit).toBe(0)
    expect((await run(['open', 'api', '--print', '--dir', shop.path], { cwd: '/' })).exit).toBe(0)
  })

  test('may be named from anywhere, and then needs no manifest', async () => {
    expect((await run(['open', '-p', 'shop', '-a', 'api', '--print'], { cwd: '/' })).exit).toBe(0)
    expect(asked()!.query).toEqual({})
  })

  test('without manifest and name: exit 2, and the projects that there are', async () => {
    const { exit, stderr } = await run(['open'], { cwd: '/' })
    expect(exit).toBe(2)
    expect(stderr).toContain('There is no pilot.yaml in / or above it.')
    expect(stderr).toContain('name it with -p: blog, shop.')
  })

  test('without manifest and name: the only one that the home knows, in the environment that is asked for', async () => {
    const staged = { ...appView(), status: { ...appView().status, app: { project: 'shop', app: 'web', environment: 'staging' } } }
    await using one = await startFakeServer({ app: () => appView(), status: ({ query }) => ({ ...emptyStatus, apps: [appView(), staged].filter(({ status }) => query?.environment === undefined || status.app.environment === query.environment) }) })
    const only = { cwd: '/', env: { PILOT_HOME: one.home } }
    const params = () => one.seen.findLast(({ name }) => name === 'app')?.params
    expect(await run(['open', '--print'], only)).toMatchObject({ exit: 0, stdout: 'http://api.shop.localhost:4110\n' })
    expect(params()).toEqual({ project: 'shop', app: 'api', environment: 'production' })
    expect((await run(['open', '--print', '-e', 'staging'], only)).exit).toBe(0)
    expect(params()).toEqual({ project: 'shop', app: 'web', environment: 'staging' })
    expect((await run(['rollback'], only)).stderr).toMatch(/^project shop · app api · environment production · platform local\n/)
    expect((await run(['env', 'set', 'LOG_LEVEL=debug'], only)).exit).toBe(0)
    expect(await run(['open', 'wep', '--print'], only)).toMatchObject({ exit: 2, stderr: expect.stringContaining('Its apps: api.') })
  })

  test('without manifest nothing is destroyed or built by that', async () => {
    await using one = await startFakeServer({ app: () => appView(), status: () => ({ ...emptyStatus, apps: [appView()] }) })
    const only = { cwd: '/', env: { PILOT_HOME: one.home } }
    expect(await run(['destroy', 'api', '--yes'], only)).toMatchObject({ exit: 2, stderr: expect.stringContaining('There is no pilot.yaml in / or above it.') })
    expect(await run(['build'], only)).toMatchObject({ exit: 2, stderr: expect.stringContaining('(MANIFEST_MISSING)') })
    expect(one.seen.map(({ name }) => name)).not.toContain('startOperation')
  })

  test('with a broken manifest: exit 2, and the place of the error', async () => {
    await using broken = await folderOf({ 'pilot.yaml': 'project: shop\napps:\n  api: { prot: 80 }\n' })
    const { exit, stdout } = await run(['open', '--json'], { cwd: broken.path })
    expect(exit).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'MANIFEST_INVALID', message: expect.stringContaining('pilot.yaml:3:10') } })
  })
})

describe('environment and platform', () => {
  test('the manifest says where an environment lives', async () => {
    await run(['open', 'api', '--print', '-e', 'preview'])
    expect(asked()).toMatchObject({ params: { environment: 'preview' }, query: { platform: 'lab' } })
  })

  test('--platform wins', async () => {
    await run(['open', 'api', '--print', '--platform', 'other'])
    expect(asked()!.query).toEqual({ platform: 'other' })
  })

  test('a protected environment wants its name typed, or --yes', async () => {
    expect(await run(['rollback', 'api', '-e', 'preview'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('`--yes`') })
    expect(server.seen.map(({ name }) => name)).not.toContain('startOperation')
    expect((await run(['rollback', 'api', '-e', 'preview', '--yes'])).exit).toBe(0)
  })

  test('typed in a terminal it goes on', async () => {
    const running = startCommand(['rollback', 'api', '-e', 'preview'], { cwd: shop.path, env: { PILOT_HOME: server.home }, terminal: true })
    await running.printed('Type preview to go on')
    running.type('preview\r')
    expect((await running.done).exit).toBe(0)
  })

  test('production on a cloud is protected without being written, on this machine it is not', async () => {
    await using cloud = await startFakeServer({ status: () => ({ ...emptyStatus, apps: [appView()] }), platforms: () => ({ platforms: [{ id: '2'.repeat(32), name: 'acme', provider: 'aws', state: 'ready', createdAt: '', settings: {} }] }) })
    expect((await run(['stop', '-p', 'shop'], { cwd: '/', env: { PILOT_HOME: cloud.home } })).exit).toBe(2)
    expect((await run(['stop', '-p', 'shop'], { cwd: '/' })).exit).toBe(0)
  })
})

describe('the app', () => {
  test('several and none named: exit 2 without a terminal, and the list', async () => {
    const { exit, stdout } = await run(['releases', '--json'])
    expect(exit).toBe(2)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'ANSWER_NEEDED', message: expect.stringContaining('(api, web)'), suggestion: 'Pass `--app NAME`.' } })
  })

  test('several and none named: asked for in a terminal', async () => {
    const running = startCommand(['open', '--print'], { cwd: shop.path, env: { PILOT_HOME: server.home }, terminal: true })
    await running.printed('Which app of shop?')
    running.type('\r')
    expect((await running.done).exit).toBe(0)
    expect(asked()!.params).toMatchObject({ app: 'api' })
  })

  test('leaving the question is exit 130', async () => {
    const running = startCommand(['open', '--print'], { cwd: shop.path, env: { PILOT_HOME: server.home }, terminal: true })
    await running.printed('Which app of shop?')
    running.type('\u0003')
    expect((await running.done).exit).toBe(130)
  })

  test('a mistyped one says which was meant', async () => {
    expect(await run(['open', 'wep'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('Did you mean web? Its apps: api, web.') })
  })

  test.each([['jobs'], ['status'], ['logs']])('an unknown one is NOT_FOUND for %s too, in a project and without', async (command) => {
    await using one = await startFakeServer({ jobs: () => ({ jobs: [] }), status: () => ({ ...emptyStatus, apps: [appView()] }) })
    for (const cwd of [shop.path, '/']) {
      const { exit, stdout } = await run([command, 'nope', '--json'], { cwd, env: { PILOT_HOME: one.home } })
      expect(exit).toBe(2)
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'NOT_FOUND', message: expect.stringMatching(/no app nope/), suggestion: expect.stringContaining('api') } })
    }
    const known = await run(['jobs', 'web'], { env: { PILOT_HOME: one.home } })
    expect(known).toMatchObject({ exit: 0, stdout: 'No jobs yet.\n' })
  })

  test('two different ones are refused', async () => {
    expect(await run(['open', 'api', '--app', 'web'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('Two apps are named') })
  })
})

test('started by npm, paths resolve against the folder the user is in', () => {
  const { env } = process
  const kept = { ...env }
  try {
    env['INIT_CWD'] = '/somewhere'
    delete env['PILOT_INVOKED_AS']
    expect(processTerminal().cwd).toBe(process.cwd())
    env['PILOT_INVOKED_AS'] = 'npm start --'
    expect(processTerminal().cwd).toBe('/somewhere')
  } finally {
    for (const name of ['INIT_CWD', 'PILOT_INVOKED_AS']) if (kept[name] === undefined) delete env[name]
    else env[name] = kept[name]
  }
})
