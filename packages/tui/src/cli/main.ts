import { catalogue, errorBody, PilotError, toPilotError } from '@pilot/core/errors'
import { version } from '../version.ts'
import type { CommandDefinition } from './command.ts'
import { commandTable } from './command-table.ts'
import { loadCommand } from './commands/index.ts'
import { createContext } from './context.ts'
import type { Globals } from './globals.ts'
import { commandHelp, familyHelp, rootHelp } from './help.ts'
import { invokedAs } from './invocation.ts'
import { locate } from './locate.ts'
import { createOutput, type Output } from './output.ts'
import { parseCommand } from './parse.ts'
import { renderError } from './render-error.ts'
import { canAsk, styleOf, type Terminal } from './terminal.ts'

/** One command from typed words to exit code: 0 done, 1 failed, 2 usage or an answer is needed, 3 held, 4 unhealthy, 130 interrupted. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  if (argv[0] === '__complete') {
    await (await import('./completion/complete.ts')).printCandidates(argv.slice(1), terminal)
    return 0
  }
  const form = invokedAs(terminal.env)
  const style = styleOf(terminal, 'stdout')
  const print = (text: string) => void terminal.stdout.write(text)
  const located = locate(argv)
  switch (located.type) {
    case 'version':
      print(`${version}\n`)
      return 0
    case 'command':
      return await runCommand(await loadCommand[located.row.name](), located.rest, terminal)
    case 'family':
      if (located.help) print(familyHelp(located.family, form, style))
      else terminal.stderr.write(familyHelp(located.family, form, styleOf(terminal, 'stderr')))
      return located.help ? 0 : 2
    case 'root':
      if (!located.help && canAsk(terminal)) return await runCommand((await import('./commands/overview.ts')).overview, located.rest, terminal)
      print(rootHelp(form, style))
      return 0
    case 'unknown':
      return await unknownCommand(located, argv, terminal)
  }
}

async function runCommand(definition: CommandDefinition, argv: readonly string[], terminal: Terminal): Promise<number> {
  const form = invokedAs(terminal.env)
  let output = createOutput(terminal, { json: argv.includes('--json'), quiet: false })
  let globals: Globals | undefined
  try {
    const parsed = parseHelpFirst(definition, argv)
    if (parsed === 'help') {
      terminal.stdout.write(commandHelp(definition, form, styleOf(terminal, 'stdout')))
      return 0
    }
    globals = parsed.globals
    if (definition.type === 'operation') terminal.outliveReaders?.()
    output = createOutput(terminal, globals)
    await using context = createContext({ terminal, globals, output, commands: () => Promise.all(commandTable.map(({ name }) => loadCommand[name]())) })
    if (definition.needsServer) context.lookForServer()
    return (await Promise.race([definition.run(context, parsed.input), context.interrupted])) ?? 0
  } catch (error) {
    return failed(error, { definition, output, form, debug: Boolean(terminal.env['PILOT_DEBUG']), width: terminal.stderr.columns })
  }
}

/** `--help` wins over whatever else is wrong in what was typed. */
function parseHelpFirst(definition: CommandDefinition, argv: readonly string[]): 'help' | ReturnType<typeof parseCommand> {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv
  return own.includes('--help') || own.includes('-h') ? 'help' : parseCommand(definition, argv)
}

function failed(thrown: unknown, { definition, output, form, debug, width }: { definition: CommandDefinition; output: Output; form: string; debug: boolean; width: number | undefined }): number {
  const error = toPilotError(thrown)
  const body = errorBody(error)
  if (definition.type === 'query') output.document({ error: body })
  else output.event({ v: 1, at: new Date().toISOString(), type: 'operation.finished', outcome: error.code === 'CANCELLED' ? 'cancelled' : 'failed', error: body })
  if (!output.json) output.error(renderError(body, { form, style: output.err, width }))
  if (debug && error.cause instanceof Error) output.error(String(error.cause.stack))
  return catalogue[error.code].exit
}

async function unknownCommand({ word, near }: { word: string; near?: string }, argv: readonly string[], terminal: Terminal): Promise<number> {
  const suggestion = near === undefined ? '`--help` lists the commands.' : `Did you mean \`${near}\`? \`--help\` lists the commands.`
  const error = new PilotError('USAGE', `There is no command ${word}.`, { suggestion })
  const output = createOutput(terminal, { json: argv.includes('--json'), quiet: false })
  output.document({ error: errorBody(error) })
  if (!output.json) output.error(renderError(errorBody(error), { form: invokedAs(terminal.env), style: output.err, width: terminal.stderr.columns }))
  return catalogue.USAGE.exit
}
