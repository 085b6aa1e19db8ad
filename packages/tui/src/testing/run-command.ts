import { PassThrough, Readable, Writable } from 'node:stream'
import { main } from '../cli/main.ts'
import type { Environment, Terminal } from '../cli/terminal.ts'

export interface Ran {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Environment
  readonly cwd?: string
  /** Both output streams and the keyboard are terminals. */
  readonly terminal?: boolean
  /** Of the terminal; default: 100. */
  readonly columns?: number
  readonly stdin?: string
  readonly onOutput?: (text: string) => void
}

export interface Running {
  readonly done: Promise<Ran>
  interrupt(): void
  /** Types into the keyboard. */
  type(keys: string): void
  /** Resolves when the text was printed, on either stream. */
  printed(text: string): Promise<void>
}

/** Runs a command in this process, in a terminal of its own. */
export function startCommand(argv: readonly string[], { env = {}, cwd = '/', terminal = false, columns = 100, stdin = '' }: RunOptions = {}): Running {
  const handlers = new Set<() => void>()
  const out: string[] = []
  const err: string[] = []
  const waiting: { text: string; resolve: () => void }[] = []
  const check = () => {
    const all = out.join('') + err.join('')
    for (const entry of waiting.filter(({ text }) => all.includes(text))) {
      waiting.splice(waiting.indexOf(entry), 1)
      entry.resolve()
    }
  }
  const sink = (chunks: string[]) => Object.assign(new Writable({ write: (chunk, _encoding, done) => (chunks.push(String(chunk)), check(), done()) }), { isTTY: terminal, columns, rows: 30 })
  const keyboard = terminal ? Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => keyboard }) : Readable.from(stdin === '' ? [] : [Buffer.from(stdin)])
  const place: Terminal = {
    stdin: keyboard,
    stdout: sink(out),
    stderr: sink(err),
    env: { LANG: 'C.UTF-8', ...env },
    cwd,
    onInterrupt(handler) {
      handlers.add(handler)
      return () => handlers.delete(handler)
    },
  }
  return {
    done: main(argv, place).then((exit) => ({ exit, stdout: out.join(''), stderr: err.join('') })),
    interrupt: () => handlers.forEach((handler) => handler()),
    type: (keys) => void (keyboard as PassThrough).write(keys),
    printed: (text) => new Promise((resolve) => (waiting.push({ text, resolve }), check())),
  }
}

export const runCommand = (argv: readonly string[], options?: RunOptions): Promise<Ran> => startCommand(argv, options).done
