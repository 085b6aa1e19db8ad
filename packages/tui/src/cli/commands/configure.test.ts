import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { appView, at, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { folderOf } from '../../testing/folder.ts'
import { createStyle } from '../text/style.ts'
import { runCommand, startCommand, type RunOptions } from '../../testing/run-command.ts'

let server: FakeServer
beforeEach(async () => {
  server = await startFakeServer({
    status: () => ({ ...emptyStatus, apps: [appView(), appView({ app: 'web' })] }),
    app: () => ({ ...appView(), status: { ...appView().status, release: { number: 1 } } }) as never,
    putSecrets: () => ({ stored: [{ name: 'JWT_KEY', version: 1 }] }),
    removeSecret: () => ({ done: true }),
    env: () => ({
      version: 4,
      released: 3,
      pending: { why: 'staged', names: ['LOG_LEVEL'] },
      values: [
        { key: 'LOG_LEVEL', source: 'env set', value: 'debug', hides: ['manifest'] },
        { key: 'NOTE', source: 'manifest', value: 'two\nlines\u001b[2J' },
        { key: 'JWT_KEY', source: 'secret' },
        { key: 'DATABASE_URL', source: 'platform', from: 'database' },
      ],
    }) as never,
    secrets: () => ({ secrets: [{ name: 'JWT_KEY', version: 2, updatedAt: at, released: false }] }),
  })
})
afterEach(() => server[Symbol.asyncDispose]())

const run = (argv: string[], options: RunOptions = {}) => runCommand([...argv, '-p', 'shop'], { env: { PILOT_HOME: server.home }, ...options })
const operation = () => server.seen.findLast(({ name }) => name === 'startOperation')?.body
const stored = () => server.seen.findLast(({ name }) => name === 'putSecrets')

describe('env', () => {
  test('list shows each value with its source, and what is staged', async () => {
    expect((await run(['env', 'list', 'api'])).stdout).toBe(
      [
        'KEY           VALUE            SOURCE',
        'LOG_LEVEL     debug            env set, over manifest',
        'NOTE          two lines        manifest',
        'JWT_KEY       (secret)         secret',
        'DATABASE_URL  (from database)  Pilot',
        '',
        '! Staged: LOG_LEVEL. This list is version 4, the running release has version 3; the next release takes it. `env diff` shows the difference.',
        '',
      ].join('\n'),
    )
  })

  test('list says what a rollback went back from', async () => {
    const { envText } = await import('./env.ts')
    const text = await envText({ version: 4, released: 2, pending: { why: 'rollback', names: ['A', 'B'] }, values: [{ key: 'A', source: 'manifest', value: '1' }] }, createStyle({ color: false, unicode: true }))
    expect(text).toContain('A rollback went back to version 2: there A, B are otherwise.')
    expect(text).not.toContain('taged')
  })

  test('set takes values with any character, for a named app', async () => {
    expect((await run(['env', 'set', 'api', 'URL=postgres://a:b@c/d?x=1', 'EMPTY='])).exit).toBe(0)
    expect(operation()).toMatchObject({ action: 'configure', app: { project: 'shop', app: 'api' }, set: { URL: 'postgres://a:b@c/d?x=1', EMPTY: '' }, unset: [], stage: false })
  })

  test('set --stage waits for the next up', async () => {
    expect((await run(['env', 'set', 'web', 'A=1', '--stage'])).stderr).toContain('Kept for the next `pilot up`.')
    expect(operation()).toMatchObject({ stage: true, app: { app: 'web' } })
  })

  test('unset tells an app from a key', async () => {
    await run(['env', 'unset', 'api', 'LOG_LEVEL', 'B'])
    expect(operation()).toMatchObject({ app: { app: 'api' }, unset: ['LOG_LEVEL', 'B'] })
    await run(['env', 'unset', 'LOG_LEVEL', 'B', '-a', 'web'])
    expect(operation()).toMatchObject({ app: { app: 'web' }, unset: ['LOG_LEVEL', 'B'] })
  })

  test.each([[['env', 'set', 'api', 'NOT A KEY=1']], [['env', 'set', 'api', '=1']], [['env', 'set', 'api']], [['env', 'unset', 'api', 'a-b']]])('%j is usage and starts nothing', async (argv) => {
    expect((await run(argv)).exit).toBe(2)
    expect(operation()).toBeUndefined()
  })
})

describe('secret', () => {
  test('set reads standard input without the last newline, and releases', async () => {
    const ran = await run(['secret', 'set', 'api', 'JWT_KEY'], { stdin: 'with\nnewline\n' })
    expect(ran.exit).toBe(0)
    expect(stored()).toMatchObject({ params: { app: 'api' }, body: { values: { JWT_KEY: 'with\nnewline' } } })
    expect(operation()).toMatchObject({ action: 'secret', app: { app: 'api' } })
    expect(ran.stdout + ran.stderr).not.toContain('newline')
  })

  test('set reads a file byte for byte', async () => {
    await using folder = await folderOf({ 'key.pem': 'PEM\n' })
    expect((await run(['secret', 'set', 'api', 'TLS', '--from-file', 'key.pem'], { cwd: folder.path })).exit).toBe(0)
    expect(stored()!.body).toEqual({ values: { TLS: 'PEM\n' } })
    expect(await run(['secret', 'set', 'api', 'TLS', '--from-file', 'none'], { cwd: folder.path })).toMatchObject({ exit: 2, stderr: expect.stringContaining(join(folder.path, 'none')) })
  })

  test('set refuses what is not text, and says how to go on', async () => {
    await using folder = await folderOf({ 'a.txt': '' })
    await writeFile(join(folder.path, 'key.der'), Buffer.from([0x30, 0x82, 0xff, 0x00]))
    expect(await run(['secret', 'set', 'api', 'TLS', '--from-file', 'key.der'], { cwd: folder.path })).toMatchObject({ exit: 2, stderr: expect.stringContaining('base64') })
    expect(stored()).toBeUndefined()
  })

  test('set asks in a terminal and shows nothing of what is typed', async () => {
    const running = startCommand(['secret', 'set', 'api', 'JWT_KEY', '-p', 'shop'], { terminal: true, env: { PILOT_HOME: server.home } })
    await running.printed('Value of JWT_KEY')
    running.type('hunter2\r')
    const { exit, stdout, stderr } = await running.done
    expect(exit).toBe(0)
    expect(stored()!.body).toEqual({ values: { JWT_KEY: 'hunter2' } })
    expect(stdout + stderr).not.toMatch(/hunter|h\u001b/)
  })

  test('KEY=VALUE is refused with the form to use, and the value is not repeated', async () => {
    const { exit, stdout, stderr } = await run(['secret', 'set', 'JWT_KEY=hunter2', '--json'])
    expect(exit).toBe(2)
    expect(stdout).toContain('`secret set JWT_KEY` asks for it')
    expect(stdout + stderr).not.toContain('hunter2')
    expect(stored()).toBeUndefined()
  })

  test('an empty value is refused', async () => {
    expect((await run(['secret', 'set', 'api', 'JWT_KEY'], { stdin: '\n' })).exit).toBe(2)
    expect(stored()).toBeUndefined()
  })

  test('--stage stores and starts nothing; the last line of --json says so', async () => {
    const { exit, stdout } = await run(['secret', 'set', 'api', 'JWT_KEY', '--stage', '--json'], { stdin: 'x' })
    expect(exit).toBe(0)
    expect(operation()).toBeUndefined()
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ type: 'operation.finished', outcome: 'done', result: { staged: true } })
  })

  test('unset and list', async () => {
    expect((await run(['secret', 'unset', 'api', 'JWT_KEY'])).exit).toBe(0)
    expect(server.seen.find(({ name }) => name === 'removeSecret')!.params).toMatchObject({ app: 'api', name: 'JWT_KEY' })
    expect((await run(['secret', 'list', 'api'])).stdout).toMatch(/^KEY +VERSION +SET +IN USE\nJWT_KEY +2 +\d+ days ago +with the next release\n$/)
  })
})
