import { spawn, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawn as spawnInTerminal } from '@lydell/node-pty'
import { processesMarked } from '@pilot/host'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openPilot, program, type Pilot } from '../driver/pilot.ts'

/** `run` and `exec` as somebody at a keyboard, and as part of a pipe. */
let pilot: Pilot
let app: string
beforeAll(async () => {
  pilot = await openPilot()
  app = join(pilot.folder, 'shell')
  await mkdir(app)
  await writeFile(join(app, 'package.json'), '{ "name": "shell", "scripts": { "start": "node server.js" } }')
  await writeFile(join(app, 'server.js'), `require('http').createServer((request, response) => response.end('ok')).listen(process.env.PORT)`)
  await pilot.ok(['setup', 'local', '--runtime', 'process', '--yes'])
  await pilot.ok(['up', app, '--yes'])
})
afterAll(() => pilot?.[Symbol.asyncDispose]())

const env = (): Record<string, string> => ({ PATH: process.env['PATH']!, HOME: pilot.folder, TERM: 'xterm-256color', LANG: 'C.UTF-8', PILOT_HOME: pilot.home })

/** A shell of the user in a terminal of 90 by 25. */
function keyboard() {
  let seen = ''
  const terminal = spawnInTerminal('/bin/sh', [], { cols: 90, rows: 25, cwd: app, env: { ...env(), PS1: 'mine> ' } })
  terminal.onData((data) => void (seen += data))
  const ended = new Promise<number>((resolve) => terminal.onExit(({ exitCode }) => resolve(exitCode)))
  onTestFinished(() => terminal.kill('SIGKILL'))
  return {
    ended,
    type: (text: string) => terminal.write(text),
    resize: (columns: number, rows: number) => terminal.resize(columns, rows),
    seen: () => seen,
    async shows(text: string | RegExp) {
      for (let waited = 0; !(typeof text === 'string' ? seen.includes(text) : text.test(seen)); waited += 20) {
        if (waited > 20_000) expect.fail(`${text} does not appear in ${JSON.stringify(seen)}`)
        await sleep(20)
      }
      seen = ''
    },
  }
}
const typed = (...words: readonly string[]): string => [process.execPath, ...program, ...words].map((word) => `'${word.replaceAll(`'`, `'\\''`)}'`).join(' ')

test.each(['run', 'exec'])('%s in a terminal is interactive, and gives the terminal back as it was', async (name) => {
  const user = keyboard()
  user.type('stty -a > before\n')
  user.type(`PS1='theirs> ' ${typed(name, '--', 'env', 'PS1=theirs> ', 'sh')}; echo "code $?"\n`)
  await user.shows(/theirs> $/)
  user.type('stty size; tty | cut -c1-5; echo $TERM\n')
  await user.shows(/25 90\r\n\/dev\/\r\nxterm-256color\r\n/)
  user.resize(71, 19)
  for (let tries = 0; tries < 50 && !user.seen().includes('19 71'); tries++) {
    user.type('stty size\n')
    await sleep(100)
  }
  await user.shows('19 71')
  user.type(`node -e "console.log('slee' + 'ping'); setInterval(() => {}, 1000)"\n`)
  await user.shows('sleeping')
  user.type('\u0003')
  await user.shows(/theirs> $/)
  user.type('echo "was $?"; exit 42\n')
  await user.shows(/was 130[^]*code 42\r\n/)
  user.type('stty -a > after; stty rows 25 columns 90; stty -a > after; cmp before after && echo sa""me; exit\n')
  await user.shows('same')
  expect(await user.ended).toBe(0)
})

test('with -T there is no terminal, and Ctrl-C ends the command', async () => {
  const user = keyboard()
  const mark = randomBytes(8).toString('hex')
  user.type(`${typed('run', '-T', '--', 'env', `MARK=${mark}`, 'sh', '-c', 'tty; echo be""gun; exec node -e "setInterval(() => {}, 1000)"')}; echo "code $?"\n`)
  await user.shows(/not a tty[^]*begun/)
  user.type('\u0003')
  await user.shows('code 130')
  await gone(mark)
})

test('when the server is killed in the middle, the command ends, one line says so, and the terminal is as it was', async () => {
  const user = keyboard()
  const mark = randomBytes(8).toString('hex')
  user.type('stty -a > before\n')
  user.type(`${typed('run', '--', 'env', `MARK=${mark}`, 'sh', '-c', `printf '\\033[?1049h\\033[?25l'; trap '' HUP; (trap '' HUP TERM; sleep 1000) & echo be""gun; sleep 1000`)}; echo "code $?"\n`)
  await user.shows('begun')
  const { pid } = (await pilot.ok(['server', 'status', '--json'])).json<{ server: { pid: number } }>().server
  process.kill(pid, 'SIGKILL')
  await user.shows(/\u001b\[\?1049l\u001b\[\?25h[^]*connection to the Pilot server broke[^]*code 1\r\n/)
  user.type('stty -a > after; cmp before after && echo sa""me; exit\n')
  await user.shows('same')
  await gone(mark)
  // The server is on its way back; what comes next is not to say that it waits for it.
  await pilot.ok(['status'])
})

test.each(['run', 'exec'])('%s in a pipe carries 10 MB there and back unchanged, and ends with its exit code', async (name) => {
  const bytes = randomBytes(10 * 1024 ** 2)
  const child = piped(name, '--', 'sh', '-c', 'cat; echo told >&2; exit 5')
  child.stdin!.end(bytes)
  const hash = createHash('sha256')
  let stderr = ''
  child.stderr!.on('data', (data) => (stderr += String(data)))
  child.stdout!.on('data', (data: Buffer) => hash.update(data))
  const [code] = (await once(child, 'close')) as [number]
  expect([code, stderr, hash.digest('hex')]).toEqual([5, 'told\n', createHash('sha256').update(bytes).digest('hex')])
})

test('a client that is killed takes its command with it, though nobody reads what it sends', async () => {
  const mark = randomBytes(8).toString('hex')
  const child = piped('run', '--', 'env', `MARK=${mark}`, 'sleep', '1000')
  child.stdin!.on('error', () => {})
  child.stdin!.write(Buffer.alloc(8 * 1024 ** 2))
  while (processesMarked(`MARK=${mark}`).length === 0) await sleep(50)
  child.kill('SIGKILL')
  await gone(mark)
})

const piped = (...words: readonly string[]): ChildProcess => spawn(process.execPath, [...program, ...words], { cwd: app, env: env(), stdio: 'pipe' })

async function gone(mark: string): Promise<void> {
  for (let waited = 0; waited < 15_000 && processesMarked(`MARK=${mark}`).length > 0; waited += 50) await sleep(50)
  expect(processesMarked(`MARK=${mark}`)).toEqual([])
}
