import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { edgeService, ensureEdge, openHome, putRoute, putService, removeHome, replaceJson, serviceStatus, stopSupervisor, supervisorPid, waitForService, type Home, type ServiceSpec } from '@pilot/host'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { spawnPilot } from '../testing/spawn-pilot.ts'

/** With the real supervisor, edge, PostgreSQL and server; only what they say of their build is older. */
let home: Home
beforeEach(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-upgrade-')))
})
afterEach(async () => {
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
  await rm(home.dir, { recursive: true, force: true })
})

const pilot = (...argv: string[]) => spawnPilot(argv, { PILOT_HOME: home.dir }).done
const pidOf = (name: string): number => serviceStatus(home, name)!.process!.pid

test('server upgrade replaces supervisor, server and edge, and neither an app nor a request notices', { timeout: 180_000 }, async () => {
  expect((await pilot('status')).code).toBe(0)
  const { port } = await ensureEdge(home)
  await putService(home, { name: 'an-app', command: 'sleep', args: ['1000'], logFile: join(home.paths.logs, 'an-app.log') })
  await waitForService(home, 'an-app')
  expect(await pilot('server', 'upgrade')).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to do') })

  for (const name of [edgeService, 'server']) await asOlder(name)
  await expect.poll(async () => JSON.parse((await pilot('server', 'status', '--json')).stdout), { timeout: 30_000 }).toMatchObject({ running: true, server: { build: '1 /elsewhere/main.js' } })
  replaceJson(join(home.paths.run, 'supervisor.json'), { pid: await supervisorPid(home), since: new Date().toISOString(), build: '1 /elsewhere/main.js' })
  const before = { app: pidOf('an-app'), edge: pidOf(edgeService), server: pidOf('server'), supervisor: await supervisorPid(home), database: pidOf('postgres-control') }

  const { promise: finished, resolve: finish } = Promise.withResolvers<void>()
  const app = createServer((request, response) => void (request.url === '/slow' ? finished : Promise.resolve()).then(() => response.end('ok'))).listen(0, '127.0.0.1')
  await new Promise((resolve) => app.once('listening', resolve))
  await putRoute(home, { id: 'todo', app: { project: 'acme', app: 'todo', environment: 'production' }, hosts: ['todo.acme.localhost'], weights: [{ deployment: 'd1', percent: 100, upstreams: [{ host: '127.0.0.1', port: (app.address() as AddressInfo).port }] }] })
  const get = (path = '/') => new Promise<number | string>((resolve) => httpRequest({ host: '127.0.0.1', port, path, agent: false, headers: { host: 'todo.acme.localhost' } }, (response) => response.resume().once('end', () => resolve(response.statusCode!))).once('error', (error) => resolve(error.message)).end())
  const slow = get('/slow')

  const planned = await pilot('server', 'upgrade', '--plan', '--json')
  expect(JSON.parse(planned.stdout)).toMatchObject({ result: { plan: true, replaced: [{ name: 'edge' }, { name: 'supervisor' }, { name: 'server' }] } })
  expect(pidOf(edgeService)).toBe(before.edge)

  const answers = new Map<number | string, number>()
  let upgraded = false
  const upgrade = pilot('server', 'upgrade').finally(() => (upgraded = true))
  while (!upgraded) {
    const answer = await get()
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
  }
  expect(await upgrade).toMatchObject({ code: 0, stdout: expect.stringMatching(/edge: .* → .*\nsupervisor: .*\nserver: /) })
  expect([...answers.keys()]).toEqual([200])
  expect(pidOf(edgeService)).not.toBe(before.edge)
  expect(pidOf('server')).not.toBe(before.server)
  expect(await supervisorPid(home)).not.toBe(before.supervisor)
  expect([pidOf('an-app'), pidOf('postgres-control')]).toEqual([before.app, before.database])
  finish()
  expect(await slow).toBe(200)
  expect(await pilot('server', 'upgrade')).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to do') })
  await new Promise((resolve) => app.close(resolve))
})

test('where there is no home, it makes none', async () => {
  const dir = join(home.dir, 'none')
  for (const argv of [['--plan'], []]) expect(await spawnPilot(['server', 'upgrade', ...argv], { PILOT_HOME: dir }).done).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing to do') })
  expect(existsSync(dir)).toBe(false)
})

/** The same program, as if it had been started by a Pilot whose files are gone since. */
async function asOlder(name: string): Promise<void> {
  const { revision: _, sealedEnv, generation, ...spec } = JSON.parse(await readFile(join(home.paths.services, `${name}.json`), 'utf8')) as ServiceSpec & { revision: string; sealedEnv?: string; generation?: number }
  expect([sealedEnv === undefined || name === 'server', generation]).toEqual([true, undefined])
  const revision = await putService(home, { ...spec, env: { ...spec.env, PILOT_BUILD: '1 /elsewhere/main.js' } })
  await waitForService(home, name, { revision })
}
