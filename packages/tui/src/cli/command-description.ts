import type { GlobalName } from './globals.ts'
import type { OptionDefinition } from './option.ts'

/** What one command is, as data: help, reference and parsing read it. */
export interface CommandDescription {
  /** As typed: `up`, `env set`. */
  readonly name: string
  /** One line, as in the list of commands. */
  readonly summary: string
  /** What is good to know beyond the summary; short paragraphs. */
  readonly description?: readonly string[]
  readonly arguments?: readonly ArgumentDefinition[]
  readonly options?: readonly OptionDefinition[]
  /** It takes words that are not its own after `--`: a command of the app. `optional`: none will do. */
  readonly takesCommand?: true | 'optional'
  /** Which of the shared options do nothing here; help leaves them out. */
  readonly without?: readonly GlobalName[]
  /** At least one. `run` is what follows `pilot`. */
  readonly examples: readonly Example[]
  /** `operation`: changes something; `--json` prints events, one per line. `query`: `--json` prints one document. */
  readonly type: 'query' | 'operation'
  readonly needsServer: boolean
}

export interface ArgumentDefinition {
  /** `[APP]`, `<FILE>`, `[KEY=VALUE...]`. */
  readonly name: string
  readonly summary: string
}

export interface Example {
  readonly run: string
  readonly summary: string
}
