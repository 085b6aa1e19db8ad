import { afterEach, beforeEach, expect, test } from 'vitest'
import { appView, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand, type RunOptions } from '../../testing/run-command.ts'

const running = {
  deployment: { id: 'd1', number: 2, run: { scale: { worker: 2 } } },
  scale: { web: 1, worker: 2 },
  instances: [{ deployment: 'd1', instance: 'a', state: 'running' }, { deployment: 'd1', instance: 'b', process: 'worker', state: 'running' }, { deployment: 'd1', instance: 'c', process: 'worker', state: 'exited' }],
}

let server: FakeServer
let status: object
beforeEach(async () => {
  status = running
  server = await startFakeServer({
    status: () => ({ ...emptyStatus, apps: [appView(), appView({ app: 'web' })] }),
    app: () => ({ ...appView(), status: { ...appView().status, ...status } }) as never,
  })
})
afterEach(() => server[Symbol.asyncDispose]())

const run = (argv: string[], options: RunOptions = {}) => runCommand(['scale', ...argv, '-p', 'shop'], { env: { PILOT_HOME: server.home }, ...options })
const operation = () => server.seen.findLast(({ name }) => name === 'startOperation')?.body

test('numbers by process, and a number alone for the app itself', async () => {
  server.script([{ type: 'operation.finished', outcome: 'done', url: 'http://127.0.0.1:4110' }])
  expect(await run(['api', 'web=3', 'worker=0'])).toMatchObject({ exit: 0, stdout: 'http://127.0.0.1:4110\n' })
  expect(operation()).toMatchObject({ action: 'scale', app: { project: 'shop', app: 'api' }, counts: { web: 3, worker: 0 } })
  await run(['4', '-a', 'web'])
  expect(operation()).toMatchObject({ app: { app: 'web' }, counts: { web: 4 } })
})

test('--json ends with the outcome', async () => {
  const { exit, stdout } = await run(['api', '3', '--json'])
  expect(exit).toBe(0)
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ type: 'operation.finished', outcome: 'done' })
})

test('without numbers it shows what is to run, what runs, and what decided', async () => {
  expect((await run(['api'])).stdout).toBe(['PROCESS  INSTANCES  RUNNING  SOURCE', 'web      1          1        manifest', 'worker   2          1        scale', ''].join('\n'))
  expect(JSON.parse((await run(['api', '--json'])).stdout)).toEqual({
    app: { project: 'shop', app: 'api', environment: 'production' },
    processes: [
      { process: 'web', instances: 1, running: 1, source: 'manifest' },
      { process: 'worker', instances: 2, running: 1, source: 'scale' },
    ],
  })
  expect(operation()).toBeUndefined()
})

test('what does not run, and a site, have nothing to show', async () => {
  status = { state: 'stopped' }
  expect(await run(['api'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('start api') })
  status = { deployment: running.deployment }
  expect(await run(['api'])).toMatchObject({ exit: 2, stderr: expect.stringContaining('files have no instances') })
})

test.each([[['api', 'web=']], [['api', 'web=1.5']], [['api', '101']], [['api', 'web=many']], [['api', 'Web=2']], [['api', '=2']], [['api', 'web=1', '2']], [['api', 'web']], [['2.5', '-a', 'api']]])('%j is usage and starts nothing', async (argv) => {
  expect((await run(argv)).exit).toBe(2)
  expect(operation()).toBeUndefined()
})
