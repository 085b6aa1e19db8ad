import { sql } from 'kysely'
import { errorBody, livenessOf, PilotError } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { RunnerIdentity } from '../db/schema.ts'
import { finishOperationIfDone } from './operation-state.ts'
import { lockOperation, requeueJob, wakeRunners } from './queue.ts'
import type { Silence } from './silence.ts'

/** A job that killed its runner this often is given up: it would take down the next one too. */
export const maxAttempts = 5

/**
 * Queues jobs again whose runner is gone (those that were to be cancelled end): at once when its process is known to be dead
 * on this machine, else when it has been silent for `silentMs`, as far as `silence` has seen. A runner that only slept finds its attempt outdated; the lease and the fencing token keep what it
 * still does away from the app.
 */
export async function reapJobs(db: Database, { silentMs, silence }: { readonly silentMs: number; readonly silence?: Silence }): Promise<readonly string[]> {
  const running = await db
    .selectFrom('jobs')
    .select(['id', 'operation', 'attempt', 'runner', 'heartbeat_at', sql<boolean>`heartbeat_at < now() - ${silentMs} * interval '1 millisecond'`.as('silent')])
    .where('state', '=', 'running')
    .execute()
  const seen = silence?.look(running.map(({ id, attempt, heartbeat_at }) => ({ id, beat: `${attempt} ${String(heartbeat_at)}` })))
  const orphans = running.filter(({ id, runner, silent }) => (silent && (seen === undefined || (seen.get(id) ?? 0) > silentMs)) || isGone(runner))
  for (const { id, operation, attempt } of orphans) {
    await db.transaction().execute(async (tx) => {
      await lockOperation(tx, operation)
      if (attempt < maxAttempts) await requeueJob(tx, { id, operation, attempt })
      else {
        const error = errorBody(new PilotError('INTERNAL', `The runner of this job died ${attempt} times`, { suggestion: 'See `server logs`; free memory if the machine ran out of it.' }))
        await tx.updateTable('jobs').set({ state: 'failed', error: JSON.stringify(error), finished_at: sql`now()`, runner: null }).where('id', '=', id).where('attempt', '=', attempt).where('state', '=', 'running').execute()
        await finishOperationIfDone(tx, operation)
      }
      await wakeRunners(tx)
    })
  }
  return orphans.map(({ id }) => id)
}

function isGone(runner: RunnerIdentity | null): boolean {
  return runner === null || livenessOf(runner) === 'gone'
}
