import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import Docker from 'dockerode'
import type { ArtifactReference, CommandTerminal, Compute, RunCall, TerminalSize } from '@pilot/core'
import { processesMarked } from '@pilot/host'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import { labels } from './ownership.ts'
import { withoutDocker } from './testing/needs-docker.ts'
import { defaultHealth, imageFromNode, noSignal, sourceOf, startLocalPlatform, type LocalPlatform } from './testing/local-platform.ts'

const server = `require('http').createServer((request, response) => response.end('ok')).listen(process.env.PORT)`

for (const target of ['process', 'container'] as const) {
  const isMissing = target === 'container' && withoutDocker !== undefined
  describe(`a one-off command of an app as a ${target}`, () => {
    beforeEach(({ skip }) => skip(isMissing, withoutDocker))
    let platform: LocalPlatform
    let compute: Compute
    let artifact: ArtifactReference
    let spec: Omit<RunCall, 'command' | 'output' | 'signal'>
    let image: string | undefined

    beforeAll(async () => {
      if (isMissing) return
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

    const collect = async (what: 'run' | 'exec', command: readonly string[], signal = noSignal(), { seen: onSeen, ...more }: Pick<RunCall, 'input' | 'tty'> & { seen?: (text: string) => void } = {}) => {
      const seen = { stdout: '', stderr: '' }
      const output: RunCall['output'] = (stream, data) => {
        const text = Buffer.from(data).toString('utf8')
        seen[stream] += text
        onSeen?.(text)
      }
      const [instance] = await compute.status({ app: spec.app, signal: noSignal() })
      const { exitCode } = await (what === 'run' ? compute.run!({ ...spec, ...more, command, output, signal }) : compute.exec!({ ...spec, ...more, command, output, signal, instance: instance!.instance }))
      return { exitCode, ...seen }
    }
    /** A command in a terminal of 100 by 30, with what somebody types there and sees. */
    const inTerminal = (what: 'run' | 'exec', command: readonly string[], { signal = noSignal() } = {}) => {
      let seen = ''
      let resize: (size: TerminalSize) => void = () => {}
      const keys = new PassThrough()
      const tty: CommandTerminal = { columns: 100, rows: 30, term: 'xterm-256color', onResize: (listener) => void (resize = listener), unavailable: (reason) => expect.fail(reason) }
      const over = new AbortController()
      onTestFinished(async () => {
        over.abort()
        await ended.catch(() => {})
      })
      const ended = collect(what, command, AbortSignal.any([signal, over.signal]), { tty, input: keys, seen: (text) => void (seen += text) })
      return {
        ended,
        seen: () => seen,
        type: (text: string) => void keys.write(text),
        resize: (size: TerminalSize) => resize(size),
        shows: async (text: string | RegExp) => {
          for (let waited = 0; !(typeof text === 'string' ? seen.includes(text) : text.test(seen)); waited += 20) {
            if (waited > 8_000) expect.fail(`${text} does not appear in ${JSON.stringify(seen)}`)
            await sleep(20)
          }
        },
      }
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

    for (const what of ['run', 'exec'] as const) {
      test(`${what} gives its input byte for byte, and its end`, async () => {
        const bytes = randomBytes(10 * 1024 ** 2)
        const input = (async function* () {
          for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
        })()
        const back = createHash('sha256')
        let size = 0
        const [instance] = await compute.status({ app: spec.app, signal: noSignal() })
        const output: RunCall['output'] = async (stream, data) => {
          expect(stream).toBe('stdout')
          back.update(data)
          size += data.byteLength
          if (Math.random() < 0.05) await sleep(1)
        }
        const call = { ...spec, command: ['node', '-e', 'process.stdin.pipe(process.stdout)'], input, output, signal: noSignal(), instance: instance!.instance }
        expect(await compute[what]!(call)).toEqual({ exitCode: 0 })
        expect([size, back.digest('hex')]).toEqual([bytes.length, createHash('sha256').update(bytes).digest('hex')])
      })

      test(`${what} in a terminal: its size, what is typed, Ctrl-C, exit code`, async () => {
        const terminal = inTerminal(what, ['sh'])
        terminal.type(`node -p "[process.stdin.isTTY, process.stdout.columns, process.stdout.rows, process.env.TERM].join('/')"\n`)
        await terminal.shows('true/100/30/xterm-256color')
        terminal.resize({ columns: 77, rows: 22 })
        terminal.type(`node -p "process.stdout.columns + '=' + process.stdout.rows"\n`)
        await terminal.shows('77=22')
        terminal.type(`node -e "process.stdout.on('resize', () => console.log('now ' + process.stdout.columns)); setInterval(() => {}, 1e3); console.log('re' + 'ady')"\n`)
        await terminal.shows('ready')
        terminal.resize({ columns: 66, rows: 22 })
        await terminal.shows('now 66')
        terminal.type('\u0003')
        // A shell throws away what was typed before it has seen the signal.
        await terminal.shows(/\^C\s+(\/ )?[#$] /)
        terminal.type(`echo "ended with $?"\n`)
        await terminal.shows('ended with 130')
        terminal.type('exit 5\n')
        expect(await terminal.ended).toMatchObject({ exitCode: 5, stderr: '' })
        expect(await oneOffs()).toBe(0)
      })

      test(`${what} in a terminal ends with all that it started when who asked goes away`, async () => {
        const mark = `MARK${randomBytes(8).toString('hex')}`
        const stop = new AbortController()
        const terminal = inTerminal(what, ['sh', '-c', `export MARK=${mark}; trap '' HUP; (trap '' HUP TERM; node -e 'setInterval(() => {}, 1e3)') & node -e 'setInterval(() => {}, 1e3); console.log("be" + "gun")'`], { signal: stop.signal })
        const ended = terminal.ended.then(() => 'ended', () => 'stopped')
        await terminal.shows('begun')
        while (processesMarked(`MARK=${mark}`).length < 2) await sleep(50)
        stop.abort()
        expect(await ended).toBe('stopped')
        expect(processesMarked(`MARK=${mark}`)).toEqual([])
        expect(await oneOffs()).toBe(0)
      })
    }

    test('an input that breaks ends the command, and is told as it is', async () => {
      const broken = (async function* () {
        yield Buffer.from('begin\n')
        throw new Error('the cable is out')
      })()
      await expect(collect('run', ['sh', '-c', 'cat; sleep 1000'], noSignal(), { input: broken })).rejects.toThrow('the cable is out')
      expect(await oneOffs()).toBe(0)
    })

    test('a command need not read its input, may open it again, and has no end to wait for', async () => {
      const endless = (async function* () {
        for (;;) yield Buffer.from('word\n'.repeat(1000))
      })()
      expect(await collect('run', ['head', '-n', '1'], noSignal(), { input: endless })).toMatchObject({ exitCode: 0, stdout: 'word\n' })
      expect(await collect('run', ['sh', '-c', 'cat /dev/stdin'], noSignal(), { input: PassThrough.from([Buffer.from('again')]) })).toMatchObject({ exitCode: 0, stdout: 'again' })
      expect(await collect('run', ['true'], noSignal(), { input: new PassThrough() })).toMatchObject({ exitCode: 0 })
    })

    test('a terminal passes on no more than its three streams, and nothing of its user\'s', async () => {
      const command = ['sh', '-c', 'ls /proc/self/fd | tr "\\n" " "; echo "groups $(id -G) of $(id -u)"']
      const { stdout } = await collect('run', command)
      expect(await inTerminal('run', command).ended).toMatchObject({ stdout: stdout.replace('\n', '\r\n') })
    })

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
