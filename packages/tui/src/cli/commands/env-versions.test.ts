import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { appView, at, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { folderOf } from '../../testing/folder.ts'
import { runCommand, startCommand, type RunOptions } from '../../testing/run-command.ts'

let server: FakeServer
beforeEach(async () => {
  server = await startFakeServer({
    status: () => ({ ...emptyStatus, apps: [appView()] }),
    putSecrets: () => ({ stored: [] }),
    env: () => ({
      version: 4,
      released: 4,
      values: [
        { key: 'LOG_LEVEL', source: 'manifest', value: 'debug' },
        { key: 'REGION', source: 'env set', value: 'eu' },
        { key: 'OPEN_KEY', source: 'env set', value: 'abc' },
        { key: 'JWT_KEY', source: 'secret' },
        { key: 'DATABASE_URL', source: 'platform', from: 'database' },
      ],
    }),
    envHistory: () => ({
      versions: [
        { version: 3, at, by: 'ada@laptop', released: true, derivedFrom: 1, changes: [{ name: 'KEY', before: { source: 'secret', version: 1 }, after: { source: 'secret', version: 2 } }] },
        { version: 2, at, by: 'bob@laptop', released: false, restoredFrom: 1, changes: [{ name: 'A', after: { source: 'env set', value: '1' } }, { name: 'B', before: { source: 'env set', value: '1' } }] },
        { version: 1, at, by: 'ada@laptop', released: false, changes: [] },
      ],
    }),
    envDiff: ({ query }) => ({
      from: Number((query as { from?: string }).from ?? 3),
      to: 'next',
      changes: [
        { name: 'A', after: { source: 'env set', value: '' } },
        { name: 'B', before: { source: 'manifest', value: '1' }, after: { source: 'env set', value: '2' } },
        { name: 'KEY', before: { source: 'secret', version: 1 }, after: { source: 'secret', version: 2 } },
        { name: 'OLD', before: { source: 'env set', value: 'x' } },
      ],
    }),
  })
})
afterEach(() => server[Symbol.asyncDispose]())

const run = (argv: string[], options: RunOptions = {}) => runCommand([...argv, '-p', 'shop'], { env: { PILOT_HOME: server.home }, ...options })
const operation = () => server.seen.findLast(({ name }) => name === 'startOperation')?.body
const stored = () => server.seen.findLast(({ name }) => name === 'putSecrets')

describe('versions', () => {
  test('history names who changed what', async () => {
    expect((await run(['env', 'history'])).stdout.replaceAll(/\d+ days ago/g, 'then')).toMatch(
      /^VERSION +WHEN +BY +CHANGED +NOTE\n\* 3 +then +ada@laptop +~KEY +rollback to 1, with the newest secrets\n {2}2 +then +bob@laptop +\+A -B +restored from 1\n {2}1 +then +ada@laptop +\(nothing that the app sees\)\n$/,
    )
  })

  test('diff shows values, of secrets the version', async () => {
    expect((await run(['env', 'diff', '2'])).stdout.split('\n')).toEqual([
      'version 2 → next release',
      '   KEY  BEFORE               AFTER                SOURCE',
      "+  A                         ''                   env set",
      '~  B    1                    2                    manifest → env set',
      '~  KEY  (secret, version 1)  (secret, version 2)  secret',
      '-  OLD  x                                         env set',
      '',
    ])
    await run(['env', 'diff', 'api', '2', 'next', '--json'])
    expect(server.seen.at(-1)).toMatchObject({ name: 'envDiff', params: { app: 'api' }, query: { from: '2', to: 'next' } })
  })

  test('restore asks the server for that version', async () => {
    expect((await run(['env', 'restore', 'api', '2', '--stage'])).exit).toBe(0)
    expect(operation()).toMatchObject({ action: 'configure', app: { app: 'api' }, restore: 2, stage: true })
  })

  test.each([[['env', 'restore']], [['env', 'restore', 'api']], [['env', 'restore', 'v2']], [['env', 'restore', '1', '2']], [['env', 'restore', 'next']], [['env', 'diff', '1', '2', '3']]])('%j is usage and starts nothing', async (argv) => {
    expect((await run(argv)).exit).toBe(2)
    expect(operation()).toBeUndefined()
  })
})

describe('env import', () => {
  const file = 'LOG_LEVEL=info\nREGION=eu\nNEW="two\nlines"\nPORT=3000\n'

  test('shows what would change, and needs an answer', async () => {
    await using folder = await folderOf({ '.env': file })
    const { exit, stderr } = await run(['env', 'import', '.env'], { cwd: folder.path })
    expect(exit).toBe(2)
    expect(stderr).toContain('~  LOG_LEVEL  debug → info  over the manifest')
    expect(stderr).toContain('+  NEW        two lines')
    expect(stderr).toContain('-  PORT       3000')
    expect(stderr).toContain('1 value is the same already.')
    expect(stderr).toContain('--yes')
    expect(operation()).toBeUndefined()
  })

  test('sets what differs, after the question', async () => {
    await using folder = await folderOf({ '.env': file })
    const running = startCommand(['env', 'import', 'api', '.env', '-p', 'shop'], { terminal: true, env: { PILOT_HOME: server.home }, cwd: folder.path })
    await running.printed('Set 2 variables of api?')
    running.type('y')
    expect((await running.done).exit).toBe(0)
    expect(operation()).toMatchObject({ action: 'configure', set: { LOG_LEVEL: 'info', NEW: 'two\nlines' }, unset: [], stage: false })
  })

  test('names what looks like a secret, without its value; --secrets stores it', async () => {
    await using folder = await folderOf({ '.env': 'SMTP_PASSWORD=hunter2\nOPEN_KEY=hunter3\nJWT_KEY=hunter4\n' })
    const planned = await run(['env', 'import', '.env', '--plan', '--secrets', 'JWT_KEY'], { cwd: folder.path })
    expect(planned.exit).toBe(0)
    expect(planned.stderr).toContain('SMTP_PASSWORD looks like a secret (its name says so)')
    expect(planned.stderr).toContain('`--secrets SMTP_PASSWORD,OPEN_KEY` here')
    expect(planned.stderr).toContain('secret set SMTP_PASSWORD')
    expect(operation()).toBeUndefined()

    const done = await run(['env', 'import', '.env', '--yes', '--secrets', 'SMTP_PASSWORD,OPEN_KEY', '--secrets', 'JWT_KEY'], { cwd: folder.path })
    expect(done.exit).toBe(0)
    expect(stored()!.body).toEqual({ values: { SMTP_PASSWORD: 'hunter2', OPEN_KEY: 'hunter3', JWT_KEY: 'hunter4' } })
    expect(operation()).toMatchObject({ action: 'configure', set: {}, unset: ['OPEN_KEY'] })
    for (const { stdout, stderr } of [planned, done]) expect(stdout + stderr).not.toContain('hunter')
  })

  test('what comes from standard input is called that', async () => {
    const { exit, stderr } = await run(['env', 'import', '-', '--yes'], { stdin: 'JWT_KEY=hunter2\n' })
    expect(exit).toBe(2)
    expect(stderr).toContain('would hide what standard input says')
  })

  test('reads standard input; the same again changes nothing', async () => {
    const { exit, stdout } = await run(['env', 'import', '-', '--yes', '--json'], { stdin: 'REGION=eu\n' })
    expect(exit).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'operation.finished', result: { changed: false, changes: [{ name: 'REGION', change: 'unchanged' }] } })
    expect(operation()).toBeUndefined()
  })

  test.each([
    ['a bad line', 'A=1\nhunter2\n', [], '.env:2: not of the form KEY=VALUE'],
    ['a name that the file does not have', 'A=1\n', ['--secrets', 'B'], '--secrets names B'],
    ['a secret without a value', 'A=\n', ['--secrets', 'A'], 'A has no value'],
    ['a name that is a secret already', 'JWT_KEY=hunter2\n', [], '--secrets JWT_KEY'],
    ['no variables at all', '# nothing\n', [], 'holds no variables'],
  ])('%s is refused before anything is done', async (_, text, options, message) => {
    await using folder = await folderOf({ '.env': text })
    const { exit, stdout, stderr } = await run(['env', 'import', '.env', '--yes', ...options], { cwd: folder.path })
    expect(exit).toBe(2)
    expect(stderr).toContain(message)
    expect(stdout + stderr).not.toContain('hunter2')
    expect(operation() ?? stored()).toBeUndefined()
  })

  test('a file that is not there is named', async () => {
    expect(await run(['env', 'import', '/nowhere/.env'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('/nowhere/.env') })
  })
})
