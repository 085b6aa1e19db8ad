import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { transform } from 'esbuild'
import { afterEach, beforeEach, expect, it } from 'vitest'

const require = createRequire(import.meta.url)
const scripts = path.resolve(import.meta.dirname, '..')
const { environmentForPilot } = require('./environment.cjs') as { environmentForPilot(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilot-start-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it.each(['start.cjs', 'test.cjs', 'run.cjs', 'start/require-node.cjs'])('%s parses in a Node of 2015', async (file) => {
  const source = await readFile(path.join(scripts, file), 'utf8')
  // esbuild rewrites newer syntax, or refuses it; what it leaves as it is, is old.
  const [old, plain] = await Promise.all([transform(source, { target: 'es5' }), transform(source, { target: 'esnext' })])
  expect(old.code).toBe(plain.code)
})

it('a Node that is too old is one sentence and exit code 1', async () => {
  const { code, stderr } = await run(['-e', "Object.defineProperty(process, 'versions', { value: { node: '18.20.8' } }); require('./start/require-node.cjs')"])
  expect(code).toBe(1)
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stderr).toContain('Pilot needs Node 20 or newer')
})

it('what npm adds to the environment does not reach pilot; what says how to reach a registry does', () => {
  const env = environmentForPilot({
    INIT_CWD: path.dirname(scripts),
    PATH: ['/work/node_modules/.bin', '/node_modules/.bin', '/usr/lib/npm/node-gyp-bin', '/usr/bin', '/home/ada/node_modules/.bin'].join(path.delimiter),
    npm_lifecycle_event: 'start',
    npm_package_json: '/work/package.json',
    npm_config_loglevel: 'silent',
    npm_config_prefix: '/work',
    npm_config_registry: 'http://127.0.0.1:4873/',
    npm_execpath: '/usr/lib/npm/bin/npm-cli.js',
    npm_node_execpath: '/usr/bin/node',
    NODE: '/usr/bin/node',
    PORT: '80',
  })
  expect(env).toEqual({
    INIT_CWD: path.dirname(scripts),
    PATH: ['/usr/bin', '/home/ada/node_modules/.bin'].join(path.delimiter),
    npm_config_registry: 'http://127.0.0.1:4873/',
    PILOT_INVOKED_AS: 'npm start --',
    PORT: '80',
  })
})

it('suggested commands name the folder when the user is elsewhere', () => {
  expect(environmentForPilot({ INIT_CWD: '/srv/shop', npm_lifecycle_event: 'start', PATH: '' })['PILOT_INVOKED_AS']).toMatch(/^npm --prefix \S+ start --$/)
})

it('a form that the user chose stays, so that an alias has its own hints', () => {
  expect(environmentForPilot({ INIT_CWD: '/srv/shop', npm_lifecycle_event: 'start', PATH: '', PILOT_INVOKED_AS: 'pilot' })).toMatchObject({ PILOT_INVOKED_AS: 'pilot', INIT_CWD: '/srv/shop' })
})

it('of several that take the lock, one works at a time, also when an owner was killed', async () => {
  const worker = `
    const paths = require('./start/paths.cjs'); paths.stateDir = process.argv[1]
    const fs = require('node:fs'); const { withLock } = require('./start/lock.cjs')
    withLock(async () => {
      console.log('works')
      if (process.argv[2] === 'for long') await new Promise((resolve) => setTimeout(resolve, 60000))
      fs.mkdirSync(process.argv[1] + '/working')
      await new Promise((resolve) => setTimeout(resolve, 20))
      fs.rmdirSync(process.argv[1] + '/working')
    })`
  const killed = spawn(process.execPath, ['-e', worker, folder, 'for long'], { cwd: scripts, stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve) => killed.stdout.once('data', resolve))
  const waiting = Array.from({ length: 4 }, () => run(['-e', worker, folder]))
  await new Promise((resolve) => setTimeout(resolve, 300))
  killed.kill('SIGKILL')
  await new Promise((resolve) => killed.once('exit', resolve))

  const ends = await Promise.all(waiting)
  expect(ends.map(({ code, stdout }) => [code, stdout])).toEqual(ends.map(() => [0, 'works\n']))
})

function run(args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, args, { cwd: scripts })
  const text = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (text.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (text.stderr += String(chunk)))
  return new Promise((resolve, reject) => child.once('error', reject).once('close', (code) => resolve({ code, ...text })))
}
