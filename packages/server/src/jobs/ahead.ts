import { sql, type RawBuilder } from 'kysely'
import { appTitle, type AppIdentity } from '@pilot/core'
import type { Job } from '../contract/operations.ts'
import type { Database, Tx } from '../db/database.ts'

/**
 * What keeps a queued job `j` from running: a job `p` that it comes after and that is not done, or an older one that is not
 * finished and works on the same thing. A job of the platform's own scope works on all apps of it.
 */
export const comesBefore: RawBuilder<boolean> = sql`(j.after ? p.id and p.operation = j.operation and p.state <> 'done')`
export const sharesScope: RawBuilder<boolean> = sql`(
  p.platform = j.platform and p.queue_no < j.queue_no and p.state in ('queued', 'running')
  and (p.scope = j.scope or p.scope = 'platform' or j.scope = 'platform'))`

/** A job for people: "restart of shop/api by ada". */
export function jobTitle({ action, by, project, app, environment }: { readonly action: string; readonly by: string } & { readonly [K in keyof AppIdentity]: string | null }): string {
  const what = project !== null && app !== null && environment !== null ? `${action} of ${appTitle({ project, app, environment })}` : action
  return `${what} by ${by}`
}

/** The same jobs; those that are queued say what they wait for. */
export async function withWhatTheyWaitFor(db: Database | Tx, jobs: readonly Job[]): Promise<Job[]> {
  const queued = jobs.filter(({ state }) => state === 'queued').map(({ id }) => id)
  if (queued.length === 0) return [...jobs]
  const { rows } = await sql<{ job: string; action: string; by: string } & { [K in keyof AppIdentity]: string | null }>`
    select distinct on (j.id) j.id as job, p.action, o.by, p.project, p.app, p.environment
    from jobs j
    join jobs p on ${comesBefore} or ${sharesScope}
    join operations o on o.id = p.operation
    where j.id = any(${queued}) and j.state = 'queued'
    order by j.id, (p.state = 'running') desc, p.queue_no`.execute(db)
  const ahead = new Map(rows.map((row) => [row.job, jobTitle(row)]))
  return jobs.map((job) => (job.state === 'queued' ? { ...job, waitsFor: `waits for ${ahead.get(job.id) ?? 'a runner'}` } : job))
}
