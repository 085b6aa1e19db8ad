import { spawnSync } from 'node:child_process'
import type { CommandSession } from '@pilot/server/client'
import { printable, safeJson } from './text/clean.ts'
import type { CommandContext } from './context.ts'
import { privateModes } from './private-modes.ts'
import type { Terminal } from './terminal.ts'

type Streams = Pick<CommandSession, 'input' | 'tty' | 'output'>

/**
 * The streams of this program for a command that runs elsewhere. Where somebody sits at a terminal, the command gets one: each key
 * goes to it as it is typed, Ctrl-C too. Disposing gives the terminal back as it was, whatever happened.
 */
export function commandStreams(context: CommandContext, { noTty }: { noTty: boolean }): Streams & Disposable {
  const { output, terminal } = context
  const { stdin, stdout } = terminal
  const plain = { input: stdin, output: plainOutput(context), [Symbol.dispose]: () => void stdin.pause() }
  if (noTty || output.json || !stdin.isTTY || !stdout.isTTY || stdin.setRawMode === undefined) return plain

  const modes = privateModes()
  const raw = (on: boolean): void => {
    stdin.setRawMode!(on)
    if (on && stdin === process.stdin) leaveOutput()
  }
  let onResize = (): void => {}
  raw(true)
  return {
    input: stdin,
    output: (stream, data) => {
      modes.see(data)
      return write(terminal, stream, data)
    },
    tty: {
      ...sizeOf(terminal),
      ...(terminal.env['TERM'] === undefined || !/^[\w.+-]{1,60}$/.test(terminal.env['TERM']) ? {} : { term: terminal.env['TERM'] }),
      onResize(listener) {
        onResize = () => listener(sizeOf(terminal))
        stdout.on('resize', onResize)
      },
      unavailable(reason) {
        raw(false)
        context.say(`There is no terminal for the command, which runs without one. ${reason}`)
      },
    },
    [Symbol.dispose]() {
      stdout.off('resize', onResize)
      raw(false)
      stdin.pause()
      const restore = modes.restore()
      if (restore !== '') stdout.write(restore)
    },
  }
}

/**
 * For what has no terminal of its own. A pipe gets the bytes as they are; a terminal, which the command does not know of, nothing that
 * acts on it.
 */
export function plainOutput({ output, terminal }: CommandContext): Streams['output'] {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  return (stream, data) => {
    if (output.json) return output.raw(`${safeJson({ stream, text: Buffer.from(data).toString('utf8') })}\n`)
    if (terminal[stream].isTTY !== true) return write(terminal, stream, data)
    return write(terminal, stream, printable(decoders[stream].decode(data, { stream: true }), stream === 'stdout' ? output.out : output.err))
  }
}

function write(terminal: Terminal, stream: 'stdout' | 'stderr', data: Uint8Array | string): Promise<void> | undefined {
  if (!terminal[stream].write(data)) return new Promise<void>((resolve) => terminal[stream].once('drain', () => resolve()))
  return undefined
}

/** Node's raw mode goes on turning line feeds into new lines, which programs that draw do not mean. Its way back restores this, too. */
const leaveOutput = (): void => void spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })

/** Some terminals say 0 of themselves. */
const sizeOf = ({ stdout: { columns, rows } }: Terminal) => ({ columns: columns || 80, rows: rows || 24 })
