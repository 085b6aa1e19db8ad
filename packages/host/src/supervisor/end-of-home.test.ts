import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isProcessAlive, processIdentity, type ProcessIdentity } from '@pilot/core/process-identity'
import { readJsonSync } from '../home/files.ts'
import { removeHome, type Home } from '../home/home.ts'
import { endHome, replaceHome, temporaryHome, until } from '../testing/fixtures.ts'
import { ensureSupervisor, putService, serviceStatus, stopSupervisor, supervisorPid, waitForService } from './client.ts'
import { startSupervisor } from './start.ts'

let home: Home
const contenders: ProcessIdentity[] = []

beforeEach(async () => {
  home = await temporaryHome('end-of-home')
})

afterEach(async () => {
  for (const contender of contenders.splice(0)) if (isProcessAlive(contender)) process.kill(contender.pid, 'SIGKILL')
  if (existsSync(home.paths.homeFile)) await endHome(home)
  await removeHome(home)
})

/** What runs without end, and does not end at SIGTERM either. */
const stubborn = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)`

async function serve(name: string, of: Home = home): Promise<ProcessIdentity> {
  await putService(of, { name, command: process.execPath, args: ['-e', stubborn], logFile: join(of.paths.logs, `${name}.log`), stopTimeoutMs: 500 })
  return (await waitForService(of, name)).process as ProcessIdentity
}

function contend(): ProcessIdentity {
  const identity = processIdentity(startSupervisor(home)) as ProcessIdentity
  contenders.push(identity)
  return identity
}

test('a supervisor whose home was deleted stops its services and ends, and makes no new home', async () => {
  const service = await serve('a')
  const supervisor = processIdentity(await ensureSupervisor(home)) as ProcessIdentity
  await removeHome(home)
  await until(() => !isProcessAlive(supervisor) && !isProcessAlive(service), 10_000)
  expect(existsSync(home.dir)).toBe(false)
  expect(existsSync(home.paths.run)).toBe(false)
})

test('it ends too when another home has taken the place of its own, and leaves that one alone', async () => {
  const service = await serve('a')
  const supervisor = processIdentity(await ensureSupervisor(home)) as ProcessIdentity
  const other = await replaceHome(home)
  const successor = await serve('a', other)
  const known = { supervisor: await supervisorPid(other), status: serviceStatus(other, 'a') }
  await until(() => {
    expect(readJsonSync(join(other.paths.run, 'supervisor.json'))).toMatchObject({ pid: known.supervisor })
    expect(serviceStatus(other, 'a')).toEqual(known.status)
    return !isProcessAlive(supervisor) && !isProcessAlive(service)
  }, 10_000)
  expect(existsSync(join(other.paths.run, 'supervisor.stopped'))).toBe(false)
  expect(await supervisorPid(other)).toBe(known.supervisor)
  expect(serviceStatus(other, 'a')).toMatchObject({ state: 'running', process: successor })
  expect(isProcessAlive(successor)).toBe(true)
  await serve('b', other)
  await endHome(other)
})

test('a service that dies while another home is in the place of its own writes nothing there', async () => {
  const service = await serve('a')
  const supervisor = processIdentity(await ensureSupervisor(home)) as ProcessIdentity
  const other = await replaceHome(home)
  process.kill(service.pid, 'SIGKILL')
  await until(() => {
    expect(serviceStatus(other, 'a')).toBeUndefined()
    return !isProcessAlive(supervisor)
  }, 10_000)
  await endHome(other)
})

test('told to leave, it marks no other home as one whose supervisor was stopped on purpose', async () => {
  const supervisor = processIdentity(await ensureSupervisor(home)) as ProcessIdentity
  const other = await replaceHome(home)
  await ensureSupervisor(other)
  process.kill(supervisor.pid, 'SIGTERM')
  await until(() => !isProcessAlive(supervisor))
  expect(existsSync(join(other.paths.run, 'supervisor.stopped'))).toBe(false)
  expect(await ensureSupervisor(other, { timeoutMs: 100 })).toBeGreaterThan(0)
  await endHome(other)
})

test('a home that is away for a moment only changes nothing', async () => {
  const service = await serve('a')
  await rename(home.dir, `${home.dir}-away`)
  await sleep(700)
  await rename(`${home.dir}-away`, home.dir)
  await sleep(5_000)
  expect(isProcessAlive(service)).toBe(true)
  expect(serviceStatus(home, 'a')).toMatchObject({ state: 'running', process: service })
})

test('a service that dies while the home is gone does not bring a part of it back', async () => {
  const service = await serve('a')
  const supervisor = processIdentity(await ensureSupervisor(home)) as ProcessIdentity
  await removeHome(home)
  process.kill(service.pid, 'SIGKILL')
  await until(() => !isProcessAlive(supervisor), 10_000)
  expect(existsSync(home.dir)).toBe(false)
})

test('a late contender never stays in a home that is deleted, whenever that happens', async () => {
  const homes: Home[] = []
  for (const wait of [0, 40, 80, 120, 180, 250, 400]) {
    if (homes.length > 0) home = await temporaryHome('end-of-home')
    homes.push(home)
    const contender = contend()
    await sleep(wait)
    await removeHome(home).catch(() => removeHome(home))
    await until(() => !isProcessAlive(contender), 10_000)
  }
  expect(homes.filter(({ dir }) => existsSync(dir))).toEqual([])
})

test('a supervisor that is told to leave as soon as anybody can know of it says that it was', async () => {
  for (let round = 0; round < 5; round++) {
    startSupervisor(home)
    while ((await supervisorPid(home)) === undefined);
    await stopSupervisor(home)
    expect(existsSync(join(home.paths.run, 'supervisor.stopped'))).toBe(true)
  }
})

test('a contender from before a stop respects the stop', async () => {
  await ensureSupervisor(home)
  const contender = contend()
  process.kill(contender.pid, 'SIGSTOP')
  await sleep(20)
  await stopSupervisor(home)
  process.kill(contender.pid, 'SIGCONT')
  await until(() => !isProcessAlive(contender), 10_000)
  expect(await supervisorPid(home)).toBeUndefined()
  expect(await ensureSupervisor(home)).toBeGreaterThan(0)
})
