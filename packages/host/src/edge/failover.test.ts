import { Agent, request as httpRequest } from 'node:http'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { readJson, replaceJson } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { reservePort } from '../home/ports.ts'
import { ensureSupervisor, restartService, serviceStatus, stopSupervisor, supervisorPid, waitForService } from '../supervisor/client.ts'
import type { StoredSpec } from '../supervisor/spec.ts'
import { endHome, routeTo, startApp, temporaryHome, until, type TestApp } from '../testing/fixtures.ts'
import { edgeMetrics, edgeService, edgeState, ensureEdge, openRequests, putRoute } from './client.ts'

let home: Home
let port: number
let own: number
let app: TestApp
/** Answers `/slow`, which waits for it: the machine may be slow too. */
let finish: () => void

beforeEach(async () => {
  home = await temporaryHome('failover')
  port = (await ensureEdge(home)).port
  own = await reservePort(home, 'app/todo')
  const finished = new Promise<void>((resolve) => (finish = resolve))
  app = await startApp(async (request, response) => {
    if (request.url === '/slow') await finished
    response.end('ok')
  })
  await putRoute(home, routeTo('todo', app.port, { port: own }))
})

afterEach(async () => {
  await endHome(home)
  await app.close()
})

const edgePid = (): number => serviceStatus(home, edgeService)?.process?.pid as number

async function get({ to = port, path = '/', agent = false }: { to?: number; path?: string; agent?: Agent | false } = {}): Promise<number | string> {
  return await new Promise((resolve) => {
    httpRequest({ host: '127.0.0.1', port: to, path, agent, headers: { host: 'todo.acme.localhost' } }, (response) => response.resume().once('end', () => resolve(response.statusCode ?? 0)).once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message)))
      .once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      .end()
  })
}

test('new connections to a killed edge wait in the kernel and are answered by the next one', async () => {
  const killed = edgePid()
  process.kill(killed, 'SIGKILL')
  const started = performance.now()
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => get({ to: i % 2 === 0 ? port : own })))
  expect(answers).toEqual(Array(20).fill(200))
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(edgePid()).not.toBe(killed)
})

test('a restart of the edge fails no request, new or under way', async () => {
  const slow = get({ path: '/slow' })
  await until(async () => (await openRequests(home, { route: 'todo', deployments: ['d1'] })) === 1)
  const before = edgePid()
  const answers: (number | string)[] = []
  let restarting = true
  const agent = new Agent({ keepAlive: true })
  const load = Promise.all([port, own, port].map(async (to, i) => {
    while (restarting) answers.push(await get({ to, agent: i === 2 ? agent : false }))
  }))
  const revision = await restartService(home, edgeService)
  await waitForService(home, edgeService, { revision })
  await sleep(300)
  restarting = false
  await load
  agent.destroy()
  finish()
  expect(answers.filter((answer) => answer !== 200)).toEqual([])
  expect(await slow).toBe(200)
  expect(edgePid()).not.toBe(before)
  await until(() => serviceStatus(home, edgeService)?.leaving === undefined)
})

test('while the old edge finishes its requests they still count as open', async () => {
  const slow = get({ path: '/slow' })
  await until(async () => (await openRequests(home, { route: 'todo', deployments: ['d1'] })) === 1)
  const revision = await restartService(home, edgeService)
  await waitForService(home, edgeService, { revision })
  expect((await edgeMetrics(home))?.routes['todo']?.['d1']?.open).toBe(0)
  expect(await openRequests(home, { route: 'todo', deployments: ['d1'] })).toBe(1)
  finish()
  expect(await slow).toBe(200)
  await until(async () => (await openRequests(home, { route: 'todo', deployments: ['d1'] })) === 0)
})

test('an open WebSocket survives a change of routes, and holds the old edge at a restart', async () => {
  const sockets = new WebSocketServer({ server: app.server })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  const client = new WebSocket(`ws://127.0.0.1:${own}/`)
  await new Promise((resolve, reject) => client.once('open', resolve).once('error', reject))
  const echo = async (text: string): Promise<string> => {
    const answer = new Promise<string>((resolve) => client.once('message', (data) => resolve(String(data))))
    client.send(text)
    return await answer
  }
  await putRoute(home, routeTo('todo', app.port, { port: own, hosts: ['other.acme.localhost'] }))
  expect(await echo('a')).toBe('a')
  const revision = await restartService(home, edgeService)
  await waitForService(home, edgeService, { revision })
  expect(await echo('b')).toBe('b')
  expect(serviceStatus(home, edgeService)?.leaving).toHaveLength(1)
  client.close()
  await until(() => serviceStatus(home, edgeService)?.leaving === undefined)
  sockets.close()
})

