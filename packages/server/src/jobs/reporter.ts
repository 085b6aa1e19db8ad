import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { redactValue, type EventBody, type Redactor } from '@pilot/core'
import type { Database } from '../db/database.ts'
import { appendEvents, type NewEvent } from '../events/streams.ts'
import type { JobRow } from './view.ts'

/** Between two writes: what happens in the meantime goes together, since each write costs a transaction. */
const pauseMs = 20

/** Takes events from the lifecycle, which does not wait, and writes them in their order, several at a time. */
export interface Reporter {
  emit(event: EventBody): void
  /** Resolves when all that was emitted is written (or can no longer be: the attempt is outdated). */
  flush(): Promise<void>
}

export function openReporter({ db, job, redactor }: { readonly db: Database; readonly job: Pick<JobRow, 'id' | 'operation' | 'attempt'>; readonly redactor: Pick<Redactor, 'redact'> }): Reporter {
  let waiting: NewEvent[] = []
  let writing: Promise<void> | undefined
  let hurry = Promise.withResolvers<void>()

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      // The database may be away for a moment: the job goes on, its events of that moment are lost.
      await append(batch).catch(() => {})
      await Promise.race([setTimeout(pauseMs), hurry.promise])
    }
    writing = undefined
  }

  async function append(batch: readonly NewEvent[]): Promise<void> {
    await db.transaction().execute(async (tx) => {
      const owner = await sql`select 1 from jobs where id = ${job.id} and attempt = ${job.attempt} and state = 'running' for share`.execute(tx)
      if (owner.rows.length > 0) await appendEvents(tx, job.operation, batch)
    })
  }

  return {
    emit(event) {
      // Readers go by the type: a secret may be a word of ours.
      const body = { v: 1, ...redactValue(event, redactor), type: event.type }
      waiting.push({ at: new Date().toISOString(), operation: job.operation, body })
      writing ??= write()
    },
    async flush() {
      hurry.resolve()
      while (writing !== undefined) await writing
      hurry = Promise.withResolvers()
    },
  }
}
