import type { Readable, Writable } from 'node:stream'
import { createStyle, wantsColor, wantsUnicode, type Style } from './text/style.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Everything that a command knows of where it was started: one object, so that tests start commands in a place of their own. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly env: Environment
  /** The folder the user is in. */
  readonly cwd: string
  /** Calls the handler on each SIGINT until the returned function is called. */
  onInterrupt(handler: () => void): () => void
  /** What runs now goes on to its end also when nobody reads what it prints any more (`| head`): only then its exit code is true. */
  outliveReaders?(): void
}

export function processTerminal(): Terminal {
  const { env } = process
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env,
    // Set by the start script, which npm runs in the workspace's root and not where the user is.
    cwd: (env['PILOT_INVOKED_AS'] && env['INIT_CWD']) || process.cwd(),
    onInterrupt(handler) {
      process.on('SIGINT', handler)
      return () => process.off('SIGINT', handler)
    },
  }
}

/** Somebody can be asked: keyboard and screen are there, and no CI says that nobody watches. */
export function canAsk(terminal: Terminal): boolean {
  return terminal.stdin.isTTY === true && terminal.stderr.isTTY === true && !terminal.env['CI'] && terminal.env['TERM'] !== 'dumb'
}

/** Progress may redraw its last lines. */
export function canRedraw(terminal: Terminal): boolean {
  return terminal.stderr.isTTY === true && !terminal.env['CI'] && terminal.env['TERM'] !== 'dumb'
}

export function styleOf(terminal: Terminal, stream: 'stdout' | 'stderr'): Style {
  const { isTTY = false, columns } = terminal[stream]
  return createStyle({ color: wantsColor(terminal.env, isTTY), unicode: wantsUnicode(terminal.env), width: isTTY ? columns : undefined })
}
