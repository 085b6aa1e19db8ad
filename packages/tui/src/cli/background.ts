import type { CommandContext } from './context.ts'
import { cleanLine } from './text/clean.ts'
import { bytes } from './text/units.ts'

/** What the first `up` leaves running on this machine, what it takes and how it is stopped. */
export async function sayWhatRuns(context: CommandContext): Promise<void> {
  const { homeServices } = await import('../client/services.ts')
  const services = await homeServices(context.terminal.env)
  const known = services.flatMap(({ memoryBytes }) => memoryBytes ?? [])
  const total = known.length === services.length ? `, ${bytes(known.reduce((sum, count) => sum + count, 0))} of memory together` : ''
  const { err } = context.output
  context.say(`${err.accent(err.symbol.info)} Now running in the background${total}: ${services.map(({ name, memoryBytes }) => `${cleanLine(name)}${memoryBytes === undefined ? '' : ` ${bytes(memoryBytes)}`}`).join(', ')}.`)
  context.say('  `server stop` stops the server and leaves the apps running; `server stop --all` stops everything; `destroy --platform local` removes it.')
  if (context.form.startsWith('npm')) context.say('  `install-cli` makes `pilot` a command that you can type in any folder.')
}
