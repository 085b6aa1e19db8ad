import { readFile, stat, writeFile } from 'node:fs/promises'
import { getPriority } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Home } from '../home/home.ts'
import { serviceMemory } from '../processes.ts'
import { endHome, temporaryHome, until } from '../testing/fixtures.ts'
import { putService, serviceStatus, waitForService } from './client.ts'
import { rotateLog } from './log-files.ts'

let home: Home

beforeEach(async () => {
  home = await temporaryHome('limits')
})

afterEach(async () => endHome(home))

test('a log that has grown too large is copied and emptied under its writer, which goes on at its beginning', async () => {
  const logFile = join(home.paths.logs, 'chatty.log')
  await putService(home, { name: 'chatty', command: process.execPath, args: ['-e', `setInterval(() => console.log('x'.repeat(1000)), 1)`], logFile })
  await until(async () => (await stat(logFile).catch(() => undefined))?.size !== undefined && (await stat(logFile)).size > 20_000)
  expect(rotateLog(logFile, 10_000)).toBe(true)
  expect((await stat(`${logFile}.1`)).size).toBeGreaterThan(20_000)
  const { size } = await stat(logFile)
  await until(async () => (await stat(logFile)).size > size)
  expect((await readFile(logFile)).includes(0)).toBe(false)
})

test('a niced service is nice, and its memory is reported', async () => {
  await putService(home, { name: 'nice', command: process.execPath, args: ['-e', 'globalThis.x = Buffer.alloc(64e6, 1); setInterval(() => {}, 1000)'], logFile: join(home.paths.logs, 'nice.log'), nice: 7 })
  const { process: running, limits } = await waitForService(home, 'nice')
  expect(getPriority(running?.pid as number)).toBe(7)
  expect(limits).toEqual({ nice: 'nice 7' })
  await until(async () => ((await serviceMemory(home)).find(({ name }) => name === 'nice')?.residentBytes ?? 0) > 64e6)
  expect((await serviceMemory(home)).map(({ name }) => name)).toEqual(['supervisor', 'nice'])
})

test('a memory limit is kept, or the status says that it is not', async () => {
  const greedy = `const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)), 20)`
  await putService(home, { name: 'greedy', command: process.execPath, args: ['-e', greedy], logFile: join(home.paths.logs, 'greedy.log'), memoryBytes: 150e6, restart: { when: 'never' } })
  await waitForService(home, 'greedy').catch(() => {})
  const limit = serviceStatus(home, 'greedy')?.limits?.['memory']
  if (limit?.startsWith('cgroup') === true) {
    await until(() => serviceStatus(home, 'greedy')?.state === 'failed')
    expect(serviceStatus(home, 'greedy')?.lastExit).toMatchObject({ signal: 'SIGKILL', outOfMemory: true })
  } else expect(limit).toMatch(/^not enforced: /)
})

test('a specification that cannot be read leaves the running service alone', async () => {
  await putService(home, { name: 'steady', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'], logFile: join(home.paths.logs, 'steady.log') })
  const before = await waitForService(home, 'steady')
  await writeFile(join(home.paths.services, 'steady.json'), '{ half')
  await until(async () => (await readFile(join(home.paths.logs, 'supervisor.log'), 'utf8')).includes('cannot be read'))
  expect(serviceStatus(home, 'steady')?.process).toEqual(before.process)
})
