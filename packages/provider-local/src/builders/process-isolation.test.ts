import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { processIdentity, type ArtifactReference, type Builder } from '@pilot/core'
import { findUser, openHome, removeHome, type Home } from '@pilot/host'
import { hasOwnUsers } from '../process/isolation.ts'
import { noSignal, sourceOf } from '../testing/local-platform.ts'
import { processBuilder } from './process.ts'

const platformId = randomBytes(16).toString('hex')
let home: Home
let builder: Builder

beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-builds-')))
  builder = processBuilder({ home, platformId })
})
afterAll(() => removeHome(home))

/** The build script of a Node app; `random` makes it another source each time. */
const sourceWith = (script: string) => sourceOf({ 'package.json': JSON.stringify({ name: 'app', scripts: { build: 'node build.js', start: 'node server.js' } }), 'build.js': script, 'server.js': '' })
const build = (app: string, script: string, log: string[] = [], onLine: (line: string) => void = () => {}): Promise<ArtifactReference> =>
  builder.build({
    app: { project: 'shop', app, environment: 'production' },
    ...sourceWith(script),
    args: {},
    signal: noSignal(),
    log(line) {
      log.push(line)
      onLine(line)
    },
  })

/** Starts a program that leaves the session, the group and the environment of the build; it gets the folder of the source. */
const leave = (program: string, { env = '{}', stdio = 'ignore' } = {}): string =>
  `const left = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(program)}, process.cwd()], { detached: true, stdio: '${stdio}', env: ${env} }); left.unref(); console.log('left ' + left.pid)\n`
const leftOf = (log: readonly string[]): number => Number(/left (\d+)/.exec(log.join('\n'))?.[1])
const isAlive = (pid: number): boolean => processIdentity(pid) !== undefined

describe('what a build leaves running', () => {
  beforeEach(({ skip }) => skip(process.platform !== 'linux', 'this needs Linux: processes are looked for in /proc'))

  test('is ended with it, and its artifact stays as it was built', async () => {
    const log: string[] = []
    const env = hasOwnUsers() ? '{}' : 'process.env'
    // It puts a new file in the place of the old one, which takes no right but that to the folder; the build ends only when it has begun.
    const change = `process.on('SIGTERM', () => {}); const fs = require('fs'); let n = 0; setInterval(() => { try { fs.writeFileSync('next', 'changed ' + ++n); fs.renameSync('next', 'word') } catch {} }, 1)`
    const { location } = await build('left', `const fs = require('fs'); fs.writeFileSync('word', 'built')\n${leave(change, { env })}; while (fs.readFileSync('word', 'utf8') === 'built') {}`, log)
    const word = join(location, 'word')
    const state = async () => ({ names: await readdir(location), content: await readFile(word, 'utf8'), mode: (await stat(word)).mode & 0o222, inode: (await stat(word)).ino })
    const built = await state()
    expect(built).toMatchObject({ content: expect.stringMatching(/^changed \d+$/), mode: 0 })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await state()).toEqual(built)
    expect(isAlive(leftOf(log))).toBe(false)
    expect((await readdir(join(home.paths.reachable, 'builds'))).filter((name) => !name.endsWith('.lock'))).toEqual([])
  })

  test('does not hold the build up by keeping its output open', { timeout: 20_000 }, async () => {
    const log: string[] = []
    await build('loud', leave(`setInterval(() => console.log('still here'), 100)`, { env: 'process.env', stdio: 'inherit' }), log)
    expect(isAlive(leftOf(log))).toBe(false)
  })
})

