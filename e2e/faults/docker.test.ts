import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test, type TestContext } from 'vitest'
import { needsDocker } from '../driver/needs.ts'
import { ensureBaseImages } from '../environments/docker-base-images.ts'
import { engineProxy, type EngineProxy } from './engine-proxy.ts'
import { openMachine, type Machine } from './machine.ts'

/** An app in a container, and an engine that fails in every way: what runs goes on answering, and nothing hangs. */
let opened: Promise<{ readonly folder: string; readonly engine: EngineProxy; readonly machine: Machine }> | undefined

const place = async (context: TestContext) => {
  await needsDocker(context)
  return (opened ??= (async () => {
    await ensureBaseImages(['busybox:latest'])
    const folder = await mkdtemp(join(tmpdir(), 'pilot-engine-'))
    const engine = await engineProxy(join(folder, 'docker.sock'))
    const machine = await openMachine({ env: { DOCKER_HOST: engine.url }, manifest: 'project: fault\napps:\n  web: { source: ., build: Dockerfile, port: 8080, health: /version.txt }\n' })
    await writeFile(join(machine.app, 'Dockerfile'), 'FROM busybox:latest\nWORKDIR /www\nCOPY version.txt index.html\nCOPY version.txt version.txt\nCMD ["httpd", "-f", "-p", "8080", "-h", "/www"]\n')
    await machine.setup('docker')
    await machine.up('one')
    return { folder, engine, machine }
  })())
}

afterAll(async () => {
  const there = await opened?.catch(() => undefined)
  if (there === undefined) return
  await there.engine.mode('through')
  await there.machine[Symbol.asyncDispose]()
  await there.engine[Symbol.asyncDispose]()
  await rm(there.folder, { recursive: true, force: true })
})

interface Shown {
  readonly apps: readonly { readonly status: { readonly release?: number }; readonly problem?: { readonly code: string; readonly suggestion: string } }[]
}

test('an engine that is stopped is said by every command that needs it; what runs goes on, and so does the next up', async (context) => {
  const { engine, machine } = await place(context)
  await engine.mode('gone')
  const running = await machine.answer()
  await writeFile(join(machine.app, 'version.txt'), 'two')
  await machine.fails(['up', machine.app, '--yes'], { code: 'ENGINE_STOPPED', says: ['not running', 'systemctl start docker'] })
  expect(await machine.answer()).toBe(running)
  const status = await machine.run(['status', '--json'])
  expect([status.code, (JSON.parse(status.stdout) as Shown).apps[0]!.problem?.code]).toEqual([0, 'ENGINE_STOPPED'])
  await engine.mode('through')
  await machine.up('two')
})

test('an engine that takes connections and says nothing holds up no command for long', async (context) => {
  const { engine, machine } = await place(context)
  const running = await machine.answer()
  await engine.mode('silent')
  const status = await machine.run(['status', '--json'], { timeoutMs: 60_000 })
  expect([status.code, (JSON.parse(status.stdout) as Shown).apps[0]!.problem?.code]).toEqual([0, 'TIMED_OUT'])
  await writeFile(join(machine.app, 'version.txt'), 'three')
  const told = await machine.fails(['up', machine.app, '--yes'], { code: 'ENGINE_STOPPED', says: ['does not answer'] }, { timeoutMs: 200_000 })
  expect(told.reason).toBeTruthy()
  expect(await machine.answer()).toBe(running)
  await engine.mode('through')
  await machine.up('three')
})

test('an engine that restarts in the middle of up fails that one clearly, or not at all; the next one works', async (context) => {
  const { engine, machine } = await place(context)
  const running = await machine.answer()
  await writeFile(join(machine.app, 'version.txt'), 'four')
  const up = machine.run(['up', machine.app, '--yes', '--json'])
  await expect.poll(async () => (await machine.run(['jobs', '--json'])).stdout, { timeout: 30_000 }).toMatch(/"state": "(running|done)"/)
  await engine.mode('gone')
  await engine.mode('through')
  const ended = await up
  if (ended.code !== 0) expect(['ENGINE_STOPPED', 'RESOURCE_FAILED', 'BUILD_FAILED']).toContain((JSON.parse(ended.stdout.trimEnd().split('\n').at(-1)!) as { error: { code: string } }).error.code)
  expect([running, 'four']).toContain(await machine.answer())
  await machine.up('five')
})
