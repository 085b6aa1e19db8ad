import { sql } from 'kysely'
import { errorBody, PilotError } from '@pilot/core'
import type { Operation } from '../contract/operations.ts'
import type { Database } from '../db/database.ts'
import { channels } from '../db/notifications.ts'
import { finishOperationIfDone } from './operation-state.ts'
import { lockOperation, wakeRunners } from './queue.ts'
import { readOperation } from './view.ts'

/**
 * Jobs that wait are cancelled at once; of those that run, no further step starts. A cancelled operation may thus still be
 * `running` for a moment. Cancelling what has ended changes nothing.
 */
export async function cancelOperation(db: Database, id: string, by: string): Promise<Operation> {
  const found = await db.transaction().execute(async (tx) => {
    await lockOperation(tx, id)
    if ((await readOperation(tx, id)) === undefined) return false
    const error = errorBody(new PilotError('CANCELLED', `Cancelled by ${by} before it started`))
    await tx.updateTable('jobs').set({ state: 'cancelled', cancel_requested_by: by, error: JSON.stringify(error), finished_at: sql`now()` }).where('operation', '=', id).where('state', '=', 'queued').execute()
    await tx.updateTable('jobs').set({ cancel_requested_by: by }).where('operation', '=', id).where('state', '=', 'running').where('cancel_requested_by', 'is', null).execute()
    await finishOperationIfDone(tx, id)
    await sql`select pg_notify(${channels.cancel}, ${id})`.execute(tx)
    await wakeRunners(tx)
    return true
  })
  if (!found) throw new PilotError('NOT_FOUND', `There is no operation ${id}`)
  return (await readOperation(db, id))!
}
