import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openEngine } from './engine.ts'
import { findEngine, isOnThisMachine } from './find-engine.ts'

const homes: string[] = []
afterEach(async () => {
  for (const home of homes.splice(0)) await rm(home, { recursive: true })
})

async function emptyHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'pilot-engine-'))
  homes.push(home)
  return home
}

async function homeWithContext({ name = 'colima', host, current = true }: { name?: string; host: string; current?: boolean }): Promise<string> {
  const home = await emptyHome()
  const folder = join(home, '.docker/contexts/meta', createHash('sha256').update(name).digest('hex'))
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }))
  await writeFile(join(home, '.docker/config.json'), JSON.stringify(current ? { currentContext: name } : {}))
  return home
}

test('DOCKER_HOST comes first', async () => {
  const home = await homeWithContext({ host: 'unix:///colima.sock' })
  expect(findEngine({ env: { DOCKER_HOST: 'unix:///mine.sock' }, home })).toEqual({ url: 'unix:///mine.sock', via: 'DOCKER_HOST' })
  expect(findEngine({ env: { DOCKER_HOST: '127.0.0.1:2375' }, home }).url).toBe('tcp://127.0.0.1:2375')
})

test('then the context: of DOCKER_CONTEXT, else the current one', async () => {
  const host = 'unix:///colima.sock'
  expect(findEngine({ env: {}, home: await homeWithContext({ host }) })).toEqual({ url: host, via: 'the context colima' })
  expect(findEngine({ env: { DOCKER_CONTEXT: 'colima' }, home: await homeWithContext({ host, current: false }) }).url).toBe(host)
})

test('a context that does not exist is an error with the commands that help', async () => {
  const home = await emptyHome()
  expect(() => findEngine({ env: { DOCKER_CONTEXT: 'gone' }, home })).toThrow(expect.objectContaining({ code: 'ENGINE_NOT_INSTALLED', suggestion: expect.stringContaining('docker context ls') }))
})

test('an engine on another machine is refused, since its ports open there', async () => {
  for (const url of ['ssh://me@server', 'tcp://192.0.2.9:2376']) {
    expect(isOnThisMachine({ url, via: 'DOCKER_HOST' })).toBe(false)
    await expect(openEngine({ url, via: 'DOCKER_HOST' })).rejects.toMatchObject({ code: 'ENGINE_REMOTE' })
  }
  expect(isOnThisMachine({ url: 'tcp://127.0.0.1:2375', via: 'DOCKER_HOST' })).toBe(true)
})

test('stopped and broken engines are told apart from one that is not installed', async () => {
  const home = await emptyHome()
  const socket = join(home, 'engine.sock')
  await expect(openEngine({ url: `unix://${socket}`, via: 'DOCKER_HOST' })).rejects.toMatchObject({ code: expect.stringMatching(/^ENGINE_(STOPPED|NOT_INSTALLED)$/) })
  // A socket that nobody listens on any more, as a killed engine leaves it.
  const server = createServer().listen(socket)
  await new Promise((resolve) => server.once('listening', resolve))
  server.on('connection', (connection) => connection.destroy())
  await expect(openEngine({ url: `unix://${socket}`, via: 'DOCKER_HOST' })).rejects.toMatchObject({ code: 'ENGINE_STOPPED' })
  server.close()
})
