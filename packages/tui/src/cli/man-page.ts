import { version } from '../version.ts'
import type { CommandDescription } from './command-description.ts'
import { globalOptions } from './globals.ts'
import { usage } from './help.ts'

/** All commands as one manual page, in the macros of man(7), from the definitions that the commands parse with. */
export function manPage(definitions: readonly CommandDescription[]): string {
  return [
    `.TH PILOT 1 "" "pilot ${roff(version)}" "Pilot"`,
    '.SH NAME',
    'pilot \\- build, deploy and run applications on a platform that is yours',
    '.SH SYNOPSIS',
    '.B pilot',
    '.I COMMAND',
    '[options]',
    '.SH DESCRIPTION',
    roff('A command is about the project of the nearest pilot.yaml upwards from the folder you are in. Results go to standard output, progress and questions to standard error. Without a terminal no command waits for an answer.'),
    '.SH OPTIONS',
    'Understood by every command in which they mean something.',
    ...Object.values(globalOptions).flatMap(option),
    '.SH COMMANDS',
    ...definitions.flatMap(command),
    '.SH EXIT STATUS',
    ...[['0', 'done'], ['1', 'failed'], ['2', 'usage, or an answer is needed'], ['3', 'held by another owner'], ['4', 'the app is unhealthy; the old release was kept'], ['130', 'interrupted']].flatMap(([code, meaning]) => ['.TP', `.B ${code}`, meaning!]),
    '.SH ENVIRONMENT',
    '.TP',
    '.B PILOT_HOME',
    roff('The folder where Pilot keeps everything on this machine; default: ~/.pilot.'),
    '.TP',
    '.B NO_COLOR, CI',
    'Respected.',
    '',
  ].join('\n')
}

function command(definition: CommandDescription): readonly string[] {
  return [
    `.SS "pilot ${roff(usage(definition))}"`,
    roff(`${definition.summary}.`),
    ...(definition.description ?? []).flatMap((paragraph) => ['.PP', roff(paragraph)]),
    ...(definition.arguments ?? []).flatMap(({ name, summary }) => ['.TP', `.I ${roff(name)}`, roff(summary)]),
    ...(definition.options ?? []).flatMap(option),
    ...definition.examples.flatMap(({ run, summary }) => ['.TP', roff(`${summary}:`), `.B ${roff(run.includes('pilot ') ? run : `pilot ${run}`)}`]),
  ]
}

const option = ({ flags, summary }: { readonly flags: string; readonly summary: string }): readonly string[] => ['.TP', `.B ${roff(flags)}`, roff(summary)]

/** Text that no line of may be taken for a request, nor any hyphen for a dash. */
const roff = (text: string): string => text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq').replaceAll(/^(['.])/gm, String.raw`\&$1`)
