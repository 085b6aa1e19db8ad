import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { appView, at, emptyStatus, startFakeServer, type FakeServer } from '../../testing/fake-server.ts'
import { runCommand, startCommand } from '../../testing/run-command.ts'

/** What must not happen; that nothing is left at the end is shown with real homes in e2e. */
const servers: FakeServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
})

async function fake(provider = 'local'): Promise<FakeServer> {
  const platform = { id: '1'.repeat(32), name: 'lab', provider, state: 'ready' as const, createdAt: at, settings: {} }
  const server = await startFakeServer({ status: () => ({ ...emptyStatus, platforms: [platform], apps: [appView()] }) })
  servers.push(server)
  return server
}
const started = (server: FakeServer) => server.seen.filter(({ name }) => name === 'startOperation')
const isThere = ({ home }: FakeServer) => existsSync(join(home, 'home.json'))

test('in a terminal the name of the platform must be typed', async () => {
  const server = await fake()
  const running = startCommand(['uninstall'], { env: { PILOT_HOME: server.home }, terminal: true })
  await running.printed('Type lab to go on')
  running.type('lap\r')
  expect(await running.done).toMatchObject({ exit: 130, stderr: expect.stringContaining('Nothing was removed.') })
  expect([started(server), isThere(server)]).toEqual([[], true])
})

test('what goes is shown first', async () => {
  const server = await fake()
  const { stderr } = await runCommand(['uninstall', '--yes'], { env: { PILOT_HOME: server.home } })
  for (const text of [server.home, 'platform lab', 'shop/api, production']) expect(stderr).toContain(text)
})

test('a platform that is elsewhere keeps the home', async () => {
  const server = await fake('aws')
  expect(await runCommand(['uninstall', '--yes', '--delete-data'], { env: { PILOT_HOME: server.home } })).toMatchObject({ exit: 1, stderr: expect.stringMatching(/platform lab, which is not on this machine[^]*destroy --platform lab/) })
  expect([started(server), isThere(server)]).toEqual([[], true])
})

test('a platform that cannot be destroyed keeps the home, and the exit code says so', async () => {
  const server = await fake()
  server.script([{ type: 'operation.finished', outcome: 'failed', error: { code: 'ENGINE_STOPPED', message: 'The Docker engine does not answer', suggestion: 'Start it.' } }])
  expect(await runCommand(['uninstall', '--yes', '--delete-data'], { env: { PILOT_HOME: server.home } })).toMatchObject({ exit: 1, stderr: expect.stringContaining('The home was not removed.') })
  expect([started(server).length, isThere(server)]).toEqual([1, true])
})
