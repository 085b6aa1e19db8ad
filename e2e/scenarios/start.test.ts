import { execFile, spawn } from 'node:child_process'
import { appendFile, cp, mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { removeWhole, root } from '../driver/pilot.ts'

/** What a newcomer types in a clone that has just been made, in a folder whose name has a space. */
let folder: string
let clone: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilot start '))
  clone = path.join(folder, 'clone')
  const { stdout } = await promisify(execFile)('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, maxBuffer: 64 << 20 })
  for (const file of stdout.split('\0').filter((name) => name !== '')) {
    await mkdir(path.dirname(path.join(clone, file)), { recursive: true })
    await cp(path.join(root, file), path.join(clone, file)).catch((error: NodeJS.ErrnoException) => {
      // Deleted, and Git has not been told yet.
      if (error.code !== 'ENOENT') throw error
    })
  }
})
afterAll(async () => {
  await start('server', 'stop', '--all', '--yes')
  await removeWhole(path.join(folder, 'home'))
  await rm(folder, { recursive: true, force: true })
})

test('two first starts at once: one installs and builds, the other waits, both do what they were asked', async () => {
  const ends = await Promise.all([start('--version'), start('--version')])
  expect(ends.map(({ code, stdout }) => [code, stdout])).toEqual([[0, '0.1.0\n'], [0, '0.1.0\n']])
  const told = ends.map(({ stderr }) => stderr)
  expect(told.filter((text) => text.includes('Installing'))).toHaveLength(1)
  expect(told.filter((text) => text.includes('waiting for it'))).toHaveLength(1)
})

test('the next start calls neither npm install nor Nx, and a program can read what it prints', async () => {
  const before = await logTimes()
  const { stdout, stderr } = await start('setup', '--json')
  expect(JSON.parse(stdout)).toMatchObject({ providers: [{ name: 'local' }] })
  expect(stderr).not.toMatch(/Installing|Building/)
  expect(await logTimes()).toEqual(before)
})

test('a changed source is built, once', async () => {
  await appendFile(path.join(clone, 'packages/tui/src/index.ts'), '\n')
  const first = await start('--version')
  expect(first).toMatchObject({ code: 0, stdout: '0.1.0\n' })
  expect(first.stderr).toMatch(/Building/)
  expect(first.stderr).not.toMatch(/Installing/)
  expect((await start('--version')).stderr).not.toMatch(/Building/)
})

test('exit codes and arguments pass through', async () => {
  expect(await start('no-such-command')).toMatchObject({ code: 2, stdout: '' })
})

test('an installation that was killed is repaired by the next start', async () => {
  await rm(path.join(clone, 'node_modules'), { recursive: true })
  const killed = spawn('npm', ['start', '-s', '--', '--version'], { cwd: clone, env: environment(), stdio: 'ignore', detached: true })
  while (!(await exists('node_modules'))) await sleep(50)
  await sleep(500)
  process.kill(-killed.pid!, 'SIGKILL')
  const { code, stdout, stderr } = await start('--version')
  expect([code, stdout]).toEqual([0, '0.1.0\n'])
  expect(stderr).toContain('Installing')
})

interface End {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function start(...words: readonly string[]): Promise<End> {
  return new Promise((resolve) => {
    execFile('npm', ['start', '-s', '--', ...words], { cwd: clone, env: environment() }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }))
  })
}

/** As in a shell of its own: without what the npm and the runner of these tests set. */
function environment(): NodeJS.ProcessEnv {
  const kept = /^npm_config_(registry|cache|cafile|proxy|https_proxy|userconfig|globalconfig)$/
  const own = Object.entries(process.env).filter(([name]) => kept.test(name) || !/^(npm_|INIT_CWD$|PILOT_|VITEST|NODE_ENV$|NODE_OPTIONS$|NX_|CI$)/i.test(name))
  return { ...Object.fromEntries(own), PILOT_HOME: path.join(folder, 'home'), npm_config_prefer_offline: 'true' }
}

const logTimes = () => Promise.all(['install.log', 'build.log'].map(async (name) => (await stat(path.join(clone, '.nx/start', name))).mtimeMs))
const exists = (name: string) => stat(path.join(clone, name)).then(() => true, () => false)
