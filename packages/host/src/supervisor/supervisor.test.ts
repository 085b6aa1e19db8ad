import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isProcessAlive } from '@pilot/core/process-identity'
import { signal } from '../end-processes.ts'
import { replaceJson } from '../home/files.ts'
import { removeHome, type Home } from '../home/home.ts'
import { ensureSupervisor, putService, removeService, restartService, serviceStatus, stopSupervisor, supervisorPid, waitForService } from './client.ts'
import { temporaryHome, until } from '../testing/fixtures.ts'
import type { ServiceSpec } from './spec.ts'

let home: Home

beforeEach(async () => {
  home = await temporaryHome('supervisor')
})

afterEach(async () => {
  const strays = await straysLeft()
  try {
    await stopSupervisor(home, { services: 'stop' })
  } finally {
    for (const pid of strays) if (isOfThisHome(pid)) signal(pid, 'SIGKILL')
    await removeHome(home)
  }
})

const nodeService = (name: string, script: string, more: Partial<ServiceSpec> = {}): ServiceSpec => ({
  name,
  command: process.execPath,
  args: ['-e', script],
  logFile: join(home.paths.logs, `${name}.log`),
  ...more,
})
const forever = 'setInterval(() => {}, 1000)'

async function running(name: string): Promise<number> {
  const status = await waitForService(home, name)
  return status.process?.pid as number
}

test('many callers at once start one supervisor', async () => {
  const pids = await Promise.all(Array.from({ length: 8 }, () => ensureSupervisor(home)))
  expect(new Set(pids).size).toBe(1)
})

test('a service runs with its environment, secrets included, and its output goes to its log', async () => {
  const spec = nodeService('hello', `console.log(process.env.OPEN, process.env.HIDDEN, process.env.USERNAME_OF_CALLER); ${forever}`, { env: { OPEN: 'one' }, secretEnv: { HIDDEN: 'two-is-hidden' } })
  await putService(home, spec)
  await running('hello')
  await until(async () => (await readFile(spec.logFile, 'utf8')).includes('one two-is-hidden undefined'))
  expect(await readFile(join(home.paths.services, 'hello.json'), 'utf8')).not.toContain('two-is-hidden')
})

test('the same specification again changes nothing, another one restarts the service', async () => {
  await putService(home, nodeService('a', forever))
  const first = await running('a')
  await putService(home, nodeService('a', forever))
  await sleep(300)
  expect(await running('a')).toBe(first)
  await putService(home, nodeService('a', forever, { env: { X: '1' } }))
  expect(await running('a')).not.toBe(first)
  await restartService(home, 'a')
  const third = await running('a')
  await putService(home, nodeService('a', forever, { env: { X: '1' } }))
  expect(third).not.toBe(first)
})

test('a killed service comes back at once and counts its restarts', async () => {
  await putService(home, nodeService('a', forever))
  const pid = await running('a')
  process.kill(pid, 'SIGKILL')
  await until(() => serviceStatus(home, 'a')?.process !== undefined && serviceStatus(home, 'a')?.process?.pid !== pid, 1_000)
  expect(serviceStatus(home, 'a')).toMatchObject({ state: 'running', restarts: 1, lastExit: { code: null, signal: 'SIGKILL' } })
})

test('a service that keeps ending is restarted more and more slowly, and waiting for it fails with its log', async () => {
  await putService(home, nodeService('bad', `console.log('no database'); process.exit(3)`, { restart: { when: 'always', delayMs: 50 } }))
  await expect(waitForService(home, 'bad', { maxRestarts: 3, ready: () => false })).rejects.toMatchObject({ code: 'RESOURCE_FAILED', reason: 'exit code 3', details: { log: expect.arrayContaining(['no database']) } })
})

test('a program that does not exist is a problem with its name', async () => {
  await putService(home, nodeService('none', '', { command: '/does/not/exist', restart: { when: 'never' } }))
  await expect(waitForService(home, 'none')).rejects.toMatchObject({ code: 'RESOURCE_FAILED', reason: expect.stringContaining('/does/not/exist') })
})

test('removing a service ends its whole tree, also what ignores SIGTERM', async () => {
  const script = `process.on('SIGTERM', () => {}); const c = require('child_process').spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"]); console.log('child ' + c.pid); ${forever}`
  const spec = nodeService('tree', script, { stopTimeoutMs: 300 })
  await putService(home, spec)
  await running('tree')
  let child = 0
  await until(async () => (child = Number(/child (\d+)/.exec(await readFile(spec.logFile, 'utf8'))?.[1] ?? 0)) > 0)
  await sleep(100)
  await removeService(home, 'tree')
  expect(serviceStatus(home, 'tree')).toBeUndefined()
  expect(runsProgram(child)).toBe(false)
})

/** Starts something in a session of its own, with what it can be found by left in place or taken away; it ignores SIGTERM. */
const strayOf = (env: string): string =>
  `const c = require('child_process').spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], { detached: true, stdio: 'ignore', env: ${env} }); c.unref(); console.log('stray ' + c.pid); ${forever}`

async function strayPid(spec: ServiceSpec): Promise<number> {
  let pid = 0
  await until(async () => (pid = Number(/stray (\d+)/.exec(await readFile(spec.logFile, 'utf8').catch(() => ''))?.[1] ?? 0)) > 0)
  return pid
}

