import type { ArgumentDefinition, CommandDescription } from './command-description.ts'
import type { CommandContext } from './context.ts'
import type { OptionDefinition } from './option.ts'

export interface CommandDefinition extends CommandDescription {
  /** Resolves to the exit code; undefined is 0. Throws PilotError. */
  run(context: CommandContext, input: CommandInput): Promise<number | void>
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
