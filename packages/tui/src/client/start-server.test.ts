import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openHome, putService, removeHome, serviceStatus, stopSupervisor, supervisorPid, waitForService } from '@pilot/host'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { spawnPilot } from '../testing/spawn-pilot.ts'
import { version } from '../version.ts'
import { isOlder } from './connect.ts'
import { serverSocket } from './home.ts'

/** With the real supervisor, PostgreSQL and server, each test in a home of its own. */
let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilot-home-'))
})
afterEach(async () => {
  const home = await openHome(dir)
  await stopSupervisor(home, { services: 'stop' })
  await removeHome(home)
  await rm(dir, { recursive: true, force: true })
})

const pilot = (...argv: string[]) => spawnPilot(argv, { PILOT_HOME: dir }).done
const status = async () => JSON.parse((await pilot('server', 'status', '--json')).stdout) as { running: boolean; server?: { version: string; pid: number }; services: { name: string; state: string; pid?: number; memoryBytes?: number }[] }

describe('the server of a home', { timeout: 180_000 }, () => {
  test('starts by itself, once for commands that come at the same time; stops; and stops with everything', async () => {
    const [first, second] = await Promise.all([pilot('status'), pilot('setup', '--json')])
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing is deployed yet.') })
    expect(JSON.parse(second.stdout)).toMatchObject({ providers: [{ name: 'local', builtIn: true }] })

    const running = await status()
    expect(running).toMatchObject({ running: true, server: { version } })
    expect(running.services.map(({ name, state }) => `${name} ${state}`)).toEqual(['supervisor running', 'postgres-control running', 'server running'])
    for (const { memoryBytes } of running.services) expect(memoryBytes).toBeGreaterThan(1024 ** 2)

    const third = await pilot('status')
    expect(third.stderr).toBe('')
    expect((await status()).server!.pid).toBe(running.server!.pid)
    expect((await pilot('server', 'logs', '-n', '1')).stdout).toMatch(/^\{.*server started.*\}\n$/)

    expect(await pilot('server', 'stop')).toMatchObject({ code: 0, stdout: 'The server is stopped; apps run on.\n' })
    const stopped = await status()
    expect(stopped).toMatchObject({ running: false })
    expect(stopped.services.map(({ name }) => name)).toEqual(['supervisor', 'postgres-control'])

    expect((await pilot('server', 'stop', '--all')).code).toBe(2)
    expect((await pilot('server', 'stop', '--all', '--yes')).code).toBe(0)
    expect((await status()).services.filter(({ state }) => state === 'running')).toEqual([])
  })

  test('makes way for a newer client, and nothing else is touched', async () => {
    const home = await openHome(dir)
    const old = join(dir, 'old-server.mjs')
    await writeFile(old, `
      import { createServer } from 'node:http'
      import { rmSync } from 'node:fs'
      rmSync(process.argv[2], { force: true })
      createServer((request, response) => response.end(JSON.stringify({ version: '0.0.9', pid: process.pid }))).listen(process.argv[2])
      process.on('SIGTERM', () => process.exit(0))
    `)
    await putService(home, { name: 'server', command: process.execPath, args: [old, home.paths.serverSocket], logFile: join(home.paths.logs, 'server.log') })
    await putService(home, { name: 'an-app', command: 'sleep', args: ['1000'], logFile: join(home.paths.logs, 'an-app.log') })
    await waitForService(home, 'server')
    const before = { app: (await waitForService(home, 'an-app')).process!.pid, supervisor: await supervisorPid(home) }

    const ran = await pilot('status')
    expect(ran).toMatchObject({ code: 0, stderr: `Replacing the server 0.0.9 by ${version}; apps are not touched\n` })
    expect(await status()).toMatchObject({ running: true, server: { version } })
    expect((await waitForService(home, 'an-app')).process!.pid).toBe(before.app)
    // What is written for the supervisor may be in a form that only its own version reads.
    expect(await supervisorPid(home)).not.toBe(before.supervisor)
  })

  test('makes way for a newer build of the same version', async () => {
    const home = await openHome(dir)
    const program = join(dir, 'server.mjs')
    await writeFile(program, `
      import { createServer } from 'node:http'
      import { rmSync } from 'node:fs'
      rmSync(process.argv[2], { force: true })
      createServer((request, response) => response.end(JSON.stringify({ version: '${version}', build: process.env.PILOT_BUILD, pid: process.pid, platforms: [], apps: [], jobs: [] }))).listen(process.argv[2])
      process.on('SIGTERM', () => process.exit(0))
    `)
    const { mtimeMs } = await stat(program)
    await putService(home, { name: 'server', command: process.execPath, args: [program, home.paths.serverSocket], env: { PILOT_BUILD: `${mtimeMs} ${program}` }, logFile: join(home.paths.logs, 'server.log') })
    const { pid } = (await waitForService(home, 'server')).process!
    await expect.poll(() => pilot('status').then(({ stderr }) => stderr), { timeout: 20_000 }).toBe('')
    expect(serviceStatus(home, 'server')?.process?.pid).toBe(pid)

    await utimes(program, new Date(), new Date())
    expect((await pilot('status')).stderr).toBe(`Replacing the server ${version} by a newer build; apps are not touched\n`)
    expect((await pilot('status')).stderr).toBe('')
  })

  test('has what it needs of the shell, and the file that says how it starts shows none of it', async () => {
    expect((await spawnPilot(['status'], { PILOT_HOME: dir, HTTPS_PROXY: 'http://ada:hunter22@proxy.test', PIP_INDEX_URL: 'https://token@index.test', npm_config__authToken: 'npm-token' }).done).code).toBe(0)
    const expected = ['HTTPS_PROXY=http://ada:hunter22@proxy.test', 'PIP_INDEX_URL=https://token@index.test', expect.stringMatching(/^PATH=/)]
    const specification = await readFile(join(dir, 'services', 'server.json'), 'utf8')
    expect(specification).not.toMatch(/hunter22|index\.test|npm-token/)
    const { pid } = (await status()).server!
    // Only Linux tells.
    const environment = process.platform === 'linux' ? (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0') : undefined
    expect(environment ?? expected).toEqual(expect.arrayContaining(expected))
    expect(environment ?? []).not.toContain('npm_config__authToken=npm-token')
  })

  test('that cannot start says why and what to try', async () => {
    const home = await openHome(dir)
    // What PostgreSQL's data should be is a file.
    await writeFile(home.paths.postgres, '')
    const ran = await pilot('status', '--json')
    expect(ran.code).toBe(1)
    const { error } = JSON.parse(ran.stdout) as { error: { code: string; suggestion: string; details: { log: string[] } } }
    expect(error).toMatchObject({ code: 'SERVER_UNREACHABLE', suggestion: expect.stringContaining('`server logs`') })
    expect(error.details.log.join('\n')).toContain('the server could not start')
  })
})

test('the socket is where the host package puts it, also for a home with a long path', async () => {
  expect(serverSocket(dir)).toBeUndefined()
  expect(serverSocket((await openHome(dir)).dir)).toBe((await openHome(dir)).paths.serverSocket)
  const long = await openHome(join(dir, 'x'.repeat(120)))
  try {
    expect(serverSocket(long.dir)).toBe(long.paths.serverSocket)
  } finally {
    await removeHome(long)
  }
})

test('versions compare by numbers', () => {
  expect([isOlder('0.1.0', '0.1.0'), isOlder('0.9.0', '0.10.0'), isOlder('1.0.0', '0.10.0'), isOlder('0.1.0-beta.1', '0.1.0')]).toEqual([false, true, false, false])
})
