import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { frozen, openMachine, type Machine } from './machine.ts'

let machine: Machine
beforeAll(async () => {
  machine = await openMachine()
  await machine.setup('process')
  await machine.up('one')
})
afterAll(() => machine[Symbol.asyncDispose]())

test('while the database of Pilot is frozen every command ends with its code, and what runs goes on', async () => {
  using control = frozen(await machine.processesOf('postgres-control'))
  await writeFile(join(machine.app, 'version.txt'), 'two')
  for (const words of [['status'], ['up', machine.app, '--yes']]) {
    const told = await machine.fails(words, { code: 'DATABASE_UNREACHABLE', says: ['does not answer', 'server status'] }, { timeoutMs: 120_000 })
    expect(told.reason).toContain('What runs is not touched')
    expect(await machine.answer()).toBe('one')
  }
  control.thaw()
  await machine.up('two')
})

test('a database of the apps that is frozen fails what needs it, and nothing else', async () => {
  using apps = frozen(await machine.processesOf('postgres-apps'))
  expect((await machine.run(['status'])).stdout).toContain('live')
  await machine.fails(['db', 'info', '-p', 'fault'], { code: 'RESOURCE_FAILED', says: ['PostgreSQL of the apps does not answer'] }, { timeoutMs: 120_000 })
  await writeFile(join(machine.app, 'version.txt'), 'three')
  await machine.fails(['up', machine.app, '--yes'], { code: 'RESOURCE_FAILED', says: ['PostgreSQL of the apps does not answer'] }, { timeoutMs: 200_000 })
  expect(await machine.answer()).toBe('two')
  apps.thaw()
  await machine.up('three')
})

test.each(['postgres-control', 'postgres-apps'])('%s that is killed comes back by itself, and a command meanwhile works or says so', async (service) => {
  const [killed] = await machine.processesOf(service)
  process.kill(killed!, 'SIGKILL')
  expect(await machine.answer()).toMatch(/three|after/)
  await writeFile(join(machine.app, 'version.txt'), `after ${service}`)
  await expect
    .poll(
      async () => {
        const { code, stdout } = await machine.run(['up', machine.app, '--yes', '--json'])
        if (code !== 0) expect(['DATABASE_UNREACHABLE', 'RESOURCE_FAILED']).toContain((JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { error: { code: string } }).error.code)
        return code
      },
      { timeout: 120_000 },
    )
    .toBe(0)
  await expect.poll(() => machine.answer()).toBe(`after ${service}`)
  expect((await machine.processesOf(service))[0]).not.toBe(killed)
})
