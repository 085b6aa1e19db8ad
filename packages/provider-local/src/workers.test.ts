import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import Docker from 'dockerode'
import type { ArtifactReference, CommandSpec, Compute, LogLine, PilotError } from '@pilot/core'
import { processesMarked } from '@pilot/host'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { labels } from './ownership.ts'
import { withoutDocker } from './testing/needs-docker.ts'
import { defaultHealth, imageFromNode, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

const server = `require('http').createServer((request, response) => response.end('ok')).listen(process.env.PORT)`
const workerCode = `console.log('works with ' + process.env.WORD + ' and ' + process.env.PORT); setInterval(() => {}, 1000)`

for (const target of ['process', 'container'] as const) {
  const isMissing = target === 'container' && withoutDocker !== undefined
  describe(`beside an app as a ${target}`, () => {
    beforeEach(({ skip }) => skip(isMissing, withoutDocker))
    let platform: LocalPlatform
    let compute: Compute
    let artifact: ArtifactReference
    let image: string | undefined

    beforeAll(async () => {
      if (isMissing) return
      platform = await startLocalPlatform({ runtime: target === 'container' ? 'docker' : 'process' })
      compute = platform.provider.compute[target]!
      if (target === 'container') {
        await ensureBaseImages(['node:24-slim'])
        image = await imageFromNode(server)
        artifact = { digest: image, type: 'image', location: image, command: ['node', '/app/server.js'] }
      } else {
        const builder = platform.provider.builders.find(({ name }) => name === 'process')!
        artifact = await builder.build({ app: platform.app('any').identity, ...sourceOf({ 'server.js': server, 'package.json': '{}', Procfile: 'web: node server.js\nworker: node server.js\nrelease: node -v' }), args: {}, signal: noSignal(), log: () => {} })
      }
    })
    afterAll(async () => {
      await platform?.stop()
      if (image) await new Docker().getImage(image).remove({ force: true })
    })

    const graph = (name: string, { deployment = 'd1', worker, task }: { deployment?: string; worker?: string; task?: string }) => {
      const { identity } = platform.app(name)
      const app = compute.app({ app: identity, hostLabel: `${name}.shop` })
      const node = (code: string) => ['node', '-e', code]
      const common: Omit<CommandSpec, 'command'> = { app: identity, deployment, artifact, env: { WORD: 'hello' }, memoryBytes: 256 * 1024 ** 2, cpu: 0.5, appOutputs: app.outputs }
      const logShare = 1 / 3
      return [
        ...app.resources,
        ...compute.deployment({ ...common, command: node(server), health: defaultHealth, instances: 1, logShare }).resources,
        ...(worker === undefined ? [] : compute.worker!({ ...common, process: 'mail', command: node(worker), instances: 2, logShare }).resources),
        ...(task === undefined ? [] : compute.task!({ ...common, task: 'release', command: node(task) }).resources),
      ]
    }
    /** How much of its log each instance keeps, in bytes. */
    const keptBytes = async (name: string): Promise<readonly number[]> => {
      if (target === 'process') {
        const { services } = platform.home.paths
        const stored = await Promise.all((await readdir(services)).map(async (file) => JSON.parse(await readFile(join(services, file), 'utf8')) as { app?: { app: string }; logKeep?: { bytes: number } }))
        return stored.filter(({ app }) => app?.app === name).map(({ logKeep }) => logKeep!.bytes)
      }
      const docker = new Docker()
      const found = await docker.listContainers({ filters: { label: [`${labels.platform}=${platform.platformId}`, `${labels.app}=${name}`] } })
      const configs = await Promise.all(found.map(async ({ Id }) => (await docker.getContainer(Id).inspect()).HostConfig.LogConfig!.Config as Record<string, string>))
      return configs.map((config) => Number(config['max-size']) * Number(config['max-file']))
    }
    const status = (name: string) => compute.status({ app: platform.app(name).identity, signal: noSignal() })

    test('workers run with the environment of the app and no port; status and logs tell which process', async () => {
      const { engine, identity } = platform.app('work')
      await engine.apply(graph('work', { worker: workerCode }))
      const found = await status('work')
      expect(found.map(({ process, state }) => `${process ?? 'web'} ${state}`).sort()).toEqual(['mail running', 'mail running', 'web running'])
      const lines: LogLine[] = []
      for await (const line of compute.logs!({ app: identity, signal: noSignal() })) lines.push(line)
      expect(lines.filter(({ process }) => process === 'mail').map(({ text }) => text)).toEqual(Array(2).fill('works with hello and undefined'))
      const third = (50 * 1024 ** 2) / 3
      expect((await keptBytes(identity.app)).map((bytes) => third - bytes >= 0 && third - bytes < 10)).toEqual([true, true, true])
      await engine.destroy(['deployment/d1/worker/mail/0', 'deployment/d1/worker/mail/1'])
      expect((await status('work')).map(({ process }) => process)).toEqual([undefined])
    })

    test('a worker that ends is unhealthy, with exit code and last lines', async () => {
      const { engine } = platform.app('ends')
      const error = (await engine.apply(graph('ends', { worker: `console.error('no queue'); setTimeout(() => process.exit(4), 300)` })).catch((thrown: unknown) => thrown)) as PilotError
      expect(error).toMatchObject({ code: 'UNHEALTHY', details: { log: expect.arrayContaining(['no queue']) } })
      expect(error.message).toContain('shop/ends, process mail (deployment d1)')
    })

    test('a task is ready when it ended with 0, and tells what it printed', async () => {
      const { engine, identity } = platform.app('task')
      await engine.apply(graph('task', { task: `console.log('migrating ' + process.env.WORD); setTimeout(() => console.log('migrated'), 600)` }))
      expect(engine.log).toEqual(expect.arrayContaining(['migrating hello', 'migrated']))
      expect(engine.log.filter((line) => line === 'migrated')).toHaveLength(1)
      expect((await status('task')).map(({ process }) => process)).toEqual([undefined])
      await engine.destroy(['deployment/d1/task/release'])
      expect(await platform.provider.kinds.find(({ kind }) => kind === (target === 'container' ? 'local/docker-task' : 'local/process-task'))!.list({ platformId: platform.platformId, signal: noSignal() })).toEqual([])
      expect(identity.app).toBe('task')
    })

    test('a task that fails says how it ended and what it printed last', async () => {
      const { engine } = platform.app('fails')
      const error = (await engine.apply(graph('fails', { task: `console.error('column exists'); process.exit(7)` })).catch((thrown: unknown) => thrown)) as PilotError
      expect(error).toMatchObject({ code: 'RELEASE_COMMAND_FAILED', message: 'The release command of shop/fails (deployment d1) failed', reason: 'exit code 7.', details: { exitCode: 7, log: ['column exists'] } })
    })

    test('deleting a task that still runs ends it with all that it started', async () => {
      const { engine } = platform.app('long')
      const mark = randomBytes(8).toString('hex')
      const endless = `require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e3)'], { env: { MARK: '${mark}' } }); setInterval(() => {}, 1e3)`
      const applying = engine.apply(graph('long', { task: endless })).catch(() => {})
      // What it starts may be there before its creation has returned, which is when it can be deleted.
      while (processesMarked(`MARK=${mark}`).length === 0 || !engine.has('deployment/d1/task/release')) await new Promise((resolve) => setTimeout(resolve, 50))
      await engine.destroy(['deployment/d1/task/release'])
      expect(processesMarked(`MARK=${mark}`)).toEqual([])
      await applying
    })
  })
}

test('a Procfile stands in the artifact: what starts, what runs beside it, what runs before a release', async () => {
  const platform = await startLocalPlatform({ runtime: 'process' })
  try {
    const builder = platform.provider.builders.find(({ name }) => name === 'process')!
    const build = (app: string, Procfile: string) => builder.build({ app: platform.app(app).identity, ...sourceOf({ 'package.json': '{"scripts":{"start":"node x"}}', Procfile }), args: {}, signal: noSignal(), log: () => {} })
    expect(await build('both', 'web: node server.js\nworker: node a.js && node b.js\nrelease: node -v')).toMatchObject({ command: ['node', 'server.js'], processes: { worker: ['sh', '-c', 'node a.js && node b.js'] }, release: ['node', '-v'] })
    expect(await build('worker', 'worker: node w.js')).not.toHaveProperty('command')
  } finally {
    await platform.stop()
  }
})
