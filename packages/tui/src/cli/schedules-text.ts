import type { ScheduledRunView, ScheduleView } from '@pilot/server/contract'
import { cleanLine } from './text/clean.ts'
import type { Style } from './text/style.ts'
import { ago, duration } from './text/units.ts'

interface TextOptions {
  readonly style: Style
  readonly now: number
}

/** What runs when, one schedule per line. */
export async function schedulesText(schedules: readonly ScheduleView[], { style, now }: TextOptions): Promise<string> {
  if (schedules.length === 0) return 'Nothing runs on a schedule. Jobs stand below `cron:` in pilot.yaml.'
  const { table } = await import('./text/table.ts')
  const apps = new Set(schedules.map(({ app, platform }) => `${platform}/${app.project}/${app.environment}/${app.app}`))
  const nameOf = ({ app, name }: ScheduleView): string => cleanLine(apps.size > 1 ? `${app.app} ${name}` : name)
  const rows = schedules.map((each) => [nameOf(each), cleanLine(each.schedule), cleanLine(each.timeZone), nextText(each.next, now), ...lastText(each.last, { style, now }), cleanLine(each.what)])
  return table(['NAME', 'SCHEDULE', 'TIME ZONE', 'NEXT', 'LAST', 'TOOK', 'RUNS'], rows, { heading: style.dim, width: style.width, whole: ['NAME', 'SCHEDULE'], cut: ['RUNS'] })
}

/** `in 3 hours, 06:00`, by the clock of this machine; by the minute. */
export function nextText(next: string | undefined, now: number): string {
  if (next === undefined) return 'never'
  const at = new Date(next)
  const minutes = Math.ceil((at.getTime() - now) / 60_000)
  if (minutes <= 1) return 'in a minute'
  const [count, unit] = minutes < 60 ? [minutes, 'minute'] : minutes < 1440 ? [Math.round(minutes / 60), 'hour'] : [Math.round(minutes / 1440), 'day']
  const day = minutes < 1440 ? '' : `${at.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' }).replace(',', '')} `
  return `in ${count} ${unit}${count === 1 ? '' : 's'}, ${day}${clockOf(at)}`
}

export function outcomeText({ state, exitCode, error }: ScheduledRunView, style: Style): string {
  if (state === 'done') return style.ok('done')
  if (state === 'running') return style.accent('running')
  if (state !== 'failed') return style.dim(state)
  return style.bad(`failed: ${exitCode !== undefined && exitCode !== 0 ? `exit code ${exitCode}` : cleanLine(error?.message ?? 'unknown')}`)
}

export function tookText({ state, startedAt, finishedAt }: ScheduledRunView, now: number): string {
  if (state === 'skipped' || state === 'missed') return ''
  return duration((finishedAt === undefined ? now : Date.parse(finishedAt)) - Date.parse(startedAt))
}

export const scheduleNames = (schedules: readonly ScheduleView[]): string => [...new Set(schedules.map(({ name }) => cleanLine(name)))].join(', ')

function lastText(last: ScheduledRunView | undefined, { style, now }: TextOptions): [string, string] {
  return last === undefined ? [style.dim('not yet'), ''] : [`${outcomeText(last, style)}, ${ago(last.dueAt ?? last.startedAt, now)}`, tookText(last, now)]
}

const clockOf = (at: Date): string => `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`
