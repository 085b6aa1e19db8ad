import { execFileSync, spawn } from 'node:child_process'
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readJson, replaceJson } from './files.ts'
import { openHome, pilotHome, removeHome, type Home } from './home.ts'
import { fileLockOwner, tryFileLock, withFileLock } from './lock.ts'
import { isPortFree, releasePort, reservedPorts, reservePort } from './ports.ts'

let folder: string
const homes: Home[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilot-home-'))
})

afterEach(async () => {
  for (const home of homes.splice(0)) await removeHome(home)
  await rm(folder, { recursive: true, force: true })
})

async function open(name = 'home'): Promise<Home> {
  const home = await openHome(join(folder, name))
  homes.push(home)
  return home
}

test('PILOT_HOME wins and becomes absolute', () => {
  expect(pilotHome({ PILOT_HOME: 'here' })).toBe(join(process.cwd(), 'here'))
  expect(pilotHome({})).toMatch(/\/\.pilot$/)
})

test('a home is made once, for its owner only, and keeps its id', async () => {
  const [first, ...others] = await Promise.all(Array.from({ length: 6 }, () => openHome(join(folder, 'home'))))
  homes.push(first as Home)
  expect(new Set([first, ...others].map((home) => home?.id)).size).toBe(1)
  expect((await stat(join(folder, 'home'))).mode & 0o777).toBe(0o700)
  expect((await stat(join(folder, 'home', 'home.json'))).mode & 0o777).toBe(0o600)
  expect((await open()).id).toBe(first?.id)
})

test('a home that others can read is closed', async () => {
  await mkdir(join(folder, 'home'), { mode: 0o755 })
  await chmod(join(folder, 'home'), 0o755)
  await open()
  expect((await stat(join(folder, 'home'))).mode & 0o777).toBe(0o700)
})

test('what cannot be a home is refused with a way out', async () => {
  await writeFile(join(folder, 'file'), '')
  await mkdir(join(folder, 'real'))
  await symlink(join(folder, 'real'), join(folder, 'link'))
  await expect(openHome(join(folder, 'file'))).rejects.toMatchObject({ code: 'HOME_UNUSABLE', suggestion: expect.stringContaining('PILOT_HOME') })
  await expect(openHome(join(folder, 'link'))).rejects.toMatchObject({ code: 'HOME_UNUSABLE', message: expect.stringContaining('symbolic link') })
  const newer = await open('newer')
  await writeFile(newer.paths.homeFile, JSON.stringify({ format: 99, id: newer.id }))
  await expect(openHome(newer.dir)).rejects.toMatchObject({ code: 'HOME_UNUSABLE', message: expect.stringContaining('newer Pilot') })
  await writeFile(newer.paths.homeFile, '{ broken')
  await expect(openHome(newer.dir)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
})

test('a home of another user is refused with the command that gives it back', async ({ skip }) => {
  skip(process.getuid?.() !== 0, 'this needs root: only root can give a folder to another user')
  const home = await open()
  execFileSync('chown', ['65534', home.dir])
  await expect(openHome(home.dir)).rejects.toMatchObject({ code: 'HOME_UNUSABLE', message: expect.stringContaining('uid 65534'), suggestion: expect.stringContaining('chown') })
  execFileSync('chown', ['0', home.dir])
})

test('sockets of a home with a long path lie in a short folder of their own, which is listened on', async () => {
  const home = await open('x'.repeat(120))
  expect(home.paths.run.startsWith(home.dir)).toBe(false)
  expect((await stat(home.paths.run)).mode & 0o777).toBe(0o700)
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(home.paths.serverSocket, resolve))
  await new Promise((resolve) => server.close(resolve))
  await rm(home.paths.run, { recursive: true })
  expect((await openHome(home.dir)).paths.run).toBe(home.paths.run)
  await stat(home.paths.run)
})

test('a name keeps its port, and gives it back', async () => {
  const home = await open()
  const ports = await Promise.all(['a', 'b', 'c', 'a', 'b', 'c'].map((name) => reservePort(home, name)))
  expect(ports.slice(0, 3)).toEqual(ports.slice(3))
  expect(new Set(ports).size).toBe(3)
  expect(ports.every((port) => port >= 10_000 && port < 32_000)).toBe(true)
  await releasePort(home, 'b')
  expect(Object.keys(await reservedPorts(home)).sort()).toEqual(['a', 'c'])
})

test('a port in use is passed over, unless it was demanded', async () => {
  const home = await open()
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const preferred = (other.address() as { port: number }).port
  expect(await isPortFree(preferred)).toBe(false)
  await expect(reservePort(home, 'strict', { preferred, strict: true })).rejects.toMatchObject({ code: 'PORT_TAKEN', message: expect.stringContaining(String(preferred)) })
  expect(await reservePort(home, 'easy', { preferred })).not.toBe(preferred)
  await new Promise((resolve) => other.close(resolve))
  expect(await reservePort(home, 'later', { preferred, strict: true })).toBe(preferred)
})

