import { PilotError } from '@pilot/core/errors'
import type { VolumeStatus } from '@pilot/core'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import { runOperation } from '../operation.ts'
import { confirmProtected } from '../protect.ts'
import { announce, appTarget, chooseApp, resolveApp, resolveProject } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { bytes } from '../text/units.ts'

export const volumesList = defineCommand({
  name: 'volumes list',
  summary: 'List the volumes of an app: where they are, and how much lies in them',
  description: ['Also those that its manifest no longer has: their data is kept until `volumes delete`.'],
  arguments: [appArgument],
  examples: [
    { run: 'volumes list', summary: 'of the only app' },
    { run: 'volumes list store --json', summary: 'for programs' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const { volumes } = await (await context.client()).request('volumes', { params, query, signal: context.signal })
    await context.output.answer({ app: params, volumes }, () => volumesText(volumes, context.output.out))
    return 0
  },
})

export const volumesDelete = defineCommand({
  name: 'volumes delete',
  summary: 'Delete a volume that no version has any more, with its data',
  description: ['What a version that runs has is not deleted: take it out of `volumes:` in pilot.yaml and run `up` before. The data cannot be brought back.'],
  arguments: [appArgument, { name: 'VOLUME', summary: 'Its name, as `volumes list` says it.' }],
  options: [common.yes],
  examples: [
    { run: 'volumes delete store data', summary: 'asks for the name before' },
    { run: 'volumes delete store data --yes', summary: 'without asking' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const [app, volume] = args.length > 1 ? [args[0], args[1]!] : [undefined, args[0]]
    if (volume === undefined) throw new PilotError('USAGE', 'No volume is named.', { suggestion: '`volumes list` lists them; `volumes delete APP VOLUME` deletes one.' })
    const project = await resolveProject(context)
    const target = appTarget(project, await chooseApp(context, project, app))
    await announce(context, { ...target.params, platform: target.query.platform })
    const { volumes } = await (await context.client()).request('volumes', { params: target.params, query: target.query, signal: context.signal })
    const found = volumes.find((each) => each.volume === volume)
    if (found === undefined) throw new PilotError('NOT_FOUND', `${cleanLine(target.params.app)} has no volume ${cleanLine(volume)}.`, { suggestion: volumes.length === 0 ? 'It has none.' : `It has ${volumes.map((each) => cleanLine(each.volume)).join(', ')}.` })
    context.say(`${context.output.err.bad('Deletes')} the volume ${cleanLine(volume)}, ${cleanLine(found.id)}${found.bytes === undefined ? '' : ` (${bytes(found.bytes)})`}`)
    const yes = flag(options, 'yes')
    if (!yes) {
      await confirmProtected(context, { project, yes, what: 'volumes delete' })
      const agreed = await context.ask.typed({ message: `The volume ${volume} goes with all its data; that cannot be undone.`, expected: volume, flag: '--yes' })
      if (!agreed) throw new PilotError('CANCELLED', 'Nothing was deleted.', { suggestion: 'Run the command again when you are ready.' })
    }
    const { exit } = await runOperation(context, { action: 'delete-volume', app: target.params, ...target.query, volume })
    if (exit === 0) context.output.progress(`${context.output.err.ok(context.output.err.symbol.ok)} deleted the volume ${cleanLine(volume)} of ${cleanLine(target.params.app)}`)
    return exit
  },
})

async function volumesText(volumes: readonly VolumeStatus[], style: Style): Promise<string> {
  if (volumes.length === 0) return 'It has no volumes. `volumes:` of pilot.yaml says which.'
  const { table } = await import('../text/table.ts')
  const rows = volumes.map(({ volume, path, id, inUse, shared, bytes: size }) => [
    cleanLine(volume),
    inUse ? (shared ? 'shared' : 'in use') : style.warn('kept'),
    size === undefined ? style.dim('?') : bytes(size),
    path === undefined ? style.dim('none') : cleanLine(path),
    cleanLine(id),
  ])
  return table(['VOLUME', 'STATE', 'SIZE', 'PATH', 'PLACE'], rows, { heading: style.dim, width: style.width })
}
