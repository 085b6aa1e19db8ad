import { afterEach, expect, test } from 'vitest'
import { appView, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand } from '../../testing/run-command.ts'

const servers: FakeServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function run(argv: string[], answers: Parameters<typeof startFakeServer>[0]) {
  const server = await startFakeServer({ status: () => ({ ...emptyStatus, apps: [appView()] }), ...answers })
  servers.push(server)
  return { ...(await runCommand(argv, { env: { PILOT_HOME: server.home } })), server }
}

test('invoke sends the event and prints what comes back; the error of a function is exit 1', async () => {
  const good = await run(['invoke', 'api', '-p', 'shop', '--data', '{"n":1}'], { invoke: () => ({ requestId: 'r', payload: '{"twice":2}' }) })
  expect([good.exit, good.stdout]).toEqual([0, '{"twice":2}\n'])
  expect(good.server.seen.find(({ name }) => name === 'invoke')).toMatchObject({ params: { project: 'shop', app: 'api' }, body: { event: '{"n":1}' } })
  const bad = await run(['invoke', 'api', '-p', 'shop'], { invoke: () => ({ requestId: 'r', error: { type: 'RangeError', message: 'too many', trace: ['RangeError: too many', '    at handler (index.mjs:1:1)'] } }) })
  expect([bad.exit, bad.stdout]).toEqual([1, ''])
  expect(bad.stderr).toContain('RangeError: too many')
  expect(bad.stderr).toContain('at handler')
})

test('invoke refuses what is no JSON, and two events, before it asks anybody', async () => {
  const invoke = () => ({ requestId: 'r', payload: 'null' })
  const wrong = await run(['invoke', 'api', '-p', 'shop', '--data', '{n'], { invoke })
  expect([wrong.exit, wrong.server.seen.some(({ name }) => name === 'invoke')]).toEqual([2, false])
  expect((await run(['invoke', 'api', '-p', 'shop', '--data', '1', '--file', 'x'], { invoke })).stderr).toContain('Both --data and --file')
  expect((await run(['invoke', 'api', '-p', 'shop', '--file', '/no/such/file'], { invoke })).stderr).toContain('There is no such file')
})

test('queue shows what waits and what failed; purge wants to be agreed to', async () => {
  const dead = { id: 'm1', body: '{"number":42}', error: 'Error: no\u001b[31m paper', receives: 4, sentAt: 0, deadAt: 1_000 }
  const shown = await run(['queue', 'api', '-p', 'shop'], { queue: () => ({ waiting: 2, inFlight: 1, dead: 1, deadMessages: [dead] }) })
  expect(shown.stdout).toMatch(/^2 waiting, 1 in flight, 1 put aside\n {2}1970-01-01T00:00:01\.000Z {2}after 4 attempts {2}Error: no.* paper\n {4}\{"number":42\}\n$/)
  expect(shown.stdout).not.toContain('\u001b')
  expect((await run(['queue', 'retry', 'api', '-p', 'shop'], { retryQueue: () => ({ count: 3 }) })).stdout).toBe('3 messages are tried again.\n')
  const refused = await run(['queue', 'purge', 'api', '-p', 'shop'], { purgeQueue: () => ({ count: 1 }) })
  expect([refused.exit, refused.server.seen.some(({ name }) => name === 'purgeQueue')]).toEqual([2, false])
  const purged = await run(['queue', 'purge', 'api', '-p', 'shop', '--all', '--yes'], { purgeQueue: () => ({ count: 1 }) })
  expect(purged.server.seen.find(({ name }) => name === 'purgeQueue')?.body).toEqual({ which: 'all' })
})
