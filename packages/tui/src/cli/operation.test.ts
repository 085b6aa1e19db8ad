import { afterEach, describe, expect, test } from 'vitest'
import { PilotError } from '@pilot/core/errors'
import { appView, emptyStatus, startFakeServer, type FakeServer } from '../testing/fake-server.ts'
import { runCommand, startCommand } from '../testing/run-command.ts'

const url = 'http://127.0.0.1:4110'
const released = { type: 'app.released', app: 'api', release: 3, deployment: 'v2', url, changed: true } as const
const status = () => ({ ...emptyStatus, apps: [appView()] })

const servers: FakeServer[] = []
async function fake(answers: Parameters<typeof startFakeServer>[0] = {}): Promise<FakeServer> {
  const server = await startFakeServer({ status, ...answers })
  servers.push(server)
  return server
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

const on = (server: FakeServer) => ({ env: { PILOT_HOME: server.home } })

describe('an operation for people', () => {
  test('says first where it acts, then what happens, and prints the URL alone on stdout', async () => {
    const server = await fake()
    server.script([
      { type: 'operation.started', action: 'rollback', platform: 'local', apps: ['api'] },
      { type: 'phase.started', app: 'api', phase: 'release', detail: 'v2' },
      { type: 'notice', app: 'api', level: 'warning', text: 'JWT_KEY changed since v2.' },
      { type: 'phase.finished', app: 'api', phase: 'release', outcome: 'done', ms: 1234, detail: 'v2' },
      released,
      { type: 'operation.finished', outcome: 'done', url },
    ])
    expect(await runCommand(['rollback', '-p', 'shop'], on(server))).toEqual({
      exit: 0,
      stdout: `${url}\n`,
      stderr: [
        'project shop · app api · environment production · platform local',
        '· api  release  v2',
        '! api: JWT_KEY changed since v2.',
        '✓ api  release  1.2 s  v2',
        `✓ api  v2 live at ${url}`,
        '',
      ].join('\n'),
    })
  })

  test('says nothing but the result with --quiet', async () => {
    const server = await fake()
    server.script([{ type: 'phase.started', app: 'api', phase: 'release' }, released, { type: 'operation.finished', outcome: 'done', url }])
    expect(await runCommand(['restart', '-p', 'shop', '--quiet'], on(server))).toEqual({ exit: 0, stdout: `${url}\n`, stderr: '' })
  })

  test('failing, shows message, reason, log and what to try in the form of this user, and keeps control characters out', async () => {
    const server = await fake()
    const error = { code: 'UNHEALTHY', message: 'api did not become healthy within 60 s', reason: 'exit code 1, see `logs`', suggestion: 'See `logs api`.', details: { log: ['\u001b]0;title\u0007first', '\u001b[31mError: no database\u001b[0m'] } } as const
    server.script([{ type: 'phase.finished', app: 'api', phase: 'deploy', outcome: 'failed', ms: 60_000, error }, { type: 'operation.finished', outcome: 'failed', error }])
    const ran = await runCommand(['release', '-p', 'shop', 'v3'], { env: { PILOT_HOME: server.home, PILOT_INVOKED_AS: 'npm start --' } })
    expect({ exit: ran.exit, stdout: ran.stdout }).toEqual({ exit: 4, stdout: '' })
    expect(ran.stderr).toBe(
      [
        'project shop · app api · environment production · platform local',
        '✗ api  deploy   failed after 1 min 00 s',
        '✗ api did not become healthy within 60 s',
        '  Why  exit code 1, see `npm start -- logs`',
        '  Log  first',
        '       Error: no database',
        '  Try  See `npm start -- logs api`.',
        '       (UNHEALTHY)',
        '',
      ].join('\n'),
    )
  })

  test.each([
    [new PilotError('NOT_ALLOWED_NOW', 'start is not possible now', { reason: 'Only what was stopped is started.' }), false],
    [new PilotError('UNHEALTHY', 'api stopped by itself', { details: { log: ['no database'] } }), false],
    [new PilotError('UNHEALTHY', 'api stopped by itself', { suggestion: 'Check the command.' }), true],
    [new PilotError('HELD', 'ada holds shop/api.'), true],
  ])('failing, gives a hint where it says more than the error: %s', async (error, helps) => {
    const server = await fake({ startOperation: () => { throw error } })
    const { stderr } = await runCommand(['restart', '-p', 'shop'], on(server))
    expect(stderr).toContain(error.message)
    expect(stderr.includes('  Try  ')).toBe(helps)
  })

  test('does not ask twice with the same request id, and sends what was typed', async () => {
    const server = await fake()
    await runCommand(['rollback', '-p', 'shop', 'api', 'v12'], on(server))
    const sent = server.seen.filter(({ name }) => name === 'startOperation')
    expect(sent).toHaveLength(1)
    expect(sent[0]!.body).toEqual({ requestId: expect.stringMatching(/^[0-9a-f-]{36}$/), action: 'rollback', app: { project: 'shop', app: 'api', environment: 'production' }, to: 12 })
  })
})

describe('an operation for programs', () => {
  test('prints one event per line and the outcome last', async () => {
    const server = await fake()
    server.script([{ type: 'phase.started', app: 'api', phase: 'release' }, released, { type: 'operation.finished', outcome: 'done', url }])
    const { exit, stdout, stderr } = await runCommand(['rollback', '-p', 'shop', '--json'], on(server))
    const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    expect(lines.map(({ type, v, seq }) => [type, v, seq])).toEqual([['phase.started', 1, 1], ['app.released', 1, 2], ['operation.finished', 1, 3]])
    expect(lines.at(-1)).toMatchObject({ outcome: 'done', url })
  })

  test('a failure before the operation began is the last line too', async () => {
    const server = await fake({ startOperation: () => { throw new PilotError('HELD', 'ada holds shop/api.') } })
    const { exit, stdout } = await runCommand(['stop', '-p', 'shop', '--json'], on(server))
    expect(exit).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({ v: 1, type: 'operation.finished', outcome: 'failed', error: { code: 'HELD', message: 'ada holds shop/api.', suggestion: expect.any(String) } })
  })

  test('an address that this machine cannot resolve is replaced by the one with a port', async () => {
    const server = await fake()
    const named = 'http://api.shop.no-such-host.invalid:4110'
    server.script([{ ...released, url: named, fallbackUrl: url }, { type: 'operation.finished', outcome: 'done', url: named }])
    const json = await runCommand(['restart', '-p', 'shop', '--json'], on(server))
    expect(JSON.parse(json.stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ url, hostUrl: named })
    expect((await runCommand(['restart', '-p', 'shop'], on(server))).stdout).toBe(`${url}\n`)
  })
})

describe('Ctrl-C', () => {
  test('first cancels and waits for the clean end: exit 130', async () => {
    const server = await fake()
    server.script([{ type: 'phase.started', app: 'api', phase: 'release' }])
    const running = startCommand(['restart', '-p', 'shop'], on(server))
    await running.printed('release')
    running.interrupt()
    const { exit, stderr } = await running.done
    expect(exit).toBe(130)
    expect(stderr).toContain('Cancelling: waiting for the steps that are under way to end.')
    expect(server.seen.map(({ name }) => name)).toContain('cancelOperation')
  })

  test('second leaves it to the server and says how to watch it', async () => {
    const server = await fake({ cancelOperation: () => ({ id: 'op-1' }) as never })
    server.script([{ type: 'phase.started', app: 'api', phase: 'release' }])
    const running = startCommand(['restart', '-p', 'shop'], on(server))
    await running.printed('release')
    running.interrupt()
    await running.printed('Cancelling')
    running.interrupt()
    const { exit, stderr } = await running.done
    expect(exit).toBe(130)
    expect(stderr).toContain('`pilot jobs` shows how it goes')
    expect(stderr).not.toContain('does not answer')
  })

  test.each([['logs', '-p', 'shop', '-f'], ['logs', '-p', 'shop', '-f', '--json']])('ends %s %s %s %s %s without a word: exit 130', async (...argv) => {
    const line = { deployment: 'd1', instance: 'a', stream: 'stdout', text: 'hello', cursor: '1' }
    let sent = 0
    const server = await fake({ logs: () => (sent++ === 0 ? [line] : []) as never })
    const running = startCommand(argv, on(server))
    await running.printed('hello')
    running.interrupt()
    const { exit, stdout, stderr } = await running.done
    expect({ exit, stderr }).toEqual({ exit: 130, stderr: '' })
    expect(stdout.trimEnd().split('\n')).toHaveLength(1)
  })

  test('while nothing was begun ends at once', async () => {
    const server = await fake({ status: () => new Promise(() => {}) })
    const running = startCommand(['status', '--all'], on(server))
    await expect.poll(() => server.seen.some(({ name }) => name === 'status')).toBe(true)
    running.interrupt()
    expect((await running.done).exit).toBe(130)
  })
})

test('events go on after the connection broke, without gap or double', async () => {
  const server = await fake()
  server.script([{ type: 'phase.started', app: 'api', phase: 'release' }, { hangUp: true }, released, { type: 'operation.finished', outcome: 'done', url }])
  const { exit, stdout } = await runCommand(['restart', '-p', 'shop', '--json'], on(server))
  expect(exit).toBe(0)
  expect(stdout.trimEnd().split('\n').map((line) => (JSON.parse(line) as { seq: number }).seq)).toEqual([1, 2, 3])
})