describe('as root', () => {
  beforeEach(({ skip }) => skip(!hasOwnUsers(), 'this needs root (on Linux): only then a build has a user of its own'))

  test('nothing is written through what a build puts in the place of its own files', { timeout: 60_000 }, async () => {
    const outside = await mkdtemp(join(tmpdir(), 'pilot-outside-'))
    const target = join(outside, 'target')
    await writeFile(target, 'of root', { mode: 0o644 })
    const swap = `const fs = require('fs'), bin = process.argv[1] + '/.venv/bin'; process.on('SIGTERM', () => {}); for (;;) { try { fs.rmSync(bin + '/x', { force: true }); fs.writeFileSync(bin + '/x', '#!' + process.argv[1]); fs.rmSync(bin + '/x'); fs.symlinkSync(${JSON.stringify(target)}, bin + '/x') } catch {} }`
    const many = `for (let i = 0; i < 400; i++) fs.writeFileSync('.venv/bin/a' + i, '#!' + process.cwd())`
    await build('race', `const fs = require('fs'); fs.mkdirSync('.venv/bin', { recursive: true }); ${many}\n${leave(swap)}`)
    // Without a race: folders and files that lead elsewhere, to a text that Pilot would change in an environment of the build's own.
    const log: string[] = []
    const namesSource = (line: string): void => {
      const source = /^in (.*)/.exec(line)?.[1]
      if (source !== undefined) writeFileSync(join(outside, 'pyvenv.cfg'), `command = ${source}`)
    }
    const leads = `const fs = require('fs'); console.log('in ' + process.cwd()); setTimeout(() => {}, 500);`
    await build('links', `${leads} fs.symlinkSync(${JSON.stringify(outside)}, '.venv')`, log, namesSource)
    const before = await readFile(join(outside, 'pyvenv.cfg'), 'utf8')
    expect(before).toContain('/source')
    await build('links', `${leads} fs.mkdirSync('.venv'); fs.symlinkSync(${JSON.stringify(outside)}, '.venv/bin')`, log)
    await build('links', `${leads} fs.mkdirSync('.venv'); fs.symlinkSync(${JSON.stringify(join(outside, 'pyvenv.cfg'))}, '.venv/pyvenv.cfg')`, log)
    expect(await readFile(join(outside, 'pyvenv.cfg'), 'utf8')).toBe(before)
    expect([await readFile(target, 'utf8'), (await stat(target)).mode & 0o777, (await stat(target)).uid, (await stat(outside)).mode & 0o777]).toEqual(['of root', 0o644, 0, 0o700])
    await rm(outside, { recursive: true })
  })

  test('a Python environment knows its lasting place', async () => {
    const artifact = await build('venv', `const fs = require('fs'); fs.mkdirSync('.venv/bin', { recursive: true }); fs.writeFileSync('.venv/bin/x', '#!' + process.cwd() + '/.venv/bin/python', { mode: 0o755 }); fs.writeFileSync('.venv/pyvenv.cfg', 'command = ' + process.cwd())`)
    const program = join(artifact.location, '.venv/bin/x')
    expect(await readFile(program, 'utf8')).toBe(`#!${artifact.location}/.venv/bin/python`)
    expect(await readFile(join(artifact.location, '.venv/pyvenv.cfg'), 'utf8')).toBe(`command = ${artifact.location}`)
    expect([(await stat(program)).mode & 0o777, (await stat(program)).uid]).toEqual([0o555, 0])
  })

  test('a build finds what earlier builds of its own app downloaded, nothing of another app, and changes no artifact by it', async () => {
    const script = (word: string): string => `const fs = require('fs'), f = process.env.npm_config_cache + '/f'
      fs.mkdirSync(process.env.npm_config_cache, { recursive: true }); console.log('found ' + (fs.existsSync(f) ? fs.readFileSync(f) : 'nothing'))
      fs.writeFileSync(f, '${word}'); fs.linkSync(f, 'linked')`
    const logs: Record<'a' | 'again' | 'b', string[]> = { a: [], again: [], b: [] }
    const first = await build('a', script('one'), logs.a)
    await build('a', script('two'), logs.again)
    await build('b', script('three'), logs.b)
    expect([logs.a, logs.again, logs.b].map((log) => log.find((line) => line.startsWith('found ')))).toEqual(['found nothing', 'found one', 'found nothing'])
    expect(await readFile(join(first.location, 'linked'), 'utf8')).toBe('one')
    expect((await stat(join(first.location, 'linked'))).uid).toBe(0)
  })

  test('builds at the same time run as different users, in folders that the other one cannot enter', async () => {
    const script = `const fs = require('fs'); console.log('uid ' + process.getuid()); const other = ['1', '2', '3', '4', '5', '6', '7', '8'].map((n) => '../../' + n + '/source'); setTimeout(() => { for (const folder of other) { try { if (fs.realpathSync(folder) !== process.cwd()) console.log('entered ' + fs.readdirSync(folder)) } catch {} } }, 1500)`
    const logs: string[][] = [[], []]
    await Promise.all(logs.map((log, index) => build(`side-${index}`, script, log)))
    const uids = logs.map((log) => log.find((line) => line.startsWith('uid ')))
    expect(new Set(uids).size).toBe(2)
    expect(uids).not.toContain('uid 0')
    expect(logs.flat().filter((line) => line.startsWith('entered '))).toEqual([])
  })

  test('for an ordinary user a build leaves nothing running either, and its artifact, whose files it cannot change by mistake, can be deleted', { timeout: 30_000 }, async () => {
    const nobody = (await findUser('nobody'))!
    const own = await mkdtemp(join(tmpdir(), 'pilot-nobody-'))
    execFileSync('chown', [`${nobody.uid}:${nobody.gid}`, own])
    const buildScript = `require('fs').mkdirSync('closed'); require('fs').writeFileSync('closed/f', ''); require('fs').chmodSync('closed', 0o500)\n${leave('setInterval(() => {}, 1000)', { env: 'process.env', stdio: 'inherit' })}`
    const script = `const { openHome, removeHome } = await import('@pilot/host')
      const { processIdentity } = await import('@pilot/core')
      const { processBuilder } = await import(${JSON.stringify(join(import.meta.dirname, 'process.ts'))})
      const { sourceOf, noSignal } = await import(${JSON.stringify(join(import.meta.dirname, '../testing/local-platform.ts'))})
      const { existsSync, openSync, writeFileSync } = await import('node:fs')
      const attempt = (work) => { try { work(); return 'done' } catch (error) { return error.code } }
      const home = await openHome(${JSON.stringify(join(own, 'home'))})
      const builder = processBuilder({ home, platformId: 'p' })
      const source = sourceOf({ 'package.json': JSON.stringify({ scripts: { build: 'node build.js', start: 'node x' } }), 'build.js': ${JSON.stringify(buildScript)} })
      const log = []
      const artifact = await builder.build({ app: { project: 'shop', app: 'web', environment: 'production' }, ...source, args: {}, signal: noSignal(), log: (line) => log.push(line) })
      const pid = /left (\\d+)/.exec(log.join(' '))[1]
      const was = [processIdentity(Number(pid)) !== undefined, existsSync(artifact.location + '/closed/f')]
      // As its app could: there both have one user.
      const write = [attempt(() => openSync(artifact.location + '/build.js', 'r+')), attempt(() => writeFileSync(artifact.location + '/new', ''))]
      await builder.remove(artifact, noSignal())
      console.log(JSON.stringify([...was, ...write, existsSync(artifact.location), existsSync(home.paths.reachable + '/artifacts/p')]))
      await removeHome(home)`
    const out = execFileSync(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', script], { encoding: 'utf8', uid: nobody.uid, gid: nobody.gid, cwd: join(import.meta.dirname, '../..'), env: { PATH: process.env['PATH'], TMPDIR: own, HOME: own } })
    expect(JSON.parse(out.trim().split('\n').at(-1)!)).toEqual([false, true, 'EACCES', 'done', false, false])
    await rm(own, { recursive: true })
  })
})

describe('deleting an artifact', () => {
  test('takes all of it and no other, also not the one that another platform built of the same source', async () => {
    const other = processBuilder({ home, platformId: randomBytes(16).toString('hex') })
    const source = sourceWith(`require('fs').mkdirSync('closed'); require('fs').writeFileSync('closed/f', ''); require('fs').chmodSync('closed', 0o500)`)
    const call = { app: { project: 'shop', app: 'removed', environment: 'production' }, ...source, args: {}, signal: noSignal(), log: () => {} }
    const [ours, theirs, next] = [await builder.build(call), await other.build(call), await build('removed', '')]
    expect(ours.digest).toBe(theirs.digest)
    expect(ours.location).not.toBe(theirs.location)

    await builder.remove!(theirs, noSignal())
    expect(await other.exists(theirs, noSignal())).toBe(true)
    await builder.remove!(ours, noSignal())
    await builder.remove!(ours, noSignal())
    expect([existsSync(ours.location), existsSync(theirs.location), existsSync(next.location)]).toEqual([false, true, true])
    expect(existsSync(join(next.location, 'server.js'))).toBe(true)

    await builder.remove!(next, noSignal())
    for (const folder of ['artifacts', 'build-cache']) expect(existsSync(join(home.paths.reachable, folder, platformId, 'shop', 'removed'))).toBe(false)
  })
})
