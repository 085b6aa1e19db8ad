import { afterEach, beforeEach, expect, test } from 'vitest'
import { appView, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand, type RunOptions } from '../../testing/run-command.ts'

const deployment = { id: 'd2', number: 2 }
const at = new Date(Date.now() - 60_000).toISOString()
const step = (percent: number, next?: number) => ({ deployment, percent, release: { number: 5, at }, instances: [], traffic: { canary: { requests: 30, errors: 1 }, stable: { requests: 270, errors: 0 } }, ...(next === undefined ? {} : { next: { percent: next, at: new Date(Date.now() + 60_000).toISOString() } }) })

let server: FakeServer
/** What each look at the app finds; the last one stays. */
let looks: object[]
let releases: object[]
beforeEach(async () => {
  looks = [{}]
  releases = []
  const withCanary = (status: object) => ({ ...appView(), status: { ...appView().status, ...status } }) as never
  server = await startFakeServer({
    status: () => ({ ...emptyStatus, apps: [withCanary(looks[0]!)] }),
    app: () => withCanary(looks.length > 1 ? looks.shift()! : looks[0]!),
    deployments: () => ({ deployments: [], unreleased: [] }) as never,
    releases: () => ({ releases, deployments: [], current: 4 }) as never,
  })
  server.script([{ type: 'operation.finished', outcome: 'done', url: 'http://127.0.0.1:4110' }])
})
afterEach(() => server[Symbol.asyncDispose]())

const run = (argv: string[], options: RunOptions = {}) => runCommand([...argv, '-p', 'shop'], { env: { PILOT_HOME: server.home }, ...options })
const operation = () => server.seen.findLast(({ name }) => name === 'startOperation')?.body

test('a share by hand is one request, and nothing is waited for', async () => {
  looks = [{ canary: step(10) }]
  expect(await run(['release', 'api', 'v2', '--canary', '10%', '--max-errors', '2.5%'])).toMatchObject({ exit: 0, stdout: 'http://127.0.0.1:4110\n' })
  expect(operation()).toMatchObject({ action: 'release', deployment: 2, canary: { percent: 10, maxErrors: 0.025 } })
})

test('steps are waited for to their end', async () => {
  looks = [{ canary: step(10, 50) }, { canary: step(50, 100) }, { url: 'http://127.0.0.1:4110' }]
  releases = [{ number: 7, deployment: 'd2', kind: 'release', at, by: 'canary' }]
  const { exit, stdout, stderr } = await run(['release', 'api', '--steps', '10%,50', '--every', '1h'])
  expect(operation()).toMatchObject({ canary: { steps: [10, 50], everyMs: 3_600_000 } })
  expect({ exit, stdout }).toEqual({ exit: 0, stdout: 'http://127.0.0.1:4110\n' })
  expect(stderr).toContain('api: v2 has 50 % of the traffic (with 10 %: 30 requests, 1 failed); 100 % in ')
  expect(stderr).toContain('api: v2 has all of the traffic.')
})

test('a canary that Pilot ended is exit code 4, with the figures; --json says it in the last line', async () => {
  const failing = () => void (looks = [{ canary: step(10, 50) }, {}])
  releases = [{ number: 6, deployment: 'd1', kind: 'rollback', at, by: 'canary', aborted: { deployment: 'd2', because: 'v2 failed 8 of 30 requests' } }]
  failing()
  expect(await run(['release', 'api', '--steps', '10%'])).toMatchObject({ exit: 4, stdout: '', stderr: expect.stringContaining('v2 failed 8 of 30 requests. All of the traffic is back') })
  failing()
  const { exit, stdout } = await run(['release', 'api', '--steps', '10%', '--json'])
  const lines = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as { type: string })
  expect(exit).toBe(4)
  expect(lines.filter(({ type }) => type === 'operation.finished')).toEqual([expect.objectContaining({ outcome: 'failed', error: expect.objectContaining({ code: 'UNHEALTHY' }) })])
})

test('--no-wait leaves the steps to the server', async () => {
  looks = [{ canary: step(10, 50) }]
  expect(await run(['release', 'api', '--steps', '10%,50%', '--no-wait'])).toMatchObject({ exit: 0, stdout: 'http://127.0.0.1:4110\n' })
})

test('status has a row for the canary, releases its share and how it ended', async () => {
  looks = [{ deployment: { id: 'd1', number: 1 }, canary: step(10, 50) }]
  expect((await run(['status'])).stdout).toMatch(/└ canary +10 %, 50 % in \S+.* +v2 +1 minute ago +30 requests, 1 failed \(the other: 270, 0\)/)
  releases = [
    { number: 6, deployment: 'd1', kind: 'rollback', at, by: 'canary', aborted: { deployment: 'd2', because: 'v2 is unhealthy' } },
    { number: 5, deployment: 'd2', kind: 'release', at, by: 'ada', canary: { percent: 10, stable: 'd1' } },
  ]
  const { stdout } = await run(['releases', 'api'])
  expect(stdout).toContain('canary 10 %, failed')
  expect(stdout).toContain('6: v2 is unhealthy.')
})

test.each([[['--canary', '0%']], [['--canary', '100']], [['--canary', '2.5%']], [['--canary', 'x']], [['--steps', '50,10']], [['--steps', '']], [['--canary', '10', '--every', '5m']], [['--every', '5m']], [['--steps', '10', '--every', '5']], [['--canary', '10', '--max-errors', '200%']], [['--canary', '10', '--min-requests', '0']]])('%j is usage and starts nothing', async (options) => {
  expect((await run(['release', 'api', ...options])).exit).toBe(2)
  expect(operation()).toBeUndefined()
})
