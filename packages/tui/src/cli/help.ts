import type { CommandDescription } from './command-description.ts'
import { commandTable, type CommandGroup } from './command-table.ts'
import { globalOptions } from './globals.ts'
import { exampleInvocation } from './invocation.ts'
import type { Style } from './text/style.ts'
import { wrap, wrapStyled } from './text/wrap.ts'

/** What `pilot --help` prints. `form` is how this user starts Pilot. */
export function rootHelp(form: string, style: Style): string {
  const groups: CommandGroup[] = ['Start', 'Ship', 'Run', 'Configure', 'Platform']
  const width = Math.max(...commandTable.map(({ name }) => name.length)) + 2
  return [
    ...wrapStyled(`${style.strong('Pilot')} builds, deploys and runs applications on a platform that is yours.`, { width: style.width, indent: 0 }),
    '',
    `${style.strong('Usage:')} ${form} COMMAND [options]`,
    ...groups.flatMap((group) => ['', style.strong(group), ...commandTable.filter((row) => row.group === group).flatMap(({ name, summary }) => labelled({ label: name, width, text: summary }, style))]),
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
    ...wrap(`${form} COMMAND --help shows a command's options and examples.`, style.width),
    '',
  ].join('\n')
}

export function familyHelp(family: string, form: string, style: Style): string {
  const rows = commandTable.filter(({ name }) => name.startsWith(`${family} `))
  const width = Math.max(...rows.map(({ name }) => name.length)) + 2
  return [
    `${style.strong('Usage:')} ${form} ${family} COMMAND [options]`,
    '',
    ...rows.flatMap(({ name, summary }) => labelled({ label: name, width, text: summary }, style)),
    '',
    ...wrap(`${form} ${rows[0]!.name} --help shows a command's options and examples.`, style.width),
    '',
  ].join('\n')
}

export function commandHelp(definition: CommandDescription, form: string, style: Style): string {
  const own = definition.options ?? []
  const shared = sharedOptions(definition)
  return [
    ...wrap(`${definition.summary}.`, style.width),
    ...(definition.description ?? []).flatMap((paragraph) => ['', ...wrap(paragraph, Math.min(96, style.width))]),
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
export function usage(definition: CommandDescription): string {
  return [definition.name, ...(definition.arguments ?? []).map(({ name }) => name), '[options]', ...(definition.takesCommand === undefined ? [] : [definition.takesCommand === 'optional' ? '[-- ARGS...]' : '-- COMMAND...'])].join(' ')
}

/** The shared options that do something in this command and that it does not define differently. */
export function sharedOptions(definition: CommandDescription): readonly { readonly flags: string; readonly summary: string }[] {
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
  return shown.flatMap(({ flags, summary }) => labelled({ label: flags, width, text: summary }, style))
}

/** A word with its explanation beside it, which goes on below itself. */
function labelled({ label, width, text }: { label: string; width: number; text: string }, style: Style): string[] {
  const indent = width + 2
  return wrap(text, Math.max(20, style.width - indent)).map((line, index) => `${index === 0 ? `  ${style.accent(label.padEnd(width))}` : ' '.repeat(indent)}${line}`)
}

function exampleLines(examples: readonly { readonly run: string; readonly summary: string }[], form: string, style: Style): string[] {
  // A command stays on one line: it is copied.
  return examples.flatMap(({ run, summary }) => [...wrap(`# ${summary}`, style.width - 4).map((line, index) => `  ${style.dim(index === 0 ? line : `# ${line}`)}`), `  ${exampleInvocation(run, form)}`])
}