test('killed together with its supervisor, the edge comes back with its routes', async () => {
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  process.kill(edgePid(), 'SIGKILL')
  await until(async () => (await supervisorPid(home)) === undefined)
  await ensureSupervisor(home)
  await until(async () => (await get({ to: own })) === 200, 15_000)
  expect(Object.keys((await edgeState(home))?.routes ?? {})).toEqual(['todo'])
})

test('an edge whose supervisor was killed serves on, and is replaced when it dies later', async () => {
  const pid = edgePid()
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  expect(await get()).toBe(200)
  await ensureSupervisor(home)
  expect(await get({ to: own })).toBe(200)
  expect(edgePid()).toBe(pid)
  process.kill(pid, 'SIGKILL')
  await until(async () => (await get({ to: own })) === 200, 15_000)
  const revision = await restartService(home, edgeService)
  await waitForService(home, edgeService, { revision })
  expect(await get()).toBe(200)
})

test('a supervisor that was killed and is not dead yet is none', async () => {
  for (let round = 0; round < 5; round++) {
    const killed = (await supervisorPid(home)) as number
    process.kill(killed, 'SIGKILL')
    expect(await ensureSupervisor(home)).not.toBe(killed)
  }
})

test('the edge of an earlier supervisor is replaced without waiting for its requests, and cuts none', async () => {
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  await ensureSupervisor(home)
  const slow = get({ path: '/slow' })
  await until(async () => (await openRequests(home, { route: 'todo', deployments: ['d1'] })) === 1)
  const before = edgePid()
  const revision = await restartService(home, edgeService)
  await waitForService(home, edgeService, { revision, timeoutMs: 15_000 })
  expect([await get(), await get({ to: own })]).toEqual([200, 200])
  expect(edgePid()).not.toBe(before)
  finish()
  expect(await slow).toBe(200)
})

test('an edge whose supervisor answers late, or whose port is taken for a moment, can be replaced like any other', async () => {
  // The next supervisor has none of the sockets.
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  const supervisor = await ensureSupervisor(home)
  const killed = edgePid()
  process.kill(killed, 'SIGKILL')
  const stranger = createServer()
  await until(() => listens(stranger, own))
  await until(() => ![killed, undefined].includes(edgePid()))
  process.kill(supervisor, 'SIGSTOP')
  await sleep(3_000)
  process.kill(supervisor, 'SIGCONT')
  await sleep(500)
  stranger.close()
  await until(async () => (await get()) === 200 && (await get({ to: own })) === 200)

  const answers: (number | string)[] = []
  let restarting = true
  const load = Promise.all([port, own].map(async (to) => {
    while (restarting) answers.push(await get({ to }))
  }))
  const revision = await restartService(home, edgeService)
  await waitForService(home, edgeService, { revision })
  await sleep(300)
  restarting = false
  await load
  expect(answers.filter((answer) => answer !== 200)).toEqual([])
})

const listens = (server: Server, at: number): Promise<boolean> =>
  new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(at, '127.0.0.1', () => resolve(true))
  })

test('a killed supervisor comes back by itself, one that was stopped does not', async () => {
  const killed = (await supervisorPid(home)) as number
  process.kill(killed, 'SIGKILL')
  await until(async () => ![undefined, killed].includes(await supervisorPid(home)))
  await stopSupervisor(home)
  await sleep(4_000)
  expect(await supervisorPid(home)).toBeUndefined()
  expect(await get()).toBe(200)
})

test('a successor that does not become ready leaves the old edge in its place', async () => {
  const before = edgePid()
  const file = join(home.paths.services, `${edgeService}.json`)
  const spec = await readJson<StoredSpec>(file)
  replaceJson(file, { ...spec, args: ['-e', 'process.exit(1)'], revision: 'broken' })
  await until(() => serviceStatus(home, edgeService)?.problem !== undefined)
  expect(serviceStatus(home, edgeService)).toMatchObject({ state: 'running', process: { pid: before }, problem: expect.stringContaining('did not become ready') })
  expect(await get()).toBe(200)
  replaceJson(file, spec)
})

test('two homes on one machine route the same host each to its own app', async () => {
  const other = await temporaryHome('other')
  const theirs = await startApp((_, response) => void response.writeHead(201).end())
  try {
    const edge = await ensureEdge(other)
    await putRoute(other, routeTo('todo', theirs.port, { port: await reservePort(other, 'app/todo') }))
    expect(edge.port).not.toBe(port)
    expect([await get(), await get({ to: edge.port })]).toEqual([200, 201])
  } finally {
    await endHome(other)
    await theirs.close()
  }
})
