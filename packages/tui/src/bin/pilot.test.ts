import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, expect, test } from 'vitest'
import { appView, at, emptyStatus, startFakeServer, type FakeServer } from '../testing/fake-server.ts'
import { program, spawnPilot, type Spawned } from '../testing/spawn-pilot.ts'
import { version } from '../version.ts'

// `pilot` as a process of its own: what a shell, a pipe and a closed terminal do to it.
const servers: FakeServer[] = []
const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

function pilot(argv: readonly string[], env: Record<string, string> = {}): Spawned {
  const spawned = spawnPilot(argv, env)
  children.push(spawned.child)
  return spawned
}

async function fake(answers: Parameters<typeof startFakeServer>[0] = {}): Promise<FakeServer> {
  const server = await startFakeServer({ status: () => ({ ...emptyStatus, apps: [appView()] }), ...answers })
  servers.push(server)
  return server
}

test('--version answers before the commands are loaded', async () => {
  // Every file that is loaded shows in this log.
  const { code, stdout, stderr } = await pilot(['--version'], { NODE_DEBUG: 'esm' }).done
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${version}\n` })
  expect(stderr).not.toMatch(/src\/cli|packages\/core/)
})

test('the last bytes of a long document reach a slow reader', async () => {
  const jobs = Array.from({ length: 3000 }, (_, index) => ({ id: `job-${index}`, operation: 'op-1', action: 'up', platform: 'local', state: 'done', by: 'ada', createdAt: at, note: 'x'.repeat(200) }))
  const server = await fake({ jobs: () => ({ jobs }) as never })
  const { child, done } = pilot(['jobs', '--all', '--json'], { PILOT_HOME: server.home })
  child.stdout!.pause()
  await new Promise((resolve) => setTimeout(resolve, 1000))
  child.stdout!.resume()
  const { code, stdout } = await done
  expect(code).toBe(0)
  expect((JSON.parse(stdout) as { jobs: unknown[] }).jobs).toHaveLength(3000)
})

test('a reader that leaves first (| head) is no error', async () => {
  const jobs = Array.from({ length: 20_000 }, (_, index) => ({ id: `job-${index}`, operation: 'op-1', action: 'up', platform: 'local', state: 'done', by: 'ada', createdAt: at }))
  const server = await fake({ jobs: () => ({ jobs }) as never })
  const shell = spawn('bash', ['-c', 'set -o pipefail; "$0" --conditions=@pilot/source "$1" jobs --all --json | head -n 1; echo "exit $?"', process.execPath, program], { env: { PATH: process.env['PATH'], PILOT_HOME: server.home }, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(shell)
  const texts = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) shell[stream].on('data', (chunk) => (texts[stream] += String(chunk)))
  await once(shell, 'close')
  expect(texts).toEqual({ stdout: '{\nexit 0\n', stderr: '' })
})

test('an operation goes on when its reader leaves first, and its exit code is true', async () => {
  for (const [outcome, exit] of [[{ outcome: 'done' }, 0], [{ outcome: 'failed', error: { code: 'UNHEALTHY', message: 'no', suggestion: 'x' } }, 4]] as const) {
    const server = await fake()
    server.script([...Array.from({ length: 20 }, (_, index) => [{ type: 'phase.started', app: 'api', phase: 'release', detail: `${index}` } as const, { pauseMs: 20 }]).flat(), { type: 'operation.finished', ...outcome }])
    const shell = spawn('bash', ['-c', `"$0" --conditions=@pilot/source "$1" restart -p shop --json 2>&1 | head -n 1; echo "exit \${PIPESTATUS[0]}"`, process.execPath, program], { env: { PATH: process.env['PATH'], PILOT_HOME: server.home }, stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(shell)
    let text = ''
    shell.stdout.on('data', (chunk) => (text += String(chunk)))
    await once(shell, 'close')
    expect(text).toMatch(new RegExp(`^\\{"v":1,[^\n]*"0"[^\n]*\nexit ${exit}\n$`))
  }
})

test('Ctrl-C while the server is asked for it cancels what that begins; twice leaves at once', async () => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const operation = { id: 'op-1', action: 'restart', platform: 'local', state: 'running', by: 'ada', createdAt: at, apps: ['api'], jobs: [] }
  const server = await fake({
    startOperation: async () => {
      asked.resolve()
      await answer.promise
      return { operation, created: true } as never
    },
    operation: () => operation as never,
  })
  const first = pilot(['restart', '-p', 'shop'], { PILOT_HOME: server.home })
  await asked.promise
  first.child.kill('SIGINT')
  const second = pilot(['restart', '-p', 'shop'], { PILOT_HOME: server.home })
  await expect.poll(() => server.seen.filter(({ name }) => name === 'startOperation').length, { timeout: 20_000 }).toBe(2)
  second.child.kill('SIGINT')
  // One after the other: two signals of a kind at once are one.
  while (second.child.exitCode === null) {
    second.child.kill('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const left = await second.done
  expect(left).toMatchObject({ code: 130, stderr: expect.stringContaining('Left before the server answered.') })
  answer.resolve()
  await expect.poll(() => server.seen.map(({ name }) => name), { timeout: 20_000 }).toContain('cancelOperation')
  expect((await first.done).code).toBe(130)
})

test('closing the terminal (SIGHUP) leaves the work to the server', async () => {
  const server = await fake()
  server.script([{ type: 'phase.started', app: 'api', phase: 'release' }])
  const { child, done, stderr } = pilot(['restart', '-p', 'shop'], { PILOT_HOME: server.home })
  await expect.poll(stderr, { timeout: 20_000 }).toContain('release')
  child.kill('SIGHUP')
  expect((await done).signal).toBe('SIGHUP')
  expect(server.seen.map(({ name }) => name)).not.toContain('cancelOperation')
})

test('Ctrl-C ends with 130 after the clean end', async () => {
  const server = await fake()
  server.script([{ type: 'phase.started', app: 'api', phase: 'release' }])
  const { child, done, stderr } = pilot(['restart', '-p', 'shop'], { PILOT_HOME: server.home })
  await expect.poll(stderr, { timeout: 20_000 }).toContain('release')
  child.kill('SIGINT')
  expect((await done).code).toBe(130)
  expect(server.seen.map(({ name }) => name)).toContain('cancelOperation')
})

test('without a terminal nothing waits for an answer, and nothing is redrawn', async () => {
  const server = await fake()
  server.script([{ type: 'phase.started', app: 'api', phase: 'release' }, { type: 'phase.finished', app: 'api', phase: 'release', outcome: 'done', ms: 1 }, { type: 'operation.finished', outcome: 'done' }])
  const { code, stderr } = await pilot(['restart', '-p', 'shop'], { PILOT_HOME: server.home }).done
  expect(code).toBe(0)
  expect(stderr).not.toContain('\u001b')
})
