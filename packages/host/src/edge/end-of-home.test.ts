import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isProcessAlive, processIdentity, type ProcessIdentity } from '@pilot/core/process-identity'
import { removeHome, type Home } from '../home/home.ts'
import { ensureSupervisor, serviceStatus } from '../supervisor/client.ts'
import { endHome, replaceHome, routeTo, startApp, temporaryHome, until } from '../testing/fixtures.ts'
import { edgeService, ensureEdge, putRoute } from './client.ts'

let home: Home
let edge: ProcessIdentity

beforeEach(async () => {
  home = await temporaryHome('end-of-edge')
})

afterEach(async () => {
  if (isProcessAlive(edge)) process.kill(edge.pid, 'SIGKILL')
  if (existsSync(home.paths.homeFile)) await endHome(home)
  await removeHome(home)
})

test('an edge whose supervisor is dead and whose home was deleted ends', async () => {
  edge = await edgeWithoutSupervisor()
  await removeHome(home)
  await until(() => !isProcessAlive(edge))
  expect(existsSync(home.dir)).toBe(false)
})

test('it ends too when another home has taken the place, and serves nothing of it until then', async () => {
  const app = await startApp((_, response) => void response.end('ok'))
  const { port } = await ensureEdge(home)
  edge = await edgeWithoutSupervisor()
  const other = await replaceHome(home)
  await putRoute(other, routeTo('todo', app.port, { hosts: ['127.0.0.1'] }))
  await until(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
    expect(answer?.status ?? 404).toBe(404)
    return !isProcessAlive(edge)
  })
  expect((await fetch(`http://127.0.0.1:${(await ensureEdge(other)).port}/`)).status).toBe(200)
  await endHome(other)
  await app.close()
})

async function edgeWithoutSupervisor(): Promise<ProcessIdentity> {
  await ensureEdge(home)
  const supervisor = processIdentity(await ensureSupervisor(home)) as ProcessIdentity
  process.kill(supervisor.pid, 'SIGKILL')
  await until(() => !isProcessAlive(supervisor))
  return serviceStatus(home, edgeService)?.process as ProcessIdentity
}
