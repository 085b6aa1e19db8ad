import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { problemOf, type Finding } from '@pilot/core'
import { afterEach, beforeEach, expect, test } from 'vitest'

let folder: string
let server: Server
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilot-check-'))
  server = createServer().listen(join(folder, 'closed.sock'))
  await new Promise((resolve) => server.once('listening', resolve))
  await chmod(join(folder, 'closed.sock'), 0o000)
  await chmod(folder, 0o755)
})
afterEach(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

/** In a process of its own: as an ordinary user also where the tests run as root, to whom no socket is closed. */
async function checked({ socket, path = process.env['PATH']!, runtime = 'docker', isInstalled = true }: { socket: string; path?: string; runtime?: string; isInstalled?: boolean }): Promise<Finding[]> {
  const program = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const existsSync = fs.existsSync
    fs.existsSync = (path) => /(dockerd|podman|colima|orb|rancher-desktop|\\.app|docker-desktop|docker\\/desktop|docker\\.sock|podman\\.sock)$/.test(path) ? ${isInstalled} : existsSync(path)
    syncBuiltinESMExports()
    const { check } = await import(${JSON.stringify(join(import.meta.dirname, 'check.ts'))})
    await import('dockerode')
    if (process.getuid() === 0) process.setuid(65534)
    console.log(JSON.stringify(await check({ settings: ${runtime === 'none' ? 'undefined' : JSON.stringify({ runtime })}, home: ${JSON.stringify(folder)} })))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '--eval', program], {
    cwd: import.meta.dirname,
    env: { PATH: path, HOME: folder, ...(socket === '' ? {} : { DOCKER_HOST: `unix://${join(folder, socket)}` }) },
  })
  return JSON.parse(stdout) as Finding[]
}

const engine = (findings: readonly Finding[]): Finding | undefined => findings.find(({ id }) => id === 'docker.engine')

test('an engine that refuses this user is a problem of a platform with containers, and has two ways out', async () => {
  const findings = await checked({ socket: 'closed.sock' })
  expect(engine(findings)).toMatchObject({ status: 'problem', code: 'ENGINE_DENIED', fix: expect.stringMatching(/group `docker`.*`setup local --runtime process`/) })
  expect(problemOf(findings)).toMatchObject({ code: 'ENGINE_DENIED', message: expect.stringContaining('refuses this user') })
  expect(engine(await checked({ socket: 'closed.sock', runtime: 'none' }))).toMatchObject({ status: 'warning' })
})

test('one that does not run is another problem, and one that is not installed a third', async () => {
  expect(problemOf(await checked({ socket: 'absent.sock' }))).toMatchObject({ code: 'ENGINE_STOPPED', suggestion: expect.stringContaining('systemctl start docker') })
  expect(problemOf(await checked({ socket: 'absent.sock', isInstalled: false }))).toMatchObject({ code: 'ENGINE_NOT_INSTALLED', suggestion: expect.stringContaining('apt install docker.io') })
})

test('a platform of processes does not need it, and says when it has this runtime for want of one', async () => {
  const without = await checked({ socket: '', runtime: 'process', isInstalled: false })
  expect(problemOf(without)).toBeUndefined()
  expect(engine(without)).toMatchObject({ status: 'warning', explains: 'runtime', title: expect.stringContaining('No Docker engine is installed') })
  const chosen = await checked({ socket: 'closed.sock', runtime: 'process' })
  expect(problemOf(chosen)).toBeUndefined()
  expect(engine(chosen)).toBeUndefined()
})
