import { sql } from 'kysely'
import type { DeploymentRecord } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { RunRow } from './runs.ts'
import { keyOf, type ScheduleType } from './schedule.ts'

export interface LiveOn {
  readonly platform: string
  readonly deployment: DeploymentRecord
}

/** Of the schedules of what is live: the newest runs that came to an end, where that was a failure. */
export async function failingRuns({ db, types }: { readonly db: Database; readonly types: readonly ScheduleType[] }, live: readonly LiveOn[]): Promise<readonly RunRow[]> {
  const keys = new Set(live.flatMap(({ platform, deployment }) => types.flatMap(({ type, schedulesOf }) => schedulesOf(deployment).map(({ name }) => keyOf({ platform, app: deployment.app, type, name })))))
  if (keys.size === 0) return []
  const { rows } = await sql<RunRow>`
    select * from (
      select distinct on (platform, project, environment, app, type, name) * from schedule_runs where state in ('done', 'failed', 'interrupted')
      order by platform, project, environment, app, type, name, started_at desc
    ) newest where state <> 'done'`.execute(db)
  return rows.filter(({ platform, project, environment, app, type, name }) => keys.has(keyOf({ platform, app: { project, environment, app }, type, name })))
}
