import Docker from 'dockerode'
import { afterAll, describe, expect, test } from 'vitest'
import type { ArtifactReference, DeploymentSpec, PilotError, TrafficSpec } from '@pilot/core'
import { readRoute, reservedPorts } from '@pilot/host'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { exitOf } from './kinds/container-parts.ts'
import { containerUsage } from './compute/container-usage.ts'
import type { Engine } from './engine/engine.ts'
import { routeId } from './ownership.ts'
import { startLocalPlatform, defaultHealth, noSignal, sourceOf, type LocalPlatform } from './testing/local-platform.ts'
import { beforeAllWithDocker } from './testing/needs-docker.ts'

let platform: LocalPlatform

beforeAllWithDocker(async () => {
  await ensureBaseImages(['node:24-slim', 'busybox:latest'])
  platform = await startLocalPlatform()
})
afterAll(() => platform?.stop())

const server = (answer = 'hello'): string =>
  `require('http').createServer((request, response) => { console.log(request.method, request.url); response.end('${answer} ' + (process.env.WORD ?? '')) }).listen(process.env.PORT)`

async function build(name: string, files: Record<string, string>): Promise<ArtifactReference> {
  return platform.provider.builders[0]!.build({ app: platform.app(name).identity, ...sourceOf(files), args: {}, signal: noSignal(), log: () => {} })
}

const nodeFiles = (code: string, more = ''): Record<string, string> => ({ Dockerfile: `FROM node:24-slim\nCOPY . /app\nWORKDIR /app\n${more}\nUSER node\nCMD ["node", "server.js"]\n`, 'server.js': code })

function specOf(name: string, deployment: string, artifact: ArtifactReference, more: Partial<DeploymentSpec> = {}): DeploymentSpec {
  const { identity } = platform.app(name)
  const { outputs } = platform.provider.compute.container!.app({ app: identity, hostLabel: `${name}.shop` })
  return { app: identity, deployment, artifact, env: {}, health: defaultHealth, memoryBytes: 256 * 1024 ** 2, cpu: 0.5, instances: 1, appOutputs: outputs, ...more }
}

async function deploy(name: string, deployment: string, artifact: ArtifactReference, more: Partial<DeploymentSpec> = {}) {
  const { identity, engine } = platform.app(name)
  const container = platform.provider.compute.container!
  const app = container.app({ app: identity, hostLabel: `${name}.shop` })
  const staged = container.deployment(specOf(name, deployment, artifact, more))
  const traffic: TrafficSpec = { app: identity, hostLabel: `${name}.shop`, weights: [{ deployment, percent: 100, outputs: staged.outputs }], domains: [], appOutputs: app.outputs }
  const outputs = await engine.apply([...app.resources, ...staged.resources, ...container.traffic(traffic).resources])
  return outputs
}

