import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { interrupted } from '../testing/fake-provider.ts'
import { definition, testServer, upRequest, type TestServer } from '../testing/test-server.ts'

const app = { project: 'shop', app: 'api', environment: 'production' }

let server: TestServer
beforeAll(async () => {
  server = await testServer()
  await server.setup()
  await server.run(await upRequest(server.client, [definition('api', { env: { LOG_LEVEL: 'info' } })]))
})
afterAll(() => server[Symbol.asyncDispose]())

const command = async (name: 'run' | 'exec', body: { command: string[]; process?: string }, signal?: AbortSignal) => {
  const seen: string[] = []
  const exitCode = await server.client.command(name, app, { body, ...(signal ? { signal } : {}), output: (stream, data) => void seen.push(`${stream} ${Buffer.from(data).toString('latin1')}`) })
  return { exitCode, seen }
}

test('a command gets the environment of what is live; its output comes byte for byte, and its exit code last', async () => {
  expect(await command('run', { command: ['migrate', '--now'] })).toEqual({ exitCode: 7, seen: ['stdout migrate --now info\n', 'stderr \xff\n'] })
  expect((await command('exec', { command: ['ls'] })).seen[0]).toBe('stdout in 1: ls info\n')
})

test('it ends when the one who asked goes away', async () => {
  const stop = new AbortController()
  const running = command('run', { command: ['wait', 'here'] }, stop.signal).catch(() => 'left')
  await sleep(300)
  stop.abort()
  await running
  for (let waited = 0; waited < 5_000 && interrupted.length === 0; waited += 20) await sleep(20)
  expect(interrupted).toEqual(['wait here'])
})

test('an app that was never deployed, a process that is not there and no command at all are refused', async () => {
  await expect(command('exec', { command: ['ls'], process: 'mail' })).rejects.toMatchObject({ code: 'NOT_ALLOWED_NOW', message: 'shop/api has no running instance of the process mail' })
  await expect(command('run', { command: [] })).rejects.toMatchObject({ code: 'USAGE' })
  await expect(server.client.command('run', { ...app, app: 'nope' }, { body: { command: ['ls'] }, output: () => {} })).rejects.toMatchObject({ code: 'NOT_FOUND' })
})