test('two homes never share a port, also while nobody listens on it', async () => {
  const [one, two] = [await open('one'), await open('two')]
  const port = await reservePort(one, 'app')
  expect(await reservePort(two, 'app', { preferred: port })).not.toBe(port)
  await releasePort(one, 'app')
  expect(await reservePort(two, 'again', { preferred: port })).toBe(port)
})

test('a home that is removed takes its notes about ports along; those of one that was deleted otherwise go with the next claim', async () => {
  const notes = join(tmpdir(), `pilot-ports-${process.getuid?.() ?? 0}`)
  const [one, two, three] = [await open('one'), await open('two'), await open('three')]
  for (const name of ['a', 'b']) await reservePort(one, name)
  const left = await reservePort(two, 'a')
  const kept = await reservePort(three, 'a')
  await removeHome(one)
  expect(await notesOf(notes, one)).toEqual([])
  await rm(two.dir, { recursive: true })
  expect(await notesOf(notes, two)).toEqual([String(left)])
  const next = await reservePort(three, 'b')
  expect(await notesOf(notes, two)).toEqual([])
  expect(await notesOf(notes, three)).toEqual([String(kept), String(next)].sort())
})

async function notesOf(folder: string, { dir }: Home): Promise<readonly string[]> {
  const names = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).sort()
  const owners = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8').catch(() => '')))
  return names.filter((_, index) => owners[index] === dir)
}

test('notes about ports are neither read nor written where somebody else may have made them', async () => {
  const notes = join(tmpdir(), `pilot-ports-${process.getuid?.() ?? 0}`)
  const victim = join(folder, 'victim')
  await writeFile(victim, 'precious')
  const home = await open()
  const port = await reservePort(home, 'first')
  expect(await readFile(join(notes, String(port)), 'utf8')).toBe(home.dir)
  // A link in place of a note: what it points to stays as it is.
  await releasePort(home, 'first')
  await symlink(victim, join(notes, String(port)))
  expect(await reservePort(home, 'first')).toBe(port)
  expect(await readFile(victim, 'utf8')).toBe('precious')
  expect((await lstat(join(notes, String(port)))).isSymbolicLink()).toBe(false)
})

test('a full disk leaves a file as it was, and says so', async () => {
  const path = join(folder, 'ports.json')
  replaceJson(path, { kept: 1 })
  // The limit of this process stands in for a disk: what is written beyond it is cut.
  const files = new URL('./files.ts', import.meta.url).href
  const program = `const { replaceFile } = await import(${JSON.stringify(files)}); process.on('SIGXFSZ', () => {}); try { replaceFile(${JSON.stringify(path)}, 'x'.repeat(4_000_000)); console.log('written') } catch (error) { console.log(error.code) }`
  const said = execFileSync('sh', ['-c', 'ulimit -f 2000; exec "$0" --input-type=module -e "$1"', process.execPath, program], { encoding: 'utf8' })
  expect(said).toBe('EFBIG\n')
  expect(await readJson(path)).toEqual({ kept: 1 })
  expect(await readdir(folder)).toEqual(['ports.json'])
})

test('a lock is held by one, and freed by the death of its process', async () => {
  const path = join(folder, 'lock')
  const holder = spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', `const { tryFileLock } = await import(${JSON.stringify(join(import.meta.dirname, 'lock.ts'))}); await tryFileLock(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1000)`], { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => holder.stdout.once('data', resolve))
  expect((await fileLockOwner(path))?.pid).toBe(holder.pid)
  expect(await tryFileLock(path)).toMatchObject({ heldBy: { pid: holder.pid } })
  const dead = new Promise((resolve) => holder.once('exit', resolve))
  holder.kill('SIGKILL')
  await dead
  expect(await fileLockOwner(path)).toBeUndefined()
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 20 }, () =>
      withFileLock(path, async () => {
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setTimeout(resolve, 2))
        inside--
      }),
    ),
  )
  expect(most).toBe(1)
})

test('many processes that take over a dead owner\'s lock take turns', async () => {
  const path = join(folder, 'contended')
  const counter = join(folder, 'counter')
  await writeFile(counter, '0')
  await writeFile(path, JSON.stringify({ id: 'dead', bootId: 'x', pid: 1, startTime: '0' }))
  const script = `const { withFileLock } = await import(${JSON.stringify(join(import.meta.dirname, 'lock.ts'))}); const fs = await import('node:fs'); for (let i = 0; i < 10; i++) await withFileLock(${JSON.stringify(path)}, async () => { const n = Number(fs.readFileSync(${JSON.stringify(counter)}, 'utf8')); await new Promise((r) => setTimeout(r, 1)); fs.writeFileSync(${JSON.stringify(counter)}, String(n + 1)) }); process.kill(process.pid, 'SIGKILL')`
  await Promise.all(Array.from({ length: 4 }, () => new Promise((resolve) => spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', script], { stdio: 'inherit' }).once('exit', resolve))))
  expect(await readFile(counter, 'utf8')).toBe('40')
})
