import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test, type TestContext } from 'vitest'
import { homeOn, openMachine, smallDisk, type Machine, type SmallDisk } from './machine.ts'

/** One home whose disk is full to the last byte, again and again: nothing is damaged, and it is said at once. */
let opened: Promise<{ readonly disk: SmallDisk; readonly machine: Machine }> | undefined

const place = (context: TestContext) =>
  (opened ??= (async () => {
    const disk = await smallDisk(context)
    const machine = await openMachine({ home: await homeOn(disk) })
    await machine.setup('process')
    await machine.up('one')
    return { disk, machine }
  })())

afterAll(async () => {
  const there = await opened?.catch(() => undefined)
  if (there === undefined) return
  there.disk.empty()
  await there.machine[Symbol.asyncDispose]()
  await there.disk[Symbol.asyncDispose]()
})

const refused: readonly { readonly words: readonly string[]; readonly where: string }[] = [
  { words: ['up', 'APP', '--yes'], where: 'upload' },
  { words: ['env', 'set', '-p', 'fault', 'A=1'], where: 'records' },
  { words: ['db', 'backup', '-p', 'fault'], where: 'backups' },
  { words: ['rollback', '-p', 'fault', '--yes'], where: 'records' },
]

test('every command that changes something says at once that the disk is full, and which; what runs goes on', async (context) => {
  const { disk, machine } = await place(context)
  await machine.up('two')
  await disk.fill()
  await writeFile(join(machine.app, 'version.txt'), 'three').catch(() => {})
  for (const { words } of refused) {
    const told = await machine.fails(words.map((word) => (word === 'APP' ? machine.app : word)), { code: 'DISK_FULL', says: [disk.path, 'df -h'] })
    expect(told.message).toMatch(/full|no space left/)
    expect(await machine.answer()).toBe('two')
  }
  for (const words of [['status'], ['releases', '-p', 'fault'], ['jobs'], ['server', 'status'], ['logs', '-p', 'fault']]) expect([words, (await machine.run(words)).code]).toEqual([words, 0])

  disk.empty()
  await machine.up('three')
  expect((await machine.run(['db', 'psql', '-p', 'fault', '--builtin'], { input: 'create table t (n int); insert into t values (7); select n from t;\n' })).stdout).toContain('7')
})

test('what dies on a full disk is started again on it: app, server and databases', async (context) => {
  const { disk, machine } = await place(context)
  await disk.fill()
  const services = ['server', 'postgres-control', 'postgres-apps', ...(await appServices(machine))]
  const before = await Promise.all(services.map((service) => machine.processesOf(service)))
  for (const [pid] of before) process.kill(pid!, 'SIGKILL')
  await expect.poll(() => machine.answer().catch(() => ''), { timeout: 60_000 }).toBe('three')

  disk.empty()
  await machine.up('four')
  await expect.poll(async () => (await machine.run(['db', 'psql', '-p', 'fault', '--builtin'], { input: 'select n from t;\n' })).stdout, { timeout: 30_000 }).toContain('7')
})

test('a build that fills the disk fails, and leaves nothing', async (context) => {
  const { disk, machine } = await place(context)
  const script = { build: 'node fill.js', start: 'node server.js' }
  await writeFile(join(machine.app, 'fill.js'), `const fs = require('fs'); const mb = Buffer.alloc(1 << 20); for (let n = 0; n < 2048; n++) fs.appendFileSync('big', mb)\n`)
  await writeFile(join(machine.app, 'package.json'), JSON.stringify({ scripts: script }))
  await disk.fill(540 * 1024 ** 2)
  await machine.fails(['up', machine.app, '--yes'], { code: 'DISK_FULL', says: [/no space left/i] })
  expect(await machine.answer()).toBe('four')
  disk.empty()
  await writeFile(join(machine.app, 'package.json'), JSON.stringify({ scripts: { start: script.start } }))
  await machine.up('five')
  expect((await readdir(disk.path, { recursive: true })).filter((path) => path.endsWith('/big'))).toEqual([])
})

test('too little space to build is said before anything is built', async (context) => {
  const { disk, machine } = await place(context)
  await disk.fill(100 * 1024 ** 2)
  await writeFile(join(machine.app, 'version.txt'), 'six')
  await machine.fails(['up', machine.app, '--yes'], { code: 'DISK_FULL', says: [/100 MB|99 MB/, disk.path] })
  expect(await machine.answer()).toBe('five')
  disk.empty()
  await machine.up('six')
})

test('a home that is stopped says that its disk is full, and starts when there is space', async (context) => {
  const { disk, machine } = await place(context)
  expect((await machine.run(['server', 'stop', '--all', '--yes'])).code).toBe(0)
  await disk.fill()
  await machine.fails(['status'], { code: 'DISK_FULL', says: [disk.path] })
  disk.empty()
  await machine.up('seven')
})

test('a home cannot be made on a full disk, and can when there is space', async (context) => {
  await using disk = await smallDisk(context)
  await disk.fill()
  const home = join(disk.path, 'home')
  await using machine = await openMachine({ home })
  await machine.fails(['up', machine.app, '--yes'], { code: 'DISK_FULL', says: [disk.path] })
  disk.empty()
  await machine.up('one')
})

async function appServices(machine: Machine): Promise<readonly string[]> {
  const names = await readdir(join(machine.home, 'services'))
  return names.filter((name) => name.startsWith('pilot-deployment')).map((name) => name.replace(/\.json$/, ''))
}
