import type { CommandSpec } from './compute-specs.ts'

/** A command of a deployment with references and secrets opened: never stored, never logged. */
export interface OneOffSpec extends Omit<CommandSpec, 'command' | 'env' | 'appOutputs' | 'volumes'> {
  readonly env: Readonly<Record<string, string>>
  readonly volumes?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly appOutputs: Readonly<Record<string, unknown>>
}

export interface RunCall extends OneOffSpec {
  readonly command: readonly string[]
  /** A promise: no more is read from the command until it resolves. It resolves, too, when the signal fires. */
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void | Promise<void>
  /** What the command reads, byte for byte, no faster than it does; its end is the end of the command's input. Absent: the input is empty. When it throws, the command is ended. */
  readonly input?: AsyncIterable<Uint8Array>
  /** The command gets a terminal: all that it writes is then `stdout`. */
  readonly tty?: CommandTerminal
  readonly signal: AbortSignal
}

export interface ExecCall extends RunCall {
  /** As `status` names it. */
  readonly instance: string
}

export interface CommandTerminal extends TerminalSize {
  /** `TERM` of the command, where its environment says nothing else. */
  readonly term: string
  /** Calls the listener whenever the size changes. */
  onResize(listener: (size: TerminalSize) => void): void
  /** Called before the command starts when none can be had here, with the reason, a sentence: it runs without one. */
  unavailable(reason: string): void
}

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}
