import { safeJson } from '../text/clean.ts'
import { appArgument, defineCommand, value, type CommandDefinition, type CommandInput } from '../command.ts'
import { commandStreams } from '../command-streams.ts'
import type { CommandContext } from '../context.ts'
import { resolveApp } from '../target.ts'
import { untilInterrupt } from '../until-interrupt.ts'

const shared = {
  takesCommand: true,
  type: 'query',
  needsServer: true,
} as const satisfies Partial<CommandDefinition>

const common = [
  'In a terminal it is interactive: the command gets a terminal of the same size and each key that is typed, Ctrl-C too. Else its input is what is piped here, byte for byte to its end, and what it writes comes on the same stream.',
  'Its exit code is that of `run` or `exec`. It ends with the connection. Without a shell in between: write `-- sh -c "…"` for one.',
  'Output is shown as it is: a command that prints its environment prints secrets.',
]
const options = [{ flags: '-T, --no-tty', summary: 'No terminal for the command, also when this is one.' }] as const

export const run = defineCommand({
  ...shared,
  name: 'run',
  summary: 'Run a command once, with the app\'s code and environment',
  description: ['A container or process of its own, from what is live, in the same network, with the same user, limits and environment; without a port. Nothing of it is left. It keeps nobody from deploying, and goes on when a release replaces what it was made from.', ...common],
  arguments: [appArgument],
  options: [...options],
  examples: [
    { run: 'run -- node scripts/import.js', summary: 'with the only app of the project' },
    { run: 'run api -- sh -c "env | sort"', summary: 'several words of a shell' },
    { run: 'run api -- npm run console', summary: 'to type in' },
    { run: 'run api -- psql < dump.sql', summary: 'with a file as its input' },
  ],
  run: (context, input) => command(context, { name: 'runSession', input }),
})

export const exec = defineCommand({
  ...shared,
  name: 'exec',
  summary: 'Run a command inside a running instance',
  description: ['In a container beside what runs there; of an app that runs as a process with its user, folder, environment and PORT.', ...common],
  arguments: [appArgument],
  options: [
    ...options,
    { flags: '--process <name>', summary: 'In an instance of this process, such as worker; default: the app itself.' },
    { flags: '--instance <name>', summary: 'In this one, as `status --json` names it; default: the first that runs.' },
  ],
  examples: [
    { run: 'exec api -- sh', summary: 'a shell in the first instance' },
    { run: 'exec -- ps', summary: 'what runs there' },
    { run: 'exec api --process worker -- cat /tmp/state', summary: 'in the worker' },
  ],
  run: (context, input) => command(context, { name: 'execSession', input }),
})

async function command(context: CommandContext, { name, input: { args, options, command } }: { name: 'runSession' | 'execSession'; input: CommandInput }): Promise<number> {
  const { params, query } = await resolveApp(context, args[0])
  const client = await context.client()
  const place = Object.fromEntries(['process', 'instance'].flatMap((option) => (value(options, option) === undefined ? [] : [[option, value(options, option)]])))
  const { output } = context
  using streams = commandStreams(context, { noTty: options['tty'] === false })
  let code = 0
  const interrupted = await untilInterrupt(context, async (signal) => {
    code = await client.session(name, params, { query: { ...query, ...place }, command, ...streams, signal })
    if (output.json) await output.raw(`${safeJson({ exitCode: code })}\n`)
  })
  return interrupted === 0 ? code : interrupted
}
