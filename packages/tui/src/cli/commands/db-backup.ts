import { PilotError } from '@pilot/core/errors'
import type { Backup, Restored } from '@pilot/core'
import { runAppOperation } from '../app-operation.ts'
import { appArgument, common, defineCommand, flag } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { runOperation } from '../operation.ts'
import { announce, resolveApp, type AppTarget } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import { ago, bytes, plural } from '../text/units.ts'

export const dbBackup = defineCommand({
  name: 'db backup',
  summary: 'Back up the database of an app',
  description: ['One moment of the whole database, while the app works on. The file is SQL, compressed, that psql reads too; it lies in the folder `backups` of the home, readable for you alone. Prints the id of the backup.'],
  arguments: [appArgument],
  examples: [
    { run: 'db backup', summary: 'prints the id that `db restore` takes' },
    { run: 'db backup api --quiet', summary: 'the id alone' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args }) {
    const result = await runAppOperation(context, { app: args[0], request: { action: 'backup' }, yes: true })
    if (result.outcome !== 'done') return result.exit
    const backup = (await result.operation()).jobs[0]?.result?.['backup'] as Backup | undefined
    if (backup === undefined) return result.exit
    context.say(`${plural(backup.tables, 'table')}, ${plural(backup.rows, 'row')}, ${bytes(backup.bytes)}: ${cleanLine(backup.place)}`)
    context.output.result(cleanLine(backup.id))
    return result.exit
  },
})

export const dbBackupsDelete = defineCommand({
  name: 'db backups delete',
  summary: 'Delete a backup of an app\'s database',
  description: ['What is deleted cannot be restored any more. Scheduled backups go by themselves when newer ones are there.'],
  arguments: [appArgument, { name: '<BACKUP>', summary: 'As `db backups` lists it.' }],
  options: [common.yes],
  examples: [{ run: 'db backups delete 20261122-k3v9x2mqpa', summary: 'of the only app' }],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const [app, wanted] = args.length === 1 ? [undefined, args[0]!] : [args[0], args[1]!]
    const target = await resolveApp(context, app)
    const backup = await chosenBackup(context, target, wanted)
    await announce(context, { ...target.params, platform: target.query.platform })
    context.say(`Deletes the backup ${cleanLine(backup.id)} of ${ago(backup.startedAt, Date.now())} (${plural(backup.rows, 'row')}, ${bytes(backup.bytes)}, by ${cleanLine(backup.by)}) for good.`)
    if (!flag(options, 'yes') && !(await context.ask.confirm({ message: `Delete the backup ${cleanLine(backup.id)}?`, flag: '--yes' }))) throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
    await (await context.client()).request('deleteBackup', { params: { ...target.params, backup: backup.id }, query: target.query, signal: context.signal })
    await context.output.answer({ deleted: backup.id }, () => `Deleted ${cleanLine(backup.id)}.`)
  },
})

export const dbRestore = defineCommand({
  name: 'db restore',
  summary: 'Put a backup in the place of an app\'s database',
  description: [
    'Fills a new database and swaps both in one step: when anything fails, nothing has changed. Connections are cut at the swap, so an app sees an error or two; it is not restarted.',
    'What was there before is kept until the next backup, and `--undo` brings it back.',
  ],
  arguments: [appArgument, { name: '[BACKUP]', summary: 'As `db backups` lists it; default: the newest.' }],
  options: [{ flags: '--undo', summary: 'Bring back what the last restore replaced.' }, { flags: '--drop-old', summary: 'Keep nothing of what is there now.' }, common.yes],
  examples: [
    { run: 'db restore', summary: 'the newest backup of the only app' },
    { run: 'db restore api 20261122-k3v9x2mqpa', summary: 'a certain one' },
    { run: 'db restore api --undo', summary: 'back to before the last restore' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, { args, options }) {
    const [app, wanted] = args.length === 1 && idForm.test(args[0]!) ? [undefined, args[0]] : [args[0], args[1]]
    const [undo, dropOld] = [flag(options, 'undo'), flag(options, 'dropOld')]
    if (undo && (wanted !== undefined || dropOld)) throw new PilotError('USAGE', '--undo takes neither a backup nor --drop-old.', { suggestion: '`db restore APP --undo`' })
    const target = await resolveApp(context, app)
    await announce(context, { ...target.params, platform: target.query.platform })
    const backup = undo ? undefined : await chosenBackup(context, target, wanted)
    await agree(context, { target, backup, dropOld, yes: flag(options, 'yes') })
    const result = await runOperation(context, { action: 'restore', app: target.params, ...target.query, backup: backup === undefined ? { undo: true } : backup.id, dropOld })
    if (result.outcome !== 'done') return result.exit
    const { kept } = ((await result.operation()).jobs[0]?.result ?? {}) as Partial<Restored>
    context.say(backup === undefined ? 'What the last restore replaced is back.' : `The database is that of ${cleanLine(backup.id)}.`)
    if (kept !== undefined) context.say(`What was there before is kept until the next backup; \`db restore ${target.params.app} --undo\` brings it back.`)
    return result.exit
  },
})

const idForm = /^\d{8}-[a-z0-9-]+$/

async function chosenBackup(context: CommandContext, { params, query }: AppTarget, wanted: string | undefined): Promise<Backup> {
  const { backups } = await (await context.client()).request('backups', { params, query, signal: context.signal })
  const found = wanted === undefined ? backups[0] : backups.find(({ id }) => id === wanted)
  if (found !== undefined) return found
  if (backups.length === 0) throw new PilotError('NOT_FOUND', `${params.app} has no backup.`, { suggestion: '`db backup` makes one.' })
  throw new PilotError('NOT_FOUND', `${params.app} has no backup ${wanted}.`, { suggestion: `The newest are ${backups.slice(0, 5).map(({ id }) => cleanLine(id)).join(', ')}.` })
}

/** Names what is replaced, whose it is, and who else works with it. */
async function agree(context: CommandContext, { target: { params, query }, backup, dropOld, yes }: { target: AppTarget; backup: Backup | undefined; dropOld: boolean; yes: boolean }): Promise<void> {
  const info = await (await context.client()).request('database', { params, query, signal: context.signal })
  if (backup === undefined && info.kept === undefined) throw new PilotError('NOT_FOUND', `Nothing is kept of what was there before the last restore of ${params.app}.`, { suggestion: '`db backups` lists what can be restored.' })
  const users = [info.of, ...info.sharedWith].map(({ app }) => app).filter((app) => app !== params.app)
  context.say(`Replaces the database ${cleanLine(info.database)} (${bytes(info.bytes)}) with ${backup === undefined ? 'what was there before the last restore' : `the backup ${cleanLine(backup.id)} of ${ago(backup.startedAt, Date.now())} (${plural(backup.rows, 'row')}${backup.version === undefined ? '' : `, when ${cleanLine(backup.version)} was live`})`}.`)
  if (users.length > 0) context.say(`${context.output.err.bad('Also of')} ${users.map(cleanLine).join(', ')}: they share it.`)
  context.say(dropOld ? 'What is there now is lost.' : 'What is there now is kept until the next backup.')
  if (yes) return
  const agreed = await context.ask.confirm({ message: `Replace the database of ${[params.app, ...users].join(', ')}?`, flag: '--yes' })
  if (!agreed) throw new PilotError('CANCELLED', 'Nothing was changed.', { suggestion: 'Run the command again when you are ready.' })
}
