import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import Docker from 'dockerode'
import type { ArtifactReference, Compute, RunCall } from '@pilot/core'
import { processesMarked } from '@pilot/host'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { labels } from './ownership.ts'
import { withoutDocker } from './testing/needs-docker.ts'
import { defaultHealth, imageFromNode, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

const server = `require('http').createServer((request, response) => response.end('ok')).listen(process.env.PORT)`

for (const target of ['process', 'container'] as const) {
  describe.skipIf(target === 'container' && withoutDocker !== undefined)(`a one-off command of an app as a ${target}`, () => {
    let platform: LocalPlatform
    let compute: Compute
    let artifact: ArtifactReference
    let spec: Omit<RunCall, 'command' | 'output' | 'signal'>
    let image: string | undefined

    beforeAll(async () => {
      platform = await startLocalPlatform({ runtime: target === 'container' ? 'docker' : 'process' })
      compute = platform.provider.compute[target]!
      const { identity, engine } = platform.app('web')
      if (target === 'container') {
        await ensureBaseImages(['node:24-slim'])
        image = await imageFromNode(server)
        artifact = { digest: image, type: 'image', location: image }
      } else {
        const builder = platform.provider.builders.find(({ name }) => name === 'process')!
        artifact = await builder.build({ app: identity, ...sourceOf({ 'server.js': server, 'package.json': '{}' }), args: {}, signal: noSignal(), log: () => {} })
      }
      const app = compute.app({ app: identity, hostLabel: 'web.shop' })
      const common = { app: identity, deployment: 'd1', artifact, memoryBytes: 256 * 1024 ** 2, cpu: 0.5 }
      const outputs = await engine.apply([...app.resources, ...compute.deployment({ ...common, command: ['node', '-e', server], env: { WORD: 'inside' }, health: defaultHealth, instances: 1, appOutputs: app.outputs }).resources])
      const own = outputs[target === 'container' ? 'network' : 'user']!
      const appOutputs = target === 'container' ? { network: own['name'], extraHosts: own['extraHosts'] } : own
      spec = { ...common, env: { WORD: 'hello' }, appOutputs }
    })
    afterAll(async () => {
      await platform?.stop()
      if (image) await new Docker().getImage(image).remove({ force: true })
    })

    const collect = async (what: 'run' | 'exec', command: readonly string[], signal = noSignal()) => {
      const seen = { stdout: '', stderr: '' }
      const output: RunCall['output'] = (stream, data) => void (seen[stream] += Buffer.from(data).toString('utf8'))
      const [instance] = await compute.status({ app: spec.app, signal: noSignal() })
      const { exitCode } = await (what === 'run' ? compute.run!({ ...spec, command, output, signal }) : compute.exec!({ ...spec, command, output, signal, instance: instance!.instance }))
      return { exitCode, ...seen }
    }
    const oneOffs = async () => (target === 'container' ? (await new Docker().listContainers({ all: true, filters: { label: [`${labels.platform}=${platform.platformId}`, labels.oneOff] } })).length : 0)

    test('gives both outputs and the exit code, with the environment and without a port', async () => {
      const ran = await collect('run', ['node', '-e', `console.log(process.env.WORD + ' ' + process.env.PORT); console.error('warned'); process.exit(3)`])
      expect(ran).toEqual({ exitCode: 3, stdout: 'hello undefined\n', stderr: 'warned\n' })
      expect((await collect('run', ['sh', '-c', 'cat; echo end'])).stdout).toBe('end\n')
      expect(await oneOffs()).toBe(0)
    })

    test('that does not exist ends with 127 and says so', async () => {
      const ran = await collect('run', ['no-such-program'])
      expect(ran.exitCode).toBe(127)
      expect(ran.stderr).toMatch(/no-such-program/)
      expect(await oneOffs()).toBe(0)
    })

    test('carries a megabyte whole', async () => {
      const { stdout } = await collect('run', ['node', '-e', `process.stdout.write('x'.repeat(1 << 20))`])
      expect(stdout.length).toBe(1 << 20)
    })

    for (const what of ['run', 'exec'] as const) {
      test(`${what} ends with all that it started when it is interrupted`, async () => {
        const mark = randomBytes(8).toString('hex')
        const endless = `process.env.MARK = '${mark}'; require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e3)'], { env: { ...process.env, MARK: '${mark}' } }); setInterval(() => {}, 1e3)`
        const stop = new AbortController()
        const running = collect(what, ['node', '-e', endless], stop.signal).then(() => 'ended', () => 'stopped')
        while (processesMarked(`MARK=${mark}`).length === 0) await sleep(50)
        stop.abort()
        expect(await running).toBe('stopped')
        expect(processesMarked(`MARK=${mark}`)).toEqual([])
        expect(await oneOffs()).toBe(0)
      })
    }

    test('exec is inside: the environment of the instance, and its port answers', async () => {
      const ran = await collect('exec', ['node', '-e', `fetch('http://127.0.0.1:' + process.env.PORT).then((answer) => answer.text()).then((text) => { console.log(text); process.exitCode = 4 })`])
      expect(ran).toMatchObject({ exitCode: 4, stdout: 'ok\n' })
    })

    test('of a program that was killed is not left behind', async () => {
      const mark = randomBytes(8).toString('hex')
      const program = spawn(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', `
        const { connect } = await import(${JSON.stringify(new URL('./connect.ts', import.meta.url).href)})
        const provider = await connect(${JSON.stringify({ platformId: platform.platformId, platformName: 'x', settings: { runtime: target === 'container' ? 'docker' : 'process' }, home: platform.home.dir })})
        await provider.compute.${target}.run({ ...${JSON.stringify(spec)}, command: ['node', '-e', 'setInterval(() => {}, 1000)'], env: { MARK: '${mark}' }, output() {}, signal: new AbortController().signal })`])
      while (processesMarked(`MARK=${mark}`).length === 0) await sleep(50)
      const gone = new Promise((resolve) => program.once('close', resolve))
      program.kill('SIGKILL')
      await gone
      // A container goes when a server looks, when the next one comes, or when its network is deleted.
      await compute.endAbandonedRuns?.({ signal: noSignal() })
      for (let waited = 0; waited < 8_000 && processesMarked(`MARK=${mark}`).length > 0; waited += 50) await sleep(50)
      expect(processesMarked(`MARK=${mark}`)).toEqual([])
      expect(await oneOffs()).toBe(0)
    })
  })
}
