import type { ScheduledRunView } from '@pilot/server/contract'
import { outcomeText, tookText } from './schedules-text.ts'
import { cleanLine } from './text/clean.ts'
import type { Style } from './text/style.ts'
import { ago } from './text/units.ts'

/** What became of the times of schedules, newest first. */
export async function runsText(runs: readonly ScheduledRunView[], { style, now }: { readonly style: Style; readonly now: number }): Promise<string> {
  if (runs.length === 0) return 'No runs yet.'
  const { table } = await import('./text/table.ts')
  const rows = runs.map((run) => [cleanLine(run.id), cleanLine(run.name), ago(run.dueAt ?? run.startedAt, now), outcomeText(run, style), tookText(run, now), `v${run.version}`, cleanLine(run.by)])
  return table(['RUN', 'NAME', 'DUE', 'OUTCOME', 'TOOK', 'VERSION', 'BY'], rows, { heading: style.dim, width: style.width, whole: ['RUN', 'NAME'], cut: ['BY'] })
}
