import { sql } from 'kysely'
import type { AppIdentity, Phase } from '@pilot/core'
import type { Database } from '../db/database.ts'

/** A figure is given only from at least this many runs. */
const leastRuns = 3
/** Older runs say little about today's app. */
const newestRuns = 20

export async function recordDuration(db: Database, { project, environment, app }: AppIdentity, phase: Phase, ms: number): Promise<void> {
  await db.insertInto('phase_durations').values({ project, environment, app, phase, ms: Math.round(ms) }).execute()
}

/** The median duration of each phase of an app that has run often enough, milliseconds. */
export async function usualDurations(db: Database, { project, environment, app }: AppIdentity): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ phase: string; median: number }>`
    select phase, percentile_cont(0.5) within group (order by ms) as median
    from (
      select phase, ms, row_number() over (partition by phase order by id desc) as n
      from phase_durations where project = ${project} and environment = ${environment} and app = ${app}
    ) runs
    where n <= ${newestRuns}
    group by phase
    having count(*) >= ${leastRuns}`.execute(db)
  return new Map(rows.map(({ phase, median }) => [phase, Math.round(median)]))
}
