import type { Backup, DatabaseUser } from '@pilot/core'
import type { Database, ScheduleView } from '@pilot/server/contract'
import { appArgument, defineCommand } from '../command.ts'
import { resolveApp, type AppTarget } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { ago, bytes, duration } from '../text/units.ts'

export const dbInfo = defineCommand({
  name: 'db info',
  summary: 'Show the database of an app: size, connections, how it is reached',
  description: ['The password stands in DATABASE_URL of the app only; `db psql` uses it for you.'],
  arguments: [appArgument],
  examples: [
    { run: 'db info', summary: 'of the only app' },
    { run: 'db info api --json', summary: 'for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const info = await (await context.client()).request('database', { params, query, signal: context.signal })
    await context.output.answer(info, () => infoText(info, params, context.output.out))
  },
})

export const dbUsers = defineCommand({
  name: 'db users',
  summary: 'List the logins of an app\'s database',
  description: ['Each app has a login of its own. All of them act as the role that owns the database, so that one sees what the other made.'],
  arguments: [appArgument],
  examples: [{ run: 'db users api', summary: 'who can connect, and how often at once' }],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const { users } = await (await context.client()).request('databaseUsers', { params, query, signal: context.signal })
    await context.output.answer({ users }, () => usersText(users, context.output.out))
  },
})

export const dbBackups = defineCommand({
  name: 'db backups',
  summary: 'List the backups of an app\'s database, newest first',
  description: ['Those by `schedule` were made by `database: { backup: … }` of pilot.yaml, which also deletes the oldest of them; those by people stay until `db backups delete`.'],
  arguments: [appArgument],
  examples: [
    { run: 'db backups', summary: 'with size, time and the version that was live' },
    { run: 'db backups api --json', summary: 'with checksum and path' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args }) {
    const { params, query } = await resolveApp(context, args[0])
    const client = await context.client()
    const { backups } = await client.request('backups', { params, query, signal: context.signal })
    const { project, environment } = params
    const { schedules } = await client.request('schedules', { query: { project, environment, app: backups[0]?.app.app ?? params.app, ...query }, signal: context.signal })
    const schedule = schedules.find(({ type }) => type === 'backup')
    await context.output.answer({ backups, ...(schedule === undefined ? {} : { schedule }) }, async () => {
      const listed = backups.length === 0 ? `${params.app} has no backup. \`${context.typed('db backup')}\` makes one.` : await backupsText(backups, context.output.out)
      return [listed, ...(schedule === undefined ? [] : [await scheduleLine(schedule, context.output.out)])].join('\n')
    })
  },
})

function infoText(info: Database, app: AppTarget['params'], { dim }: Style): string {
  const lines: readonly (readonly [string, string])[] = [
    ['database', `${info.database}${info.of.app === app.app ? '' : `, of ${info.of.app}`}`],
    ['owner', info.owner],
    ...(info.sharedWith.length === 0 ? [] : [['shared with', info.sharedWith.map((other) => other.app).join(', ')] as const]),
    ['size', bytes(info.bytes)],
    ['connections', `${info.connections} (the server takes ${info.maxConnections} in all)`],
    ['PostgreSQL', info.postgres],
    ['extensions', info.extensions.join(', ')],
    ['address', `${info.host}:${info.port}`],
    ...(info.kept === undefined ? [] : [['kept', `${info.kept.database}, ${bytes(info.kept.bytes)}: from before the last restore`] as const]),
  ]
  const width = Math.max(...lines.map(([name]) => name.length))
  return lines.map(([name, text]) => `${dim(name.padEnd(width))}  ${cleanLine(text)}`).join('\n')
}

async function usersText(users: readonly DatabaseUser[], style: Style): Promise<string> {
  const { table } = await import('../text/table.ts')
  const rows = users.map(({ name, app, connections, connectionLimit }) => [cleanLine(name), cleanLine(app === undefined ? '' : app.app), String(connections), connectionLimit < 0 ? 'none' : String(connectionLimit)])
  return table(['LOGIN', 'APP', 'CONNECTIONS', 'LIMIT'], rows, { heading: style.dim, width: style.width, whole: ['LOGIN'] })
}

/** When the next one is made by itself, and how the last attempt ended. */
async function scheduleLine(schedule: ScheduleView, style: Style): Promise<string> {
  const { nextText, outcomeText } = await import('../schedules-text.ts')
  const now = Date.now()
  const failed = schedule.last !== undefined && schedule.last.state !== 'done' && schedule.last.state !== 'running' ? ` The last one: ${outcomeText(schedule.last, style)}, ${ago(schedule.last.startedAt, now)}.` : ''
  return `Scheduled: ${cleanLine(schedule.schedule)} (${cleanLine(schedule.timeZone)}), ${cleanLine(schedule.what)}; next ${nextText(schedule.next, now)}.${failed}`
}

async function backupsText(backups: readonly Backup[], style: Style): Promise<string> {
  const { table } = await import('../text/table.ts')
  const now = Date.now()
  const rows = backups.map(({ id, startedAt, bytes: size, ms, version, postgres, rows: count, by }) => [cleanLine(id), ago(startedAt, now), bytes(size), duration(ms), String(count), cleanLine(version ?? ''), cleanLine(postgres), cleanLine(by)])
  return table(['BACKUP', 'MADE', 'SIZE', 'TOOK', 'ROWS', 'VERSION', 'POSTGRESQL', 'BY'], rows, { heading: style.dim, width: style.width, whole: ['BACKUP'] })
}
