import type { CommandContext } from './context.ts'
import type { GlobalName } from './globals.ts'
import type { OptionDefinition } from './option.ts'

/** What one command is, as data: help, reference, parsing and running all read it. */
export interface CommandDefinition {
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
  /** Resolves to the exit code; undefined is 0. Throws PilotError. */
  run(context: CommandContext, input: CommandInput): Promise<number | void>
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

export interface CommandInput {
  readonly args: readonly string[]
  readonly options: Options
  /** What stands after `--`, word by word. */
  readonly command: readonly string[]
}

export type Options = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export function defineCommand(definition: CommandDefinition): CommandDefinition {
  return definition
}

/** Whether a flag was given. */
export const flag = (options: Options, name: string): boolean => options[name] === true

/** The value of an option that takes one. */
export function value(options: Options, name: string): string | undefined {
  const given = options[name]
  return typeof given === 'string' ? given : undefined
}

export function values(options: Options, name: string): readonly string[] {
  const given = options[name]
  return Array.isArray(given) ? (given as readonly string[]) : []
}

/** Options that several commands share, word for word. */
export const common = {
  yes: { flags: '-y, --yes', summary: 'Agree to what would be asked.' },
  plan: { flags: '--plan', summary: 'Show what would happen and change nothing.' },
  stage: { flags: '--stage', summary: 'Keep the change for the next `up` instead of releasing it now.' },
} as const satisfies Record<string, OptionDefinition>

export const appArgument: ArgumentDefinition = { name: '[APP]', summary: 'The app; not needed when the project has one.' }