describe('an app with a Dockerfile', () => {
  test('is built, staged on 127.0.0.1, and answers through the edge', async () => {
    const artifact = await build('web', nodeFiles(server(), 'EXPOSE 4000'))
    expect(artifact).toMatchObject({ type: 'image', ports: [4000], digest: expect.stringMatching(/^sha256:/), location: expect.stringContaining(`pilot-${platform.platformId.slice(0, 8)}/shop/web:`) })
    const outputs = await deploy('web', 'd1', artifact, { env: { WORD: 'world' } })
    const { fallbackUrl } = outputs['traffic'] as { fallbackUrl: string }
    expect(await (await fetch(fallbackUrl)).text()).toBe('hello world')

    const status = await platform.provider.compute.container!.status({ app: platform.app('web').identity, signal: noSignal() })
    expect(status).toMatchObject([{ deployment: 'd1', state: 'running', restarts: 0, memoryBytes: expect.any(Number), cpuMs: expect.any(Number) }])
    const docker = new Docker()
    const container = await docker.getContainer(platform.app('web').engine.id('deployment/d1/container-0')).inspect()
    const asTheEngineSays = await containerUsage({ docker } as Engine, { ...container, State: { ...container.State, Pid: 0 } })
    expect(Math.abs(status[0]!.memoryBytes! - asTheEngineSays.memoryBytes!)).toBeLessThan(16 * 1024 ** 2)
    const lines = []
    for await (const line of platform.provider.compute.container!.logs!({ app: platform.app('web').identity, signal: noSignal() })) lines.push(line.text)
    expect(lines).toContain('GET /')
  })

  test('is unhealthy when it ends, with exit code and last lines', async () => {
    const artifact = await build('ends', nodeFiles(`console.error('no database'); process.exit(3)`))
    const error = (await deploy('ends', 'd1', artifact).catch((error: unknown) => error)) as PilotError
    expect(error).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('exit code 3'), details: { exitCode: 3, log: ['no database'] } })
  })

  test('is told how it ended the first time also when it runs again by the time of the look', async () => {
    const docker = new Docker()
    const { digest } = await build('again', nodeFiles(`setTimeout(() => process.exit(3), 300)`))
    const container = await docker.createContainer({ Image: digest, HostConfig: { RestartPolicy: { Name: 'unless-stopped' } } })
    try {
      await container.start()
      for (;;) {
        const found = await container.inspect()
        if (found.RestartCount > 0 && !found.State.Restarting) break
      }
      expect(await exitOf({ docker } as Engine, await container.inspect())).toMatchObject({ code: 3 })
    } finally {
      await container.remove({ force: true })
    }
  })

  test('is told the port that was found when it listens elsewhere', async () => {
    const artifact = await build('elsewhere', nodeFiles(`require('http').createServer((q, r) => r.end('x')).listen(3210)`))
    const error = await failureOf('elsewhere', artifact)
    expect(error).toMatchObject({ code: 'WRONG_PORT', suggestion: expect.stringContaining('`port: 3210`'), details: { expectedPort: 8080, foundPorts: [3210] } })
  })

  test('is told when it listens on the loopback address of its container', async () => {
    const artifact = await build('inward', nodeFiles(`require('http').createServer((q, r) => r.end('x')).listen(process.env.PORT, '127.0.0.1')`))
    expect(await failureOf('inward', artifact)).toMatchObject({ code: 'WRONG_PORT', suggestion: expect.stringContaining('0.0.0.0:8080') })
  })

  test('is told the status that its health check gave', async () => {
    const artifact = await build('sick', nodeFiles(`require('http').createServer((q, r) => { console.log('no cache'); r.statusCode = 503; r.end() }).listen(process.env.PORT)`))
    expect(await failureOf('sick', artifact)).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('GET / answers 503'), details: { status: 503, log: expect.arrayContaining(['no cache']) } })
  })

  test('is told when its command does not exist, or its image is gone', async () => {
    const artifact = await build('wrong', nodeFiles(server()))
    expect(await failureOf('wrong', artifact, { command: ['no-such-program'] })).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('command not found'), details: { exitCode: 127 } })
    await platform.app('wrong').engine.destroy()
    expect(await failureOf('wrong', { ...artifact, digest: `sha256:${'0'.repeat(64)}` })).toMatchObject({ code: 'ARTIFACT_GONE' })
  })

  test('runs in several instances, all of which answer', async () => {
    const artifact = await build('many', nodeFiles(`require('http').createServer((q, r) => r.end(require('os').hostname())).listen(process.env.PORT)`))
    const outputs = await deploy('many', 'd1', artifact, { instances: 2 })
    const addresses = [0, 1].map((index) => outputs[`deployment/d1/container-${index}`]!['address'] as string)
    const names = await Promise.all(addresses.map(async (address) => (await fetch(address)).text()))
    expect(new Set(names).size).toBe(2)
    expect(names).toContain(await (await fetch(outputs['traffic']!['fallbackUrl'] as string)).text())
    expect((await readRoute(platform.home, routeId(platform.platformId, platform.app('many').identity)))!.weights[0]!.upstreams).toHaveLength(2)
  })

  test('shows a container that somebody stopped as drift, and an update starts it on the same port', async () => {
    const artifact = await build('stopped', nodeFiles(server()))
    const outputs = await deploy('stopped', 'd1', artifact)
    const { engine } = platform.app('stopped')
    const key = 'deployment/d1/container-0'
    const kind = platform.provider.kinds.find(({ kind }) => kind === 'local/docker-container')!
    const call = { ...engine.call(key), id: engine.id(key), recorded: {} }
    await new Docker().getContainer(call.id).stop({ t: 0 })
    expect((await kind.read(call))!.inputs).toMatchObject({ running: false })
    await kind.update!({ ...call, inputs: {}, changed: ['running'] })
    const { address } = outputs[key] as { address: string }
    await expect.poll(() => fetch(address).then(({ status }) => status, () => 0)).toBe(200)
  })

  test('gives its port back also when somebody else has deleted its container', async () => {
    await deploy('deleted', 'd1', await build('deleted', nodeFiles(server())))
    const { engine } = platform.app('deleted')
    const port = `container/${engine.call('deployment/d1/container-0').name}`
    const before = Object.keys(await reservedPorts(platform.home))
    await new Docker().getContainer(engine.id('deployment/d1/container-0')).remove({ force: true })
    await engine.destroy()
    expect(before).toContain(port)
    expect(Object.keys(await reservedPorts(platform.home))).not.toContain(port)
  })

  test('gives its log from a cursor on, and as it grows', async () => {
    const artifact = await build('talks', nodeFiles(`let n = 0; setInterval(() => console.log('line ' + ++n), 100); ${server()}`))
    await deploy('talks', 'd1', artifact)
    const { identity: app } = platform.app('talks')
    const logs = platform.provider.compute.container!.logs!
    const controller = new AbortController()
    const seen: string[] = []
    let cursor: string | undefined
    for await (const line of logs({ app, tail: 1, follow: true, signal: controller.signal })) {
      if (!line.text.startsWith('line ')) continue
      seen.push(line.text)
      cursor = line.cursor
      if (seen.length === 12) controller.abort()
    }
    const first = Number(seen[0]!.slice(5))
    expect(seen).toEqual(Array.from({ length: 12 }, (_, index) => `line ${first + index}`))
    for await (const line of logs({ app, cursor: cursor!, signal: noSignal() })) {
      if (!line.text.startsWith('line ')) continue
      expect(line.text).toBe(`line ${first + 12}`)
      break
    }
  })
})

const failureOf = (name: string, artifact: ArtifactReference, more: Partial<DeploymentSpec> = {}): Promise<PilotError> =>
  deploy(name, 'd1', artifact, { health: { ...defaultHealth, graceMs: 2_500 }, ...more }).then(
    () => expect.unreachable(),
    (error: PilotError) => error,
  )
