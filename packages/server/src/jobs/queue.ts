import { sql } from 'kysely'
import { errorBody, PilotError, type ErrorBody } from '@pilot/core'
import type { Database, Tx } from '../db/database.ts'
import { channels } from '../db/notifications.ts'
import type { RunnerIdentity } from '../db/schema.ts'
import { comesBefore, sharesScope } from './ahead.ts'
import { finishOperationIfDone, startOperation } from './operation-state.ts'
import { payloadVersion } from './plan.ts'
import type { JobRow } from './view.ts'

/**
 * The queue: rows that runners take with SKIP LOCKED, and a notification that wakes them. Delivery is at least once:
 * a job whose runner fell silent is queued again, and the next claim raises `attempt`, with which everything that a runner
 * writes is compared.
 */
export type ClaimedJob = JobRow

/** Takes the oldest job that may run, with nothing ahead of it. Undefined when there is none. */
export async function claimJob(db: Database, runner: RunnerIdentity): Promise<ClaimedJob | undefined> {
  return db.transaction().execute(async (tx) => {
    const { rows } = await sql<JobRow>`
      update jobs set state = 'running', attempt = attempt + 1, runner = ${JSON.stringify(runner)}, heartbeat_at = now(), started_at = coalesce(started_at, now())
      where id = (
        select j.id from jobs j
        where j.state = 'queued' and j.payload_version <= ${payloadVersion}
          and not exists (select 1 from jobs p where ${comesBefore})
          and not exists (select 1 from jobs p where ${sharesScope})
        order by j.queue_no
        for update of j skip locked
        limit 1)
      returning *`.execute(tx)
    const job = rows[0]
    if (job !== undefined) await startOperation(tx, job.operation)
    return job
  })
}

/** Says that the runner lives. `lost`: another attempt has the job, nothing that this one writes counts any more. */
export async function beat(db: Database, { id, attempt }: Pick<JobRow, 'id' | 'attempt'>): Promise<{ readonly lost: boolean; readonly cancelledBy?: string }> {
  const row = await db
    .updateTable('jobs')
    .set({ heartbeat_at: sql`now()` })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('state', '=', 'running')
    .returning('cancel_requested_by')
    .executeTakeFirst()
  if (row === undefined) return { lost: true }
  return { lost: false, ...(row.cancel_requested_by === null ? {} : { cancelledBy: row.cancel_requested_by }) }
}

export type JobOutcome =
  | { readonly state: 'done'; readonly result: Record<string, unknown> }
  | { readonly state: 'failed' | 'cancelled'; readonly error: ErrorBody }

/** Commits how a job ended, if the attempt still owns it; false when it does not. */
export async function finishJob(db: Database, { id, operation, attempt }: Pick<JobRow, 'id' | 'operation' | 'attempt'>, outcome: JobOutcome): Promise<boolean> {
  return db.transaction().execute(async (tx) => {
    await lockOperation(tx, operation)
    const finished = await tx
      .updateTable('jobs')
      .set({ ...endOf(outcome), finished_at: sql`now()`, runner: null })
      .where('id', '=', id)
      .where('attempt', '=', attempt)
      .where('state', '=', 'running')
      .returning('id')
      .executeTakeFirst()
    if (finished === undefined) return false
    await finishOperationIfDone(tx, operation)
    await wakeRunners(tx)
    return true
  })
}

/** Gives a job back, for a runner that stops: the next one resumes it. */
export async function returnJob(db: Database, job: Pick<JobRow, 'id' | 'operation' | 'attempt'>): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await lockOperation(tx, job.operation)
    await requeueJob(tx, job)
    await wakeRunners(tx)
  })
}

/**
 * Queues a job again that its runner no longer works on. Was it to be cancelled and the runner had not come to that, it ends
 * here, so that no job in the queue has a cancel waiting. The caller holds the operation's lock.
 */
export async function requeueJob(tx: Tx, { id, operation, attempt }: Pick<JobRow, 'id' | 'operation' | 'attempt'>): Promise<void> {
  const job = await tx.selectFrom('jobs').select('cancel_requested_by').where('id', '=', id).where('attempt', '=', attempt).where('state', '=', 'running').executeTakeFirst()
  if (job === undefined) return
  if (job.cancel_requested_by === null) {
    await tx.updateTable('jobs').set({ state: 'queued', runner: null }).where('id', '=', id).execute()
    return
  }
  const error = errorBody(new PilotError('CANCELLED', `Cancelled by ${job.cancel_requested_by}`))
  await tx.updateTable('jobs').set({ state: 'cancelled', error: JSON.stringify(error), finished_at: sql`now()`, runner: null }).where('id', '=', id).execute()
  await finishOperationIfDone(tx, operation)
}

/** Whether any work is waiting or running: decides how often a runner looks by itself. */
export async function countJobs(db: Database): Promise<{ readonly running: number; readonly queued: number }> {
  const { rows } = await sql<{ state: string; count: number }>`select state, count(*) as count from jobs where state in ('queued', 'running') group by state`.execute(db)
  const of = (state: string) => rows.find((row) => row.state === state)?.count ?? 0
  return { running: of('running'), queued: of('queued') }
}

/** Everything that changes the state of an operation takes this lock first. */
export async function lockOperation(tx: Tx, operation: string): Promise<void> {
  await tx.selectFrom('operations').select('id').where('id', '=', operation).forUpdate().execute()
}

export const wakeRunners = (tx: Tx): Promise<unknown> => sql`select pg_notify(${channels.jobs}, '')`.execute(tx)

const endOf = (outcome: JobOutcome) => (outcome.state === 'done' ? { state: outcome.state, result: JSON.stringify(outcome.result) } : { state: outcome.state, error: JSON.stringify(outcome.error) })
