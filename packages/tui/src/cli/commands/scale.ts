import { PilotError } from '@pilot/core/errors'
import type { AppView } from '@pilot/server/contract'
import { printUrl, runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { resolveApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'

export const scale = defineCommand({
  name: 'scale',
  summary: 'Run more or fewer instances of an app and its processes, or show how many',
  description: [
    'Releases at once without a build: the new instances start and become healthy, then the traffic moves, then the old ones finish their open requests. It lasts over every `up` and rollback, over what the manifest says; a number that the manifest has too lets the manifest decide again.',
    'A number alone is for the app itself, which is called web among its processes. Without numbers it shows what there is.',
  ],
  arguments: [appArgument, { name: '[N|PROCESS=N...]', summary: 'Whole numbers from 0 to 100.' }],
  options: [common.yes],
  examples: [
    { run: 'scale api 3', summary: 'three instances of the app itself' },
    { run: 'scale api web=3 worker=2', summary: 'and two of a process beside it' },
    { run: 'scale api', summary: 'how many there are' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const namesApp = args[0] !== undefined && !isCount(args[0])
    const [app, given] = namesApp ? [args[0], args.slice(1)] : [undefined, args]
    if (given.length === 0) return await showCounts(context, app)
    const result = await runAppOperation(context, { app, request: { action: 'scale', counts: countsFrom(given) }, yes: flag(options, 'yes'), protect: true })
    printUrl(context, result)
    return result.exit
  },
})

/** `3`, `worker=2`; also `-1` and `1.5`, which are refused as numbers and not as apps. */
const isCount = (text: string): boolean => text.includes('=') || /^[-+]?[\d.]+$/.test(text)

function countsFrom(given: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const text of given) {
    if (!isCount(text)) throw new PilotError('USAGE', `${text} is not of the form PROCESS=N.`, { suggestion: '`scale APP 3`, or `scale APP web=3 worker=2`.' })
    const at = text.indexOf('=')
    const process = at === -1 ? 'web' : text.slice(0, at)
    const number = text.slice(at + 1)
    if (!/^[a-z0-9][a-z0-9-]*$/.test(process)) throw new PilotError('USAGE', `${text} names no process.`, { suggestion: '`scale APP 3`, or `scale APP web=3 worker=2`; `scale APP` lists the processes.' })
    if (!/^\d{1,3}$/.test(number) || Number(number) > 100) throw new PilotError('USAGE', `${number === '' ? 'Nothing' : number} is no number of instances for ${process}.`, { suggestion: 'Give a whole number from 0 to 100.' })
    if (counts.has(process)) throw new PilotError('USAGE', `${process} is given twice.`, { suggestion: 'Give one number for each process.' })
    counts.set(process, Number(number))
  }
  return Object.fromEntries(counts)
}

interface ProcessLine {
  readonly process: string
  readonly instances: number
  readonly running: number
  /** What decided on `instances`; what the manifest does not say is 1. */
  readonly source: 'scale' | 'manifest'
}

async function showCounts(context: CommandContext, app: string | undefined): Promise<number> {
  const { params, query } = await resolveApp(context, app)
  const { status } = await (await context.client()).request('app', { params, query, signal: context.signal })
  const name = cleanLine(params.app)
  if (status.deployment === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${name} has no instances: it is ${status.state}.`, { suggestion: status.state === 'stopped' ? `\`start ${name}\` starts it.` : 'Deploy it with `up`.' })
  if (status.scale === undefined) throw new PilotError('USAGE', `${name} is a site, and files have no instances.`, { suggestion: 'Scale an app that runs as a container or process.' })
  const processes = linesOf(status)
  await context.output.answer({ app: params, processes }, () => linesText(processes, context.output.out))
  return 0
}

const linesOf = ({ scale = {}, deployment, instances }: AppView['status']): readonly ProcessLine[] =>
  Object.entries(scale).map(([process, count]) => ({
    process,
    instances: count,
    running: instances.filter((instance) => (instance.process ?? 'web') === process && instance.state === 'running').length,
    source: Object.hasOwn(deployment?.run.scale ?? {}, process) ? 'scale' : 'manifest',
  }))

async function linesText(processes: readonly ProcessLine[], style: Style): Promise<string> {
  const { table } = await import('../text/table.ts')
  const rows = processes.map(({ process, instances, running, source }) => [cleanLine(process), String(instances), running === instances ? style.ok(String(running)) : style.warn(String(running)), source])
  return table(['PROCESS', 'INSTANCES', 'RUNNING', 'SOURCE'], rows, { heading: style.dim, width: style.width })
}
