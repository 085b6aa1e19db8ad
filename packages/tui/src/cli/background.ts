import type { CommandContext } from './context.ts'
import { cleanLine } from './text/clean.ts'
import { bytes, plural } from './text/units.ts'

/** What the first `up` leaves running on this machine, what it takes and how it is stopped. */
export async function sayWhatRuns(context: CommandContext): Promise<void> {
  const { homeServices } = await import('../client/services.ts')
  const services = await homeServices(context.terminal.env)
  const sum = sumOf(services)
  const total = sum === undefined ? '' : `, ${bytes(sum)} of memory together`
  const [apps, own] = [services.filter(isApp), services.filter((service) => !isApp(service))]
  const parts = [...own, ...(apps.length === 0 ? [] : [{ name: plural(apps.length, 'app process', 'app processes'), memoryBytes: sumOf(apps) }])]
  const { err } = context.output
  context.say(`${err.accent(err.symbol.info)} Now running in the background${total}: ${parts.map(({ name, memoryBytes }) => `${cleanLine(name)}${memoryBytes === undefined ? '' : ` ${bytes(memoryBytes)}`}`).join(', ')}.`)
  context.say('  `server stop` stops the server and leaves the apps running; `server stop --all` stops everything; `destroy --platform local` removes it.')
  if (context.form.startsWith('npm')) context.say('  `install-cli` makes `pilot` a command that you can type in any folder.')
}

type Service = { readonly name: string; readonly memoryBytes?: number }

/** What the platform started for apps, and not for itself. */
const isApp = ({ name }: Service): boolean => name.startsWith('pilot-deployment-')

function sumOf(services: readonly Service[]): number | undefined {
  const known = services.flatMap(({ memoryBytes }) => memoryBytes ?? [])
  return known.length === services.length ? known.reduce((sum, count) => sum + count, 0) : undefined
}
