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

/** What has ended stays this long, and the newest ones stay however old they are. */
const keptDays = 90
const keptOperations = 500
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
  const { rows: old } = await sql<{ id: string }>`
    delete from operations where id in (
      select id from operations where finished_at < now() - ${keptDays} * interval '1 day' order by finished_at desc offset ${keptOperations})
    returning id`.execute(db)
  for (const { id } of old) {
    await db.deleteFrom('events').where('stream', '=', id).execute()
    await db.deleteFrom('streams').where('name', '=', id).execute()
    await rm(operationLogPath(logs, id), { force: true })
  }
  await sql`delete from events where stream = ${activityStream} and seq <= (select last from streams where name = ${activityStream}) - ${keptActivities}`.execute(db)
  await sql`delete from phase_durations where at < now() - ${keptDays} * interval '1 day'`.execute(db)
  const runs = await db.deleteFrom('schedule_runs').where('finished_at', '<', sql<string>`now() - ${keptDays} * interval '1 day'`).returning('id').execute()
  await removeRunLogs(logs, runs.map(({ id }) => id))
  await forgetOldSamples(db)
  await forgetOldNotices(db)
  await forgetOldSources(sources)
}
