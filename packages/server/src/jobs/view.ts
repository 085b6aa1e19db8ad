import type { Selectable } from 'kysely'
import type { Job, Operation } from '../contract/operations.ts'
import type { Database, Tx } from '../db/database.ts'
import type { JobTable, OperationTable } from '../db/schema.ts'
import { withWhatTheyWaitFor } from './ahead.ts'

/** Rows of the tables as the API shows them. */
export type OperationRow = Selectable<OperationTable>
export type JobRow = Selectable<JobTable>

export async function readOperation(db: Database | Tx, id: string): Promise<Operation | undefined> {
  const row = await db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) return undefined
  const jobs = await db.selectFrom('jobs').selectAll().where('operation', '=', id).orderBy('queue_no').execute()
  return operationView(row, await withWhatTheyWaitFor(db, jobs.map((job) => jobView(job, row.by))))
}

/** Without its jobs: whether it is there, and whether it has ended. */
export async function readState(db: Database | Tx, id: string): Promise<Operation['state'] | undefined> {
  return (await db.selectFrom('operations').select('state').where('id', '=', id).executeTakeFirst())?.state
}

function operationView(row: OperationRow, jobs: readonly Job[]): Operation {
  return {
    id: row.id,
    action: row.action,
    platform: row.platform,
    ...present({ project: row.project, environment: row.environment }),
    apps: [...row.apps],
    state: row.state,
    by: row.by,
    createdAt: row.created_at,
    ...present({ startedAt: row.started_at, finishedAt: row.finished_at, url: row.url, error: row.error }),
    jobs: [...jobs],
  }
}

export function jobView(row: JobRow, by: string): Job {
  return {
    id: row.id,
    operation: row.operation,
    action: row.action,
    scope: row.scope,
    platform: row.platform,
    ...(row.project !== null && row.app !== null && row.environment !== null ? { app: { project: row.project, app: row.app, environment: row.environment } } : {}),
    state: row.state,
    attempt: row.attempt,
    after: [...row.after],
    by,
    createdAt: row.created_at,
    ...present({ startedAt: row.started_at, finishedAt: row.finished_at, result: row.result, error: row.error }),
    cancelRequested: row.cancel_requested_by !== null,
  }
}

function present<T extends Record<string, unknown>>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined)) as never
}
