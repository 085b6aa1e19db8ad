import { defineCommand, flag } from '../command.ts'
import { rootHelp } from '../help.ts'

export const help = defineCommand({
  name: 'help',
  summary: 'Show the help of a command, or print the manual page',
  arguments: [{ name: '[COMMAND...]', summary: 'The command, of one word or two.' }],
  options: [{ flags: '--man', summary: 'All commands as a manual page.' }],
  without: ['app', 'dir', 'project', 'environment', 'platform'],
  examples: [
    { run: 'help env set', summary: 'the same as `env set --help`' },
    { run: 'pilot help --man > ~/.local/share/man/man1/pilot.1', summary: 'from then on: `man pilot`' },
  ],
  type: 'query',
  needsServer: false,
  /** What asks for help of a command goes there before it gets here: see `locate`. */
  async run(context, { options }) {
    const text = flag(options, 'man') ? (await import('../man-page.ts')).manPage(await context.commands()) : rootHelp(context.form, context.output.out)
    if (context.output.json) context.output.document({ text })
    else await context.output.raw(text.endsWith('\n') ? text : `${text}\n`)
  },
})
