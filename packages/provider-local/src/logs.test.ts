import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import Docker from 'dockerode'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ArtifactReference, Compute, LogCall, LogLine } from '@pilot/core'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { endedLogs } from './compute/ended-logs.ts'
import { withoutRepetition } from './health/ended.ts'
import { withoutDocker } from './testing/needs-docker.ts'
import { defaultHealth, imageFromNode, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

/** Says what it is told to: `/say?words`. */
const server = `console.log('ready ' + process.env.NAME)
require('http').createServer((request, response) => { if (request.url.startsWith('/say?')) console.log(decodeURIComponent(request.url.slice(5))); if (request.url === '/die') process.exit(3); response.end('ok') }).listen(process.env.PORT)`

for (const target of ['process', 'container'] as const) {
  const isMissing = target === 'container' && withoutDocker !== undefined
  describe(`the log of an app as a ${target}`, () => {
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
        artifact = await builder.build({ app: platform.app('any').identity, ...sourceOf({ 'server.js': server, 'package.json': '{"scripts":{"start":"node server.js"}}' }), args: {}, signal: noSignal(), log: () => {} })
      }
    })
    afterAll(async () => {
      await platform?.stop()
      if (image) await new Docker().getImage(image).remove({ force: true })
    })

    const deploy = async (name: string, deployment: string): Promise<string> => {
      const { identity, engine } = platform.app(name)
      const app = compute.app({ app: identity, hostLabel: `${name}.shop` })
      const staged = compute.deployment({ app: identity, deployment, artifact, ...(target === 'container' ? {} : { command: ['node', 'server.js'] }), env: { NAME: deployment }, health: defaultHealth, memoryBytes: 256 * 1024 ** 2, cpu: 0.5, instances: 1, appOutputs: app.outputs })
      const outputs = await engine.apply([...app.resources, ...staged.resources])
      return outputs[`deployment/${deployment}/${target}-0`]!['address'] as string
    }
    const say = (address: string, text: string): Promise<unknown> => fetch(`${address}/say?${encodeURIComponent(text)}`).then((response) => response.text())
    const read = async (name: string, call: Partial<LogCall> = {}): Promise<LogLine[]> => {
      const lines: LogLine[] = []
      for await (const line of compute.logs!({ app: platform.app(name).identity, signal: noSignal(), ...call })) lines.push(line)
      return lines.filter(({ text }) => !text.startsWith('ready'))
    }
    /** Until times are noted. */
    const settled = async (name: string, text: string): Promise<LogLine> => {
      for (const end = Date.now() + 20_000; ; await sleep(100)) {
        const line = (await read(name)).find((each) => each.text === text)
        if (line?.at !== undefined) return line
        if (Date.now() > end) throw new Error(`no line ${text}`)
      }
    }

    test('a range of time takes the lines that were written in it', async () => {
      const address = await deploy('ranges', 'd1')
      await say(address, 'early')
      const early = await settled('ranges', 'early')
      await sleep(2_100)
      const between = new Date(Date.now() - 1_000).toISOString()
      await say(address, 'late')
      await sleep(1_200)
      const late = await settled('ranges', 'late')
      expect(early.at! < between && between < late.at!).toBe(true)
      const texts = async (call: Partial<LogCall>) => (await read('ranges', call)).map(({ text }) => text)
      expect(await texts({ since: between })).toEqual(['late'])
      expect(await texts({ until: between })).toEqual(['early'])
      expect(await texts({ since: between, until: between })).toEqual([])
      expect(await texts({ tail: 1 })).toEqual(['late'])
    })

    test('what a deployment said is kept when it has ended, until its app goes', async () => {
      const first = await deploy('ended', 'd1')
      await say(first, 'from the first')
      await settled('ended', 'from the first')
      const second = await deploy('ended', 'd2')
      await say(second, 'from the second')
      await settled('ended', 'from the second')
      await platform.app('ended').engine.destroy([`deployment/d1/${target}-0`])
      expect((await read('ended', { deployments: ['d1'] })).map(({ text, deployment }) => `${deployment} ${text}`)).toEqual(['d1 from the first'])
      expect((await read('ended')).map(({ text }) => text)).toEqual(['from the first', 'from the second'])
      const place = { home: platform.home, platformId: platform.platformId, app: platform.app('ended').identity }
      expect(await endedLogs(place)).toHaveLength(1)
      await platform.app('ended').engine.destroy()
      expect(await endedLogs(place)).toEqual([])
    })

    test('who follows reads each line once, while instances come, die and go', async () => {
      const first = await deploy('follows', 'd1')
      const controller = new AbortController()
      const seen: string[] = []
      const following = (async () => {
        for await (const { text } of compute.logs!({ app: platform.app('follows').identity, tail: 0, follow: true, signal: controller.signal })) if (text.startsWith('say ')) seen.push(text)
      })()
      const until = async (text: string): Promise<void> => {
        for (const end = Date.now() + 20_000; !seen.includes(text); await sleep(20)) if (Date.now() > end) throw new Error(`${text} does not come: ${seen.join()}`)
      }
      await sleep(600)
      await say(first, 'say 1')
      await until('say 1')
      await fetch(`${first}/die`).catch(() => {})
      for (const end = Date.now() + 20_000; !(await fetch(first).then(() => true, () => false)); await sleep(100)) if (Date.now() > end) throw new Error('it does not come back')
      await say(first, 'say 2')
      await until('say 2')
      const second = await deploy('follows', 'd2')
      await say(second, 'say 3')
      await until('say 3')
      await say(first, 'say 4')
      await platform.app('follows').engine.destroy([`deployment/d1/${target}-0`])
      await until('say 4')
      await say(second, 'say 5')
      await until('say 5')
      controller.abort()
      await following
      expect(seen).toEqual(['say 1', 'say 2', 'say 3', 'say 4', 'say 5'])
    })
  })
}

test('what a worker said twice because it was started again stands once', () => {
  expect(withoutRepetition(['a', 'b', 'a', 'b'])).toEqual(['a', 'b'])
  expect(withoutRepetition(['b', 'a', 'b', 'a', 'b'])).toEqual(['a', 'b'])
  expect(withoutRepetition(['a', 'b', 'a'])).toEqual(['a', 'b', 'a'])
  expect(withoutRepetition(['a', 'a', 'a'])).toEqual(['a'])
  expect(withoutRepetition(['a'])).toEqual(['a'])
  expect(withoutRepetition([])).toEqual([])
})
