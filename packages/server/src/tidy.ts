import { rm } from 'node:fs/promises'
import { sql } from 'kysely'
import { toPilotError } from '@pilot/core'
import type { Database } from './db/database.ts'
import { operationLogPath } from './events/log-files.ts'
import { activityStream } from './events/streams.ts'
import type { Log } from './log.ts'
import { forgetOldSamples } from './metrics/store.ts'
import { removeRunLogs } from './schedule/run-log.ts'
import { forgetOldNotices } from './notify/notices.ts'
import { forgetOldSources } from './sources/upload.ts'

/** What has ended stays this long; the newest ones stay however old they are, and no more than the most however new. */
const keptDays = 90
const keptOperations = 500
const mostOperations = 20_000
/** Of ended operations together: the oldest of them go with what they say. */
const mostEvents = 1_000_000
/** At a time, so that nobody waits for it. */
const atOnce = 1_000
const keptActivities = 10_000

const everyMs = 12 * 3600_000

/** A disk that fills slowly is what people complain of most: the server tidies up after itself, now and twice a day. */
export function tidyNowAndThen(options: { readonly db: Database; readonly logs: string; readonly sources: string; readonly log: Log }): () => void {
  const tidy = (): void => void tidyUp(options).catch((error: unknown) => options.log.warn('could not tidy up', { reason: toPilotError(error).message }))
  const first = setTimeout(tidy, 60_000).unref()
  const timer = setInterval(tidy, everyMs).unref()
  return () => {
    clearTimeout(first)
    clearInterval(timer)
  }
}

/** Forgets operations with their events and logs, old activity, old durations and old sources. Records and resources are elsewhere. */
export async function tidyUp({ db, logs, sources }: { readonly db: Database; readonly logs: string; readonly sources: string }): Promise<void> {
  await forgetOldOperations(db, { logs, days: keptDays, least: keptOperations, most: mostOperations, mostEvents })
  await sql`delete from events where stream = ${activityStream} and seq <= (select last from streams where name = ${activityStream}) - ${keptActivities}`.execute(db)
  await sql`delete from phase_durations where at < now() - ${keptDays} * interval '1 day'`.execute(db)
  const runs = await db.deleteFrom('schedule_runs').where('finished_at', '<', sql<string>`now() - ${keptDays} * interval '1 day'`).returning('id').execute()
  await removeRunLogs(logs, runs.map(({ id }) => id))
  await forgetOldSamples(db)
  await forgetOldNotices(db)
  await forgetOldSources(sources)
}

interface Bounds {
  readonly logs: string
  readonly days: number
  readonly least: number
  readonly most: number
  readonly mostEvents: number
}

/** With their jobs, events and logs. Each goes in one transaction, so that a server that is killed meanwhile leaves no events that belong to nothing; its log goes first. */
export async function forgetOldOperations(db: Database, { logs, days, least, most, mostEvents }: Bounds): Promise<void> {
  for (;;) {
    const { rows: old } = await sql<{ id: string }>`
      with ended as (
        select id, finished_at, row_number() over (order by finished_at desc, id desc) as place, sum(coalesce(streams.last, 0)) over (order by finished_at desc, id desc) as events
        from operations left join streams on streams.name = operations.id where finished_at is not null)
      select id from ended
      where place > ${least} and (place > ${most} or events > ${mostEvents} or finished_at < now() - ${days} * interval '1 day')
      order by finished_at limit ${atOnce}`.execute(db)
    if (old.length === 0) return
    const ids = old.map(({ id }) => id)
    await Promise.all(ids.map((id) => rm(operationLogPath(logs, id), { force: true })))
    await db.transaction().execute(async (tx) => {
      await tx.deleteFrom('operations').where('id', 'in', ids).execute()
      await tx.deleteFrom('events').where('stream', 'in', ids).execute()
      await tx.deleteFrom('streams').where('name', 'in', ids).execute()
    })
  }
}
