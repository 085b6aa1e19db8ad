import type { HistoryEntry } from '@pilot/server/contract'
import { PilotError } from '@pilot/core/errors'
import { appArgument, defineCommand, flag, value } from '../command.ts'
import { findTarget, refuseUnknownApp } from '../target.ts'
import { cleanLine } from '../text/clean.ts'
import type { Style } from '../text/style.ts'
import { ago, duration } from '../text/units.ts'

export const history = defineCommand({
  name: 'history',
  summary: 'Show who did what, when, and how it ended',
  description: ['Every operation as one line, and what is done at once: secrets that were set, logins of databases that were taken, notifications that were changed. `jobs` shows the parts of an operation, `env history` what changed in a configuration.'],
  arguments: [appArgument],
  options: [
    { flags: '-n, --limit <count>', summary: 'How many; default: 30.' },
    { flags: '--all', summary: 'Of every project and app of this home.' },
  ],
  without: ['platform'],
  examples: [
    { run: 'history', summary: 'what happened in this project' },
    { run: 'history api -n 5', summary: 'the last five of one app' },
    { run: 'history --all --json', summary: 'everything, for a program' },
  ],
  type: 'query',
  needsServer: true,
  async run(context, { args, options }) {
    const limit = Number(value(options, 'limit') ?? 30)
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw new PilotError('USAGE', `--limit wants a whole number from 1 to 1000, not ${value(options, 'limit')}.`)
    const target: Awaited<ReturnType<typeof findTarget>> = flag(options, 'all') ? {} : await findTarget(context, args[0])
    const found = await (await context.client()).request('history', { query: { limit, ...target }, signal: context.signal })
    // What was destroyed still has a history.
    if (found.entries.length === 0 && target.app !== undefined) await refuseUnknownApp(context, target.app)
    await context.output.answer(found, () => historyText(found.entries, context.output.out, Date.now()))
  },
})

export async function historyText(entries: readonly HistoryEntry[], style: Style, now: number): Promise<string> {
  if (entries.length === 0) return 'Nothing has happened yet.'
  const { table } = await import('../text/table.ts')
  const rows = entries.map(({ at, by, what, outcome, ms, text, operation, ...about }) => [ago(at, now), cleanLine(by), cleanLine(what), subject(about), outcomeText({ outcome, text, isOperation: operation !== undefined }, style), ms === undefined ? '' : duration(ms)])
  return table(['WHEN', 'BY', 'WHAT', 'OF', 'OUTCOME', 'TOOK'], rows, { heading: style.dim, width: style.width, whole: ['WHAT'], cut: ['OUTCOME'] })
}

function subject({ platform, project, environment, apps }: Pick<HistoryEntry, 'platform' | 'project' | 'environment' | 'apps'>): string {
  if (project === undefined) return cleanLine(platform ?? '')
  const names = apps.length === 0 ? project : apps.map((app) => `${project}/${app}`).join(', ')
  return cleanLine(environment === undefined || environment === 'production' ? names : `${names} (${environment})`)
}

function outcomeText({ outcome, text, isOperation }: { outcome: string; text: string | undefined; isOperation: boolean }, style: Style): string {
  const more = text === undefined ? '' : cleanLine(text)
  if (!isOperation) return outcome === 'failed' ? style.bad(more === '' ? outcome : more) : more === '' ? outcome : more
  if (outcome === 'failed') return style.bad(more === '' ? 'failed' : `failed: ${more}`)
  return outcome === 'done' ? style.ok('done') : outcome === 'running' ? style.accent('running') : outcome
}
