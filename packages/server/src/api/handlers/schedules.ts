import { appScope, PilotError, unknownCronJob, type AppIdentity } from '@pilot/core'
import type { ScheduleView } from '../../contract/schedules.ts'
import { readLogFile } from '../../events/log-files.ts'
import { runLogPath } from '../../schedule/run-log.ts'
import { keyColumns, type RunRow } from '../../schedule/runs.ts'
import { runView } from '../../schedule/view.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import type { Handlers, RawAnswer } from '../handler.ts'
import type { Services } from '../services.ts'
import { errorLine, lineHeaders, streamAnswer } from '../stream.ts'
import { placeOf } from './app-place.ts'
import { linesOf } from './commands.ts'

/** What runs at certain times, and what became of it. */
export function scheduleHandlers(services: Services) {
  const { db, home, scheduler } = services
  return {
    async schedules({ query: { project, environment, app, platform } }) {
      const wanted = (await scheduler.list()).filter(
        (each) => isOrAny(project, each.app.project) && isOrAny(environment, each.app.environment) && isOrAny(app, each.app.app) && isOrAny(platform, each.platform),
      )
      return { schedules: await Promise.all(wanted.map(async (each) => scheduleView(each, await newestRun(each)))) }
    },

    async runs({ params: app, query: { platform, type, name, limit = 20 } }) {
      let query = db.selectFrom('schedule_runs').selectAll().where((where) => where.and(app)).orderBy('started_at', 'desc').orderBy('due_at', 'desc').limit(limit)
      if (platform !== undefined) query = query.where('platform', '=', platform)
      if (type !== undefined) query = query.where('type', '=', type)
      if (name !== undefined) query = query.where('name', '=', name)
      return { runs: (await query.execute()).map(runView) }
    },

    async runLog({ params: { run, ...app }, query: { offset = 0, follow = false } }) {
      const found = await runOf(app, run)
      return streamAnswer({
        headers: { 'content-type': 'text/plain; charset=utf-8', 'pilot-offset': String(offset) },
        make: (open) => readLogFile({ path: runLogPath(home.logs, found.id), offset, signal: open, ...(follow ? { isFinished: async () => (await runOf(app, run)).state !== 'running' } : {}) }),
      })
    },

    async runCron({ params: { name, ...app }, query: { platform }, by, signal }): Promise<RawAnswer> {
      const place = await placeOf(services, app, { platform, signal })
      const jobs = (await scheduler.list()).filter((each) => each.platform === place.name && each.type === 'cron' && appScope(each.app) === appScope(app))
      const schedule = jobs.find((each) => each.name === name)
      if (schedule === undefined) throw unknownCronJob(app, name, jobs.map((each) => each.name))
      return streamAnswer({
        headers: lineHeaders,
        onError: errorLine,
        make: (open) => linesOf((output) => endOf(scheduler.runNow({ schedule, by, signal: open, output }))),
      })
    },
  } satisfies Partial<Handlers>

  async function newestRun(schedule: Schedule): Promise<RunRow | undefined> {
    return db.selectFrom('schedule_runs').selectAll().where((where) => where.and(keyColumns(schedule))).orderBy('started_at', 'desc').orderBy('due_at', 'desc').limit(1).executeTakeFirst()
  }

  async function runOf({ project, environment, app }: AppIdentity, id: string): Promise<RunRow> {
    const found = await db.selectFrom('schedule_runs').selectAll().where((where) => where.and({ id, project, environment, app })).executeTakeFirst()
    if (found === undefined) throw new PilotError('NOT_FOUND', `${app} has no run ${id}`, { suggestion: '`cron history` lists them; the oldest are forgotten.' })
    return found
  }
}

/** How a command ended, as who streams it hears it. */
async function endOf(running: ReturnType<Services['scheduler']['runNow']>): Promise<{ exitCode: number }> {
  const end = await running
  if ('operation' in end || end.state === 'done') return { exitCode: 0 }
  if (end.exitCode !== undefined) return { exitCode: end.exitCode }
  throw new PilotError((end.error?.code ?? 'INTERNAL') as ConstructorParameters<typeof PilotError>[0], end.error?.message ?? 'The run failed', { ...(end.error?.reason === undefined ? {} : { reason: end.error.reason }), ...(end.error === undefined ? {} : { suggestion: end.error.suggestion }) })
}

function scheduleView({ platform, app, type, name, expression, timeZone, overlap, missed, what, next }: Schedule & { readonly next?: Date }, last: RunRow | undefined): ScheduleView {
  return { platform, app, type, name, schedule: expression, timeZone, overlap, missed, what, ...(next === undefined ? {} : { next: next.toISOString() }), ...(last === undefined ? {} : { last: runView(last) }) }
}

const isOrAny = (wanted: string | undefined, value: string): boolean => wanted === undefined || wanted === value
