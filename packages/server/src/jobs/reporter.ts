import { sql } from 'kysely'
import type { EventBody } from '@pilot/core'
import type { Database } from '../db/database.ts'
import { appendEvents, type NewEvent } from '../events/streams.ts'
import type { JobRow } from './view.ts'

/** Takes events from the lifecycle, which does not wait, and writes them in their order, several at a time. */
export interface Reporter {
  emit(event: EventBody): void
  /** Resolves when all that was emitted is written (or can no longer be: the attempt is outdated). */
  flush(): Promise<void>
}

export function openReporter({ db, job, redact }: { readonly db: Database; readonly job: Pick<JobRow, 'id' | 'operation' | 'attempt'>; readonly redact: (text: string) => string }): Reporter {
  let waiting: NewEvent[] = []
  let writing: Promise<void> | undefined

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      await db.transaction().execute(async (tx) => {
        const owner = await sql`select 1 from jobs where id = ${job.id} and attempt = ${job.attempt} and state = 'running' for share`.execute(tx)
        if (owner.rows.length > 0) await appendEvents(tx, job.operation, batch)
      })
    }
  }

  return {
    emit(event) {
      const body = JSON.parse(redact(JSON.stringify({ v: 1, ...event }))) as Record<string, unknown>
      waiting.push({ at: new Date().toISOString(), operation: job.operation, body })
      // The database may be away for a moment: the job goes on, its events of that moment are lost.
      writing ??= write().catch(() => {}).finally(() => (writing = undefined))
    },
    async flush() {
      while (writing !== undefined) await writing
    },
  }
}
