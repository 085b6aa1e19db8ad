import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { randomBytes } from 'node:crypto'
import Docker from 'dockerode'
import type { ArtifactReference, CommandSpec, Compute, PilotError, RunCall, Volumes } from '@pilot/core'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { withoutDocker } from './testing/needs-docker.ts'
import { defaultHealth, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

/** Answers with what stands in the volume, having added the request's path to it; `/` is for the health check. */
const server = `const fs = require('fs'), file = process.env.VOLUME_DATA + '/seen'
require('http').createServer((request, response) => { if (request.url !== '/') fs.appendFileSync(file, request.url); response.end(fs.existsSync(file) ? fs.readFileSync(file) : '') }).listen(process.env.PORT)`

for (const target of ['process', 'container'] as const) {
  const isMissing = target === 'container' && withoutDocker !== undefined
  describe(`a volume of an app as a ${target}`, () => {
    beforeEach(({ skip }) => skip(isMissing, withoutDocker))
    let platform: LocalPlatform
    let compute: Compute
    let artifact: ArtifactReference
    const images: string[] = []

    beforeAll(async () => {
      if (isMissing) return
      platform = await startLocalPlatform({ runtime: target === 'container' ? 'docker' : 'process' })
      compute = platform.provider.compute[target]!
      if (target === 'container') {
        await ensureBaseImages(['node:24-slim'])
        artifact = await imageOf('USER node')
      } else {
        const builder = platform.provider.builders.find(({ name }) => name === 'process')!
        artifact = await builder.build({ app: platform.app('any').identity, ...sourceOf({ 'server.js': server, 'package.json': '{}' }), args: {}, signal: noSignal(), log: () => {} })
      }
    })
    afterAll(async () => {
      await platform?.stop()
      for (const image of images) await new Docker().getImage(image).remove({ force: true })
    })

    const imageOf = async (lines: string): Promise<ArtifactReference> => {
      const docker = new Docker()
      const name = randomBytes(6).toString('hex')
      const { openSource } = sourceOf({ Dockerfile: `FROM node:24-slim\nLABEL name=${name}\nCOPY server.js /app/server.js\n${lines}\nCMD ["node", "/app/server.js"]\n`, 'server.js': server })
      const response = await docker.buildImage(await openSource(), { t: `pilot-test:${name}`, rm: true })
      await new Promise<void>((resolve, reject) => docker.modem.followProgress(response, (error: Error | null) => (error ? reject(error) : resolve())))
      const { Id } = await docker.getImage(`pilot-test:${name}`).inspect()
      images.push(Id)
      return { digest: Id, type: 'image', location: Id, command: ['node', '/app/server.js'] }
    }

    const parts = (name: string, { path, deployment = 'd1', artifact: from = artifact }: { path?: string; deployment?: string; artifact?: ArtifactReference } = {}) => {
      const { identity, engine } = platform.app(name)
      const app = compute.app({ app: identity, hostLabel: `${name}.shop` })
      const volume = compute.volume!({ app: identity, volume: 'data', ...(path === undefined ? {} : { path }), appOutputs: app.outputs })
      const volumes: Volumes = { data: volume.outputs }
      const common: Omit<CommandSpec, 'command'> = { app: identity, deployment, artifact: from, env: { VOLUME_DATA: volume.outputs['path'] as string }, memoryBytes: 256 * 1024 ** 2, cpu: 0.5, volumes, appOutputs: app.outputs }
      const own = [...app.resources, ...volume.resources]
      return { engine, identity, common, own, graph: [...own, ...compute.deployment({ ...common, command: ['node', '-e', server], health: defaultHealth, instances: 1 }).resources] }
    }
    const instance = (deployment = 'd1') => `deployment/${deployment}/${target}-0`
    const ask = async (outputs: Readonly<Record<string, Record<string, unknown>>>, path: string, deployment = 'd1') => (await fetch(`${String(outputs[instance(deployment)]!['address'])}${path}`)).text()

    test('keeps what an instance wrote for the next one, which may find it elsewhere', async () => {
      const { engine, graph } = parts('kept')
      expect(await ask(await engine.apply(graph), '/one')).toContain('/one')
      await engine.destroy([instance()])
      const next = parts('kept', { deployment: 'd2', ...(target === 'container' ? { path: '/var/lib/elsewhere' } : {}) })
      expect(await ask(await engine.apply(next.graph), '/two', 'd2')).toMatch(/\/one.*\/two/)
      expect(await compute.volumeSizes!({ app: next.identity, signal: noSignal() })).toEqual({ data: expect.any(Number) })
    })

    test('is there for workers, the release command and one-off commands', async () => {
      const { engine, common, graph, own, identity } = parts('commands')
      const write = (word: string) => ['node', '-e', `require('fs').appendFileSync(process.env.VOLUME_DATA + '/seen', '${word} ');${word === 'worker' ? 'setInterval(() => {}, 1000)' : ''}`]
      await engine.apply([...own, ...compute.task!({ ...common, task: 'release', command: write('task') }).resources])
      await engine.apply([...own, ...compute.worker!({ ...common, process: 'mail', command: write('worker'), instances: 1 }).resources])
      const outputs = await engine.apply(graph)
      const appOutputs = target === 'container' ? { network: outputs['network']!['name'], extraHosts: outputs['network']!['extraHosts'] } : outputs['user']!
      const path = target === 'container' ? '/volumes/data' : String(outputs['volume/data']!['folder'])
      const call: RunCall = { app: identity, deployment: 'd1', artifact, command: write('run'), env: { VOLUME_DATA: path }, memoryBytes: 256 * 1024 ** 2, cpu: 0.5, volumes: { data: { source: outputs['volume/data']!['name'], path } }, appOutputs, output: () => {}, signal: noSignal() }
      expect(await compute.run!(call)).toEqual({ exitCode: 0 })
      expect(await ask(outputs, '/x')).toMatch(/task .*worker .*run \/x/)
    })

    test('is protected, and deleted with all that is in it', async () => {
      const { engine, graph } = parts('gone')
      const { [instance()]: made, ...rest } = await engine.apply(graph)
      await ask({ [instance()]: made!, ...rest }, '/one')
      const kind = platform.provider.kinds.find(({ kind }) => kind === (target === 'container' ? 'local/docker-volume' : 'local/process-volume'))!
      expect(kind.protect).toBe(true)
      await engine.destroy([instance(), 'volume/data'])
      expect((await kind.list({ platformId: platform.platformId, signal: noSignal() })).filter(({ owner }) => owner.scope?.includes('/gone/'))).toEqual([])
      expect(await ask(await engine.apply(graph), '/two')).toBe('/two')
    })

    // oxlint-disable-next-line vitest/no-conditional-tests -- only images say whom they run as
    if (target === 'container') {
      test('can be written to by whoever the image runs as, over a path that it has or has not', async () => {
        const images = [
          await imageOf('USER root'),
          await imageOf('USER 1234:1235'),
          await imageOf('RUN mkdir -p /data/inner && chown -R node /data && echo seeded > /data/inner/file && chmod 700 /data\nUSER node'),
          await imageOf('RUN mkdir /data\nUSER node'),
        ]
        for (const [index, image] of images.entries()) {
          const { engine, graph } = parts(`user-${index}`, { artifact: image, path: index < 2 ? '/not/there/yet' : '/data' })
          expect(await ask(await engine.apply(graph), '/one'), String(index)).toBe('/one')
        }
      })
    }

    // oxlint-disable-next-line vitest/no-conditional-tests -- containers can have any path
    if (target === 'process') {
      test('a path that a process cannot have is refused with the line to write', () => {
        let refused: unknown
        try {
          parts('path', { path: '/var/lib/app' })
        } catch (error) {
          refused = error
        }
        expect(refused as PilotError).toMatchObject({ code: 'USAGE', suggestion: expect.stringContaining('`volumes: { data: {} }`') })
      })
    }
  })
}
