import type { CommandDefinition } from './command.ts'
import { commandTable, type CommandGroup } from './command-table.ts'
import { globalOptions } from './globals.ts'
import { exampleInvocation } from './invocation.ts'
import type { Style } from './text/style.ts'
import { wrap } from './text/wrap.ts'

/** What `pilot --help` prints. `form` is how this user starts Pilot. */
export function rootHelp(form: string, style: Style): string {
  const groups: CommandGroup[] = ['Start', 'Ship', 'Run', 'Configure', 'Platform']
  const width = Math.max(...commandTable.map(({ name }) => name.length)) + 2
  return [
    `${style.strong('Pilot')} builds, deploys and runs applications on a platform that is yours.`,
    '',
    `${style.strong('Usage:')} ${form} COMMAND [options]`,
    ...groups.flatMap((group) => ['', style.strong(group), ...commandTable.filter((row) => row.group === group).map(({ name, summary }) => `  ${style.accent(name.padEnd(width))}${summary}`)]),
    '',
    style.strong('Everywhere'),
    ...optionLines(Object.values(globalOptions), style),
    '',
    style.strong('Examples'),
    ...exampleLines(
      [
        { run: 'up', summary: 'the app in this folder, from source to URL' },
        { run: 'logs -f', summary: 'follow its log' },
        { run: 'rollback', summary: 'back to the deployment before' },
      ],
      form,
      style,
    ),
    '',
    `${form} COMMAND --help shows a command's options and examples.`,
    '',
  ].join('\n')
}

export function familyHelp(family: string, form: string, style: Style): string {
  const rows = commandTable.filter(({ name }) => name.startsWith(`${family} `))
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2
  return [
    `${style.strong('Usage:')} ${form} ${family} COMMAND [options]`,
    '',
    ...rows.map(({ name, summary }) => `  ${style.accent(name.padEnd(width))}${summary}`),
    '',
    `${form} ${rows[0]!.name} --help shows a command's options and examples.`,
    '',
  ].join('\n')
}

export function commandHelp(definition: CommandDefinition, form: string, style: Style): string {
  const own = definition.options ?? []
  const shared = sharedOptions(definition)
  return [
    `${definition.summary}.`,
    ...(definition.description ?? []).flatMap((paragraph) => ['', ...wrap(paragraph, 96)]),
    '',
    `${style.strong('Usage:')} ${form} ${usage(definition)}`,
    ...section('Arguments', (definition.arguments ?? []).map(({ name, summary }) => ({ flags: name, summary })), style),
    ...section('Options', own, style),
    ...section('Everywhere', shared, style),
    '',
    style.strong('Examples'),
    ...exampleLines(definition.examples, form, style),
    '',
  ].join('\n')
}

/** `env set [APP] [KEY=VALUE...] [options]` */
export function usage(definition: CommandDefinition): string {
  return [definition.name, ...(definition.arguments ?? []).map(({ name }) => name), '[options]'].join(' ')
}

/** The shared options that do something in this command and that it does not define differently. */
export function sharedOptions(definition: CommandDefinition): readonly { readonly flags: string; readonly summary: string }[] {
  const left = new Set<string>(definition.without ?? [])
  const taken = new Set((definition.options ?? []).flatMap(({ flags }) => longName(flags) ?? []))
  return Object.entries(globalOptions)
    .filter(([name, { flags }]) => !left.has(name) && !taken.has(longName(flags)!))
    .map(([, option]) => option)
}

const longName = (flags: string): string | undefined => /--[a-z-]+/.exec(flags)?.[0]

function section(title: string, rows: readonly { readonly flags: string; readonly summary: string }[], style: Style): string[] {
  return rows.length === 0 ? [] : ['', style.strong(title), ...optionLines(rows, style)]
}

function optionLines(rows: readonly { readonly flags: string; readonly summary: string }[], style: Style): string[] {
  const shown = rows.map(({ flags, summary }) => ({ flags: flags.startsWith('--') ? `    ${flags}` : flags, summary }))
  const width = Math.max(...shown.map(({ flags }) => flags.length)) + 2
  return shown.map(({ flags, summary }) => `  ${style.accent(flags.padEnd(width))}${summary}`)
}

function exampleLines(examples: readonly { readonly run: string; readonly summary: string }[], form: string, style: Style): string[] {
  return examples.flatMap(({ run, summary }) => [`  ${style.dim(`# ${summary}`)}`, `  ${exampleInvocation(run, form)}`])
}