test('removing a service ends what it started in a session of its own', async () => {
  const spec = nodeService('stray', strayOf('process.env'), { stopTimeoutMs: 300 })
  await putService(home, spec)
  await running('stray')
  const stray = await strayPid(spec)
  await removeService(home, 'stray')
  expect(runsProgram(stray)).toBe(false)
})

test('a service that ended by itself meets nothing of its former life when it starts again', async () => {
  const spec = nodeService('stray', strayOf('process.env'))
  await putService(home, spec)
  const pid = await running('stray')
  const stray = await strayPid(spec)
  process.kill(pid, 'SIGKILL')
  await until(() => serviceStatus(home, 'stray')?.process !== undefined && serviceStatus(home, 'stray')?.process?.pid !== pid)
  expect(runsProgram(stray)).toBe(false)
})

test('a limited service takes what it started along, also without its environment, and after its supervisor was killed', async ({ skip }) => {
  const spec = nodeService('stray', strayOf('{}'), { memoryBytes: 500e6 })
  await putService(home, spec)
  await running('stray')
  // Known before anything else, so that it is ended also where the rest is skipped.
  const stray = await strayPid(spec)
  skip(serviceStatus(home, 'stray')?.limits?.['memory']?.startsWith('cgroup') !== true, 'this needs root, or a delegated cgroup: only so a process is followed that emptied its environment')
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  await ensureSupervisor(home)
  await removeService(home, 'stray')
  expect(runsProgram(stray)).toBe(false)
})

test('a supervisor that a service starts is none of its processes', async () => {
  process.env['PILOT_SERVICE'] = `${home.id}/a/x`
  const pid = await ensureSupervisor(home).finally(() => delete process.env['PILOT_SERVICE'])
  expect(await readFile(`/proc/${pid}/environ`, 'utf8')).not.toContain('PILOT_SERVICE')
})

test('killed, the supervisor leaves its services alone, and the next one adopts them', async () => {
  await putService(home, nodeService('a', forever))
  await putService(home, nodeService('b', forever))
  const [a, b] = [await running('a'), await running('b')]
  const killed = (await supervisorPid(home)) as number
  process.kill(killed, 'SIGKILL')
  await until(async () => (await supervisorPid(home)) === undefined)
  expect(runsProgram(a) && runsProgram(b)).toBe(true)
  expect(await ensureSupervisor(home)).not.toBe(killed)
  await sleep(300)
  expect(await running('a')).toBe(a)
  expect(countMarked()).toBe(2)
  process.kill(b, 'SIGKILL')
  await until(() => serviceStatus(home, 'b')?.state === 'running' && serviceStatus(home, 'b')?.process?.pid !== b, 2_000)
  await removeService(home, 'a')
  expect(runsProgram(a)).toBe(false)
})

test('a supervisor that died between starting a service and writing it down does not lead to a second one', async () => {
  await putService(home, nodeService('a', forever))
  const pid = await running('a')
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  await until(async () => (await supervisorPid(home)) === undefined)
  const { process: _, ...status } = serviceStatus(home, 'a') as NonNullable<ReturnType<typeof serviceStatus>>
  replaceJson(join(home.paths.serviceStatus, 'a.json'), { ...status, state: 'starting' })
  await ensureSupervisor(home)
  expect(await running('a')).toBe(pid)
  expect(countMarked()).toBe(1)
})

test('a pid that belongs to another process now is not adopted', async () => {
  await putService(home, nodeService('a', forever))
  const pid = await running('a')
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  process.kill(pid, 'SIGKILL')
  await until(async () => (await supervisorPid(home)) === undefined && !runsProgram(pid))
  const status = serviceStatus(home, 'a') as NonNullable<ReturnType<typeof serviceStatus>>
  replaceJson(join(home.paths.serviceStatus, 'a.json'), { ...status, process: { ...status.process, pid: process.pid } })
  await ensureSupervisor(home)
  await until(() => serviceStatus(home, 'a')?.process?.pid !== process.pid && serviceStatus(home, 'a')?.state === 'running')
  expect(isProcessAlive(serviceStatus(home, 'a')?.process as never)).toBe(true)
})

test('a service removed while no supervisor ran is ended by the next one', async () => {
  await putService(home, nodeService('a', forever))
  const pid = await running('a')
  process.kill((await supervisorPid(home)) as number, 'SIGKILL')
  await until(async () => (await supervisorPid(home)) === undefined)
  await rm(join(home.paths.services, 'a.json'))
  await ensureSupervisor(home)
  await until(() => !runsProgram(pid))
})

/** What services said that they had started: without its environment and outside of a cgroup, the supervisor cannot find it. */
async function straysLeft(): Promise<readonly number[]> {
  const logs = await Promise.all((await readdir(home.paths.logs)).map((name) => readFile(join(home.paths.logs, name), 'utf8')))
  return logs.flatMap((log) => [...log.matchAll(/^(?:stray|child) (\d+)$/gm)].map((match) => Number(match[1])))
}

/** Its pid may have been given out again. */
function isOfThisHome(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === home.dir
  } catch {
    return false
  }
}

/** One that has ended runs none, though whoever inherited it may take a moment to reap it: until then its command line is empty. */
function runsProgram(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || readFileSync(`/proc/${pid}/cmdline`).length > 0
  } catch {
    return false
  }
}

/** Processes that carry the mark of this home. */
function countMarked(): number {
  return Number(execFileSync('sh', ['-c', `grep -l "PILOT_SERVICE=${home.id}" /proc/[0-9]*/environ 2>/dev/null | wc -l`], { encoding: 'utf8' }))
}
