import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { AppIdentity } from '@pilot/core'
import type { OperationAccepted } from '../contract/operations.ts'
import type { Database, Tx } from '../db/database.ts'
import { channels } from '../db/notifications.ts'
import { appendEvents } from '../events/streams.ts'
import { jobTitle, sharesScope } from './ahead.ts'
import { payloadVersion, type PlannedJob } from './plan.ts'
import { readOperation } from './view.ts'

export interface NewOperation {
  readonly action: string
  readonly platform: string
  readonly project?: string
  readonly environment?: string
  readonly by: string
  readonly requestId?: string
  readonly jobs: readonly PlannedJob[]
}

/**
 * Writes an operation with its jobs and wakes the runners, in one transaction. The same `requestId` again returns the
 * operation that is there.
 */
export async function createOperation(db: Database, { jobs, requestId, ...operation }: NewOperation): Promise<OperationAccepted> {
  const id = newId()
  const created = await db.transaction().execute(async (tx) => {
    const inserted = await tx
      .insertInto('operations')
      .values({
        id,
        request_id: requestId ?? null,
        action: operation.action,
        platform: operation.platform,
        project: operation.project ?? null,
        environment: operation.environment ?? null,
        apps: JSON.stringify(jobs.flatMap(({ app }) => (app ? [app.app] : []))),
        by: operation.by,
        state: 'queued',
      })
      .onConflict((on) => on.column('request_id').doNothing())
      .returning('id')
      .executeTakeFirst()
    if (inserted === undefined) return false
    await tx.insertInto('jobs').values(jobs.map((job, index) => jobRow(job, { id, index, operation }))).execute()
    await tellWhatIsAhead(tx, id)
    await sql`select pg_notify(${channels.jobs}, ${id})`.execute(tx)
    return true
  })
  if (created) return { operation: (await readOperation(db, id))!, created }
  const { id: first } = await db.selectFrom('operations').select('id').where('request_id', '=', requestId!).executeTakeFirstOrThrow()
  return { operation: (await readOperation(db, first))!, created }
}

/** Short enough to type, from an alphabet without look-alikes: 50 bits. */
function newId(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
  return [...randomBytes(10)].map((byte) => alphabet[byte % 32]).join('')
}

const jobId = (operation: string, index: number): string => `${operation}-${index + 1}`

function jobRow({ app, scope, payload, after }: PlannedJob, { id, index, operation }: { id: string; index: number; operation: Omit<NewOperation, 'jobs' | 'requestId'> }) {
  return {
    id: jobId(id, index),
    operation: id,
    action: payload.action,
    platform: operation.platform,
    scope,
    project: app?.project ?? null,
    environment: app?.environment ?? null,
    app: app?.app ?? null,
    payload: JSON.stringify(payload),
    payload_version: payloadVersion,
    state: 'queued' as const,
    after: JSON.stringify(after.map((before) => jobId(id, before))),
  }
}

/** A queued operation says for what it waits. */
async function tellWhatIsAhead(tx: Tx, operation: string): Promise<void> {
  const { rows } = await sql<{ action: string; by: string } & { [K in keyof AppIdentity]: string | null }>`
    select distinct on (p.id) p.action, o.by, p.project, p.app, p.environment
    from jobs j
    join jobs p on p.operation <> j.operation and ${sharesScope}
    join operations o on o.id = p.operation
    where j.operation = ${operation}
    limit 3`.execute(tx)
  await appendEvents(
    tx,
    operation,
    rows.map((row) => ({ operation, body: { v: 1, type: 'notice', level: 'info', text: `Waiting for: ${jobTitle(row)}` } })),
  )
}
