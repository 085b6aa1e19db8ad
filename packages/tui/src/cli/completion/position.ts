import type { CommandDefinition } from '../command.ts'
import { commandFamilies, commandTable, type CommandName } from '../command-table.ts'
import { globalOptions, globalsWithValue } from '../globals.ts'
import { sharedOptions } from '../help.ts'
import type { OptionDefinition } from '../option.ts'

/** What may stand at the cursor. Pure over the typed words and the definition of the command. */
export type Expected =
  | { readonly type: 'words'; readonly candidates: readonly Candidate[] }
  /** Values that are known elsewhere: of an option or an argument. */
  | { readonly type: 'values'; readonly of: ValueKind; readonly choices?: readonly string[]; /** What may stand there too, since the first may be left out. */ readonly or?: ValueKind; /** Words that stand before. */ readonly given: readonly string[] }
  | { readonly type: 'nothing' }

export type ValueKind = 'app' | 'platform' | 'project' | 'environment' | 'deployment' | 'job' | 'command' | 'folder' | 'file' | 'choice'

export interface Candidate {
  readonly word: string
  readonly summary: string
}

/** The command that the words before the cursor name, and what follows it; `unknown` where they name none that there is. */
export function commandIn(words: readonly string[]): { readonly name?: CommandName; readonly family?: string; readonly unknown?: true; readonly rest: readonly string[] } {
  const positions: number[] = []
  for (let index = 0; index < words.length && positions.length < 3; index++) {
    if (!words[index]!.startsWith('-')) positions.push(index)
    else if (globalsWithValue.has(words[index]!)) index++
  }
  const [first, second, third] = positions
  if (first === undefined) return { rest: words }
  const triple = third === undefined ? undefined : commandTable.find(({ name }) => name === `${words[first]} ${words[second!]} ${words[third]}`)
  if (triple) return { name: triple.name, rest: words.filter((_, index) => index !== first && index !== second && index !== third) }
  const double = second === undefined ? undefined : commandTable.find(({ name }) => name === `${words[first]} ${words[second]}`)
  if (double) return { name: double.name, rest: words.filter((_, index) => index !== first && index !== second) }
  const single = commandTable.find(({ name }) => name === words[first])
  if (single) return { name: single.name, rest: words.toSpliced(first, 1) }
  if (!commandFamilies.includes(words[first]!)) return { unknown: true, rest: words }
  if (second === undefined) return { family: words[first]!, rest: words.toSpliced(first, 1) }
  return { unknown: true, rest: words }
}

/** The words that a command's name begins or goes on with. */
export function nameWords(family?: string): readonly Candidate[] {
  if (family !== undefined) return commandTable.filter(({ name }) => name.startsWith(`${family} `) && name.split(' ').length === 2).map(({ name, summary }) => ({ word: name.slice(family.length + 1), summary }))
  const singles = commandTable.filter(({ name }) => !name.includes(' ')).map(({ name, summary }) => ({ word: name, summary }))
  return [...singles, ...commandFamilies.map((word) => ({ word, summary: commandTable.filter(({ name }) => name.startsWith(`${word} `)).map(({ name }) => name.slice(word.length + 1)).join(', ') }))]
}

/** What is expected at the cursor of a command: `rest` are the words before it, without its name. */
export function expectedAt({ definition, rest, current }: { readonly definition: CommandDefinition | undefined; readonly rest: readonly string[]; readonly current: string }): Expected {
  const options = definition ? [...(definition.options ?? []), ...sharedOptions(definition)] : Object.values(globalOptions)
  if (rest.includes('--')) return { type: 'nothing' }
  const before = optionNamed(options, rest.at(-1))
  if (before && takesValue(before)) return valueOfOption(before, rest)
  if (current.startsWith('-')) return { type: 'words', candidates: options.flatMap(({ flags, summary }) => namesOf(flags).filter((name) => name.startsWith('--')).map((word) => ({ word, summary }))) }
  if (!definition) return { type: 'nothing' }
  return valueOfArgument(definition, argumentsIn(rest, options))
}

const namesOf = (flags: string): readonly string[] => flags.match(/(?<![\w-])--?[A-Za-z][\w-]*/g) ?? []
/** An optional value (`--project [name]`) is one too: completing it costs nothing. */
const takesValue = ({ flags }: OptionDefinition): boolean => /[<[]/.test(flags)
const optionNamed = (options: readonly OptionDefinition[], word: string | undefined): OptionDefinition | undefined => (word?.startsWith('-') ? options.find(({ flags }) => namesOf(flags).includes(word)) : undefined)

function argumentsIn(rest: readonly string[], options: readonly OptionDefinition[]): readonly string[] {
  const found: string[] = []
  for (let index = 0; index < rest.length; index++) {
    const word = rest[index]!
    if (!word.startsWith('-')) found.push(word)
    else if (/</.test(optionNamed(options, word)?.flags ?? '')) index++
  }
  return found
}

function valueOfOption({ flags, choices }: OptionDefinition, given: readonly string[]): Expected {
  if (choices) return { type: 'values', of: 'choice', choices, given }
  const [name = ''] = namesOf(flags).filter((each) => each.startsWith('--'))
  const what = /[<[]([^\]>]+)/.exec(flags)?.[1] ?? ''
  const kinds: Readonly<Record<string, ValueKind>> = { '--app': 'app', '--platform': 'platform', '--project': 'project', '--environment': 'environment', '--dir': 'folder' }
  const kind = kinds[name] ?? (flags.startsWith('-p ') ? 'project' : /file/i.test(name + what) ? 'file' : /^(folder|dir|path)$/i.test(what) ? 'folder' : undefined)
  return kind === undefined ? { type: 'nothing' } : { type: 'values', of: kind, given }
}

/** By what the argument is called in the usage line. An app that may be left out may be left out here too. */
function valueOfArgument({ arguments: all = [] }: CommandDefinition, given: readonly string[]): Expected {
  const wanted = all[given.length] ?? (all.at(-1)?.name.includes('...') ? all.at(-1) : undefined)
  const kind = kindOf(wanted)
  if (kind === undefined) return { type: 'nothing' }
  const next = wanted?.name === '[APP]' ? kindOf(all[given.length + 1]) : undefined
  return { type: 'values', of: kind, given, ...(next === undefined ? {} : { or: next }), ...(kind === 'choice' ? { choices: ['bash', 'zsh', 'fish'] } : {}) }
}

const argumentKinds: Readonly<Record<string, ValueKind>> = { APP: 'app', DIR: 'folder', FILE: 'file', vN: 'deployment', JOB: 'job', COMMAND: 'command', SHELL: 'choice' }
const kindOf = (argument: { readonly name: string } | undefined): ValueKind | undefined => argumentKinds[argument?.name.replaceAll(/[^A-Za-z]/g, '') ?? '']
