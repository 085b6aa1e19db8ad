import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ArtifactReference, DeploymentSpec, PilotError, TrafficSpec } from '@pilot/core'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { startLocalPlatform, defaultHealth, noSignal, sourceOf, type LocalPlatform } from './testing/local-platform.ts'

let platform: LocalPlatform

beforeAll(async () => {
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
    expect(status).toMatchObject([{ deployment: 'd1', state: 'running', restarts: 0, memoryBytes: expect.any(Number) }])
    const lines = []
    for await (const line of platform.provider.compute.container!.logs!({ app: platform.app('web').identity, signal: noSignal() })) lines.push(line.text)
    expect(lines).toContain('GET /')
  })

  test('is unhealthy when it ends, with exit code and last lines', async () => {
    const artifact = await build('ends', nodeFiles(`console.error('no database'); process.exit(3)`))
    const error = (await deploy('ends', 'd1', artifact).catch((error: unknown) => error)) as PilotError
    expect(error).toMatchObject({ code: 'UNHEALTHY', reason: expect.stringContaining('exit code 3'), details: { exitCode: 3, log: ['no database'] } })
  })

  test('is told the port that was found when it listens elsewhere', async () => {
    const artifact = await build('elsewhere', nodeFiles(`require('http').createServer((q, r) => r.end('x')).listen(3210)`))
    const error = (await deploy('elsewhere', 'd1', artifact).catch((error: unknown) => error)) as PilotError
    expect(error).toMatchObject({ code: 'WRONG_PORT', suggestion: expect.stringContaining('`port: 3210`'), details: { expectedPort: 8080, foundPorts: [3210] } })
  })
})
