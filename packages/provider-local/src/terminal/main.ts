import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { endAll, processesMarked } from '@pilot/host'
import type { TerminalSize } from '@pilot/core'
import type { TerminalAnswer, TerminalTask } from './run-terminal.ts'

/**
 * Holds the terminal of one command, in a process of its own: when who asked for it is gone (the third stream ends), so are the command
 * and all that it started, and the machine code that makes terminals runs in no server. The task and changes of size come as
 * lines on the third stream, since environments hold secrets; input and output are the bytes of the terminal.
 */
const graceMs = 1_000
const control = new Socket({ fd: 3, readable: true, writable: true })
const input = new Socket({ fd: 0, readable: true, writable: false })
// Not as process.stdout, whose writes to pipes block.
const output = new Socket({ fd: 1, readable: false, writable: true })
for (const stream of [control, input, output]) stream.on('error', () => {})

let begun: ((line: string) => void) | undefined
const first = new Promise<string>((resolve) => (begun = resolve))
let resize: (size: TerminalSize) => void = () => {}
let leave: () => void = () => process.exit(1)
createInterface({ input: control })
  .on('line', (line) => {
    if (begun === undefined) return resize(JSON.parse(line) as TerminalSize)
    begun(line)
    begun = undefined
  })
  .on('close', () => leave())
process.on('SIGTERM', () => leave())

await hold(JSON.parse(await first) as TerminalTask)

async function hold({ command, cwd, env, user, term, columns, rows, mark }: TerminalTask): Promise<void> {
  // What this program may beyond its user, the command may not.
  if (user && process.getuid?.() === 0) process.setgroups?.([])
  let terminal
  try {
    const { spawn } = await import('@lydell/node-pty')
    terminal = spawn('/usr/bin/env', [...command], { cwd, env, name: env['TERM'] ?? term, cols: columns, rows, encoding: null, ...user })
  } catch (error) {
    tell({ unavailable: (error as Error).message.split('\n')[0]! })
    return process.exit(1)
  }
  const pty = terminal
  let isLeaving = false
  tell({ ready: true })
  resize = (size) => {
    try {
      pty.resize(size.columns, size.rows)
    } catch {
      // It has ended meanwhile.
    }
  }
  // Bytes, since there is no encoding; the types know of text only.
  pty.onData((data) => {
    if (output.write(data as unknown as Buffer)) return
    pty.pause()
    output.once('drain', () => pty.resume())
  })
  input.on('data', (data: Buffer) => pty.write(data as unknown as string))
  // What Ctrl-D is: the end of the input for whatever reads lines.
  input.on('end', () => pty.write('\u0004'))
  pty.onExit(({ exitCode, signal }) => {
    // What it left behind is ended by who asked, while they are there.
    if (!isLeaving) output.end(() => process.exit(signal ? 128 + signal : exitCode))
  })
  leave = () => {
    isLeaving = true
    leave = () => {}
    void endCommand(pty.pid, mark).then(() => process.exit(129))
  }
}

/** As when a terminal is closed, and then for good. */
async function endCommand(pid: number, mark: string): Promise<void> {
  for (const each of new Set([pid, ...processesMarked(mark)])) {
    send(each, 'SIGHUP')
    send(each, 'SIGTERM')
    send(each, 'SIGCONT')
  }
  const deadline = performance.now() + graceMs
  while (performance.now() < deadline && processesMarked(mark).length > 0) await sleep(20)
  await endAll(() => processesMarked(mark))
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Gone already.
  }
}

function tell(answer: TerminalAnswer): void {
  control.write(`${JSON.stringify(answer)}\n`)
}
