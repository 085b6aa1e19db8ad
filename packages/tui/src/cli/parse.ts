import { PilotError } from '@pilot/core/errors'
import { Command, CommanderError, Option } from 'commander'
import type { CommandDefinition, CommandInput, Options } from './command.ts'
import type { OptionDefinition } from './option.ts'
import { globalOptions, type Globals } from './globals.ts'

/** Parses what was typed after a command's name. Throws USAGE with what is wrong and which form is right. */
export function parseCommand(definition: CommandDefinition, argv: readonly string[]): { globals: Globals; input: CommandInput; help: boolean } {
  const command = build(definition)
  const { own, rest } = split(definition, argv)
  try {
    command.parse([...own], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(definition, error)
    throw error
  }
  checkCount(definition, command.args)
  const options = command.opts<Record<string, string | boolean | string[] | undefined>>()
  return { globals: globalsOf(options), input: { args: command.args, options: options as Options, command: rest }, help: options['help'] === true }
}

/** The first `--` ends what is ours. */
function split({ takesCommand, name }: CommandDefinition, argv: readonly string[]): { own: readonly string[]; rest: readonly string[] } {
  if (takesCommand === undefined) return { own: argv, rest: [] }
  const at = argv.indexOf('--')
  const rest = at === -1 ? [] : argv.slice(at + 1)
  if (rest.length === 0 && takesCommand !== 'optional') throw new PilotError('USAGE', `${name} wants a command after \`--\`.`, { suggestion: `Such as \`${name} APP -- ls -l\`; \`${name} --help\` shows the form and an example.` })
  return { own: at === -1 ? argv : argv.slice(0, at), rest }
}

function build(definition: CommandDefinition): Command {
  const command = new Command(definition.name).exitOverride().helpOption(false).allowExcessArguments(false)
  command.configureOutput({ writeOut: () => {}, writeErr: () => {} })
  const own = definition.options ?? []
  for (const option of own) command.addOption(toOption(option))
  const taken = new Set(command.options.flatMap(({ short, long }) => [short, long]).filter((name) => name !== undefined))
  for (const option of Object.values(globalOptions).map(toOption)) {
    const names = [option.short, option.long].filter((name) => name !== undefined)
    if (!names.some((name) => taken.has(name))) command.addOption(option)
  }
  // `[APP] <KEY>`: what may be left out stands first, which commander does not know; so the words are counted here.
  return command.argument('[words...]')
}

function checkCount(definition: CommandDefinition, words: readonly string[]): void {
  const wanted = definition.arguments ?? []
  const least = wanted.filter(({ name }) => name.startsWith('<'))
  const most = wanted.some(({ name }) => name.includes('...')) ? Infinity : wanted.length
  const help = { suggestion: `\`${definition.name} --help\` shows the form and an example.` }
  if (words.length < least.length) throw new PilotError('USAGE', `${definition.name} wants ${least.map(({ name }) => name).join(' ')}.`, help)
  if (words.length > most) throw new PilotError('USAGE', most === 0 ? `${definition.name} takes no argument, and ${words[0]} is one.` : `${definition.name} takes at most ${most === 1 ? 'one argument' : `${most} arguments`}, not ${words.length}: ${words.join(' ')}`, help)
}

function toOption({ flags, summary, repeats, choices }: OptionDefinition): Option {
  const option = new Option(flags, summary)
  if (choices !== undefined) option.choices([...choices])
  if (repeats === true) option.argParser<string[]>((given, previous) => [...(previous ?? []), given])
  return option
}

function usageError(definition: CommandDefinition, error: CommanderError): PilotError {
  const message = error.message.replace(/^error: /, '').replace(/\n\(Did you mean (.+)\?\)/, '; did you mean `$1`?').replaceAll('\n', ' ')
  return new PilotError('USAGE', upperFirst(message), { suggestion: `\`${definition.name} --help\` shows the form and an example.` })
}

function globalsOf(options: Record<string, string | boolean | string[] | undefined>): Globals {
  const text = (name: string) => (typeof options[name] === 'string' ? { [name]: options[name] } : {})
  return { ...text('app'), ...text('dir'), ...text('project'), ...text('environment'), ...text('platform'), json: options['json'] === true, quiet: options['quiet'] === true }
}

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
