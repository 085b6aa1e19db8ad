import { once } from 'node:events'
import type { PilotEvent } from '@pilot/core'
import { printable, safeJson } from './text/clean.ts'
import type { Style } from './text/style.ts'
import { styleOf, type Terminal } from './terminal.ts'

/** Results go to stdout, progress to stderr, as `printable` leaves them. Only what `borders.test.ts` names writes without it. */
export interface Output {
  readonly json: boolean
  readonly quiet: boolean
  /** For text on stdout and on stderr. */
  readonly out: Style
  readonly err: Style
  /** A result for people; with `--json` nothing. */
  result(text: string): void
  /** The result of a query: the document for programs, else the text for people, which is made only then. */
  answer(document: unknown, text: () => string | Promise<string>): Promise<void>
  /** The result of a query for programs; without `--json` nothing. */
  document(value: unknown): void
  /** One line of an operation for programs; without `--json` nothing. */
  event(event: PilotEvent | Readonly<Record<string, unknown>>): void
  /** A line of progress for people; nothing with `--json` or `--quiet`. */
  progress(line: string): void
  /** What must be seen also with `--quiet`: errors and warnings. */
  error(text: string): void
  /** Text without a newline of its own, to stdout: a log. Resolves when the reader can take more. */
  raw(text: string): Promise<void>
}

export function createOutput(terminal: Terminal, { json, quiet }: { json: boolean; quiet: boolean }): Output {
  const style = { stdout: styleOf(terminal, 'stdout'), stderr: styleOf(terminal, 'stderr') }
  const line = (stream: 'stdout' | 'stderr', text: string) => void terminal[stream].write(printable(text.endsWith('\n') ? text : `${text}\n`, style[stream]))
  return {
    json,
    quiet,
    out: style.stdout,
    err: style.stderr,
    result: (text) => (json ? undefined : line('stdout', text)),
    async answer(document, text) {
      line('stdout', json ? safeJson(document, 2) : await text())
    },
    document: (value) => (json ? line('stdout', safeJson(value, 2)) : undefined),
    event: (event) => (json ? line('stdout', safeJson(event)) : undefined),
    progress: (text) => (json || quiet ? undefined : line('stderr', text)),
    error: (text) => line('stderr', text),
    async raw(text) {
      if (!terminal.stdout.write(printable(text, style.stdout)) && !terminal.stdout.destroyed) await Promise.race([once(terminal.stdout, 'drain'), once(terminal.stdout, 'close')])
    },
  }
}
