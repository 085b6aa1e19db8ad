import { safeJson } from '../text/clean.ts'
import { appArgument, defineCommand, value, type CommandDefinition, type CommandInput } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { resolveApp } from '../target.ts'
import { untilInterrupt } from '../until-interrupt.ts'

const shared = {
  takesCommand: true,
  type: 'query',
  needsServer: true,
} as const satisfies Partial<CommandDefinition>

const common = [
  'What the command writes comes as it is written, on the same stream; its exit code is that of `run` or `exec`, and Ctrl-C ends it. It has no terminal and no input. Without a shell in between: write `-- sh -c "…"` for one.',
  'Output is shown as it is: a command that prints its environment prints secrets.',
]

export const run = defineCommand({
  ...shared,
  name: 'run',
  summary: 'Run a command once, with the app\'s code and environment',
  description: ['A container or process of its own, from what is live, in the same network, with the same user, limits and environment; without a port. Nothing of it is left. It keeps nobody from deploying, and goes on when a release replaces what it was made from.', ...common],
  arguments: [appArgument],
  examples: [
    { run: 'run -- node scripts/import.js', summary: 'with the only app of the project' },
    { run: 'run api -- sh -c "env | sort"', summary: 'several words of a shell' },
  ],
  run: (context, input) => command(context, { name: 'run', input }),
})

export const exec = defineCommand({
  ...shared,
  name: 'exec',
  summary: 'Run a command inside a running instance',
  description: ['In a container beside what runs there; of an app that runs as a process with its user, folder, environment and PORT.', ...common],
  arguments: [appArgument],
  options: [
    { flags: '--process <name>', summary: 'In an instance of this process, such as worker; default: the app itself.' },
    { flags: '--instance <name>', summary: 'In this one, as `status --json` names it; default: the first that runs.' },
  ],
  examples: [
    { run: 'exec -- ps', summary: 'what runs in the first instance' },
    { run: 'exec api --process worker -- cat /tmp/state', summary: 'in the worker' },
  ],
  run: (context, input) => command(context, { name: 'exec', input }),
})

async function command(context: CommandContext, { name, input: { args, options, command } }: { name: 'run' | 'exec'; input: CommandInput }): Promise<number> {
  const { params, query } = await resolveApp(context, args[0])
  const client = await context.client()
  const place = Object.fromEntries(['process', 'instance'].flatMap((option) => (value(options, option) === undefined ? [] : [[option, value(options, option)]])))
  const { output, terminal } = context
  let code = 0
  const interrupted = await untilInterrupt(context, async (signal) => {
    code = await client.command(name, params, {
      query,
      body: { command: [...command], ...place },
      signal,
      output: async (stream, data) => {
        if (output.json) return output.raw(`${safeJson({ stream, text: Buffer.from(data).toString('utf8') })}\n`)
        if (!terminal[stream].write(data)) await new Promise<void>((resolve) => terminal[stream].once('drain', () => resolve()))
      },
    })
    if (output.json) await output.raw(`${safeJson({ exitCode: code })}\n`)
  })
  return interrupted === 0 ? code : interrupted
}
