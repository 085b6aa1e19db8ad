import { spawnSync } from 'node:child_process'
import type { CommandSession } from '@pilot/server/client'
import { safeJson } from './text/clean.ts'
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
  const show: Streams['output'] = (stream, data) => {
    if (output.json) return void output.raw(`${safeJson({ stream, text: Buffer.from(data).toString('utf8') })}\n`)
    if (!terminal[stream].write(data)) return new Promise<void>((resolve) => terminal[stream].once('drain', () => resolve()))
  }
  const plain = { input: stdin, output: show, [Symbol.dispose]: () => void stdin.pause() }
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
      return show(stream, data)
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

/** Node's raw mode goes on turning line feeds into new lines, which programs that draw do not mean. Its way back restores this, too. */
const leaveOutput = (): void => void spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] })

/** Some terminals say 0 of themselves. */
const sizeOf = ({ stdout: { columns, rows } }: Terminal) => ({ columns: columns || 80, rows: rows || 24 })
