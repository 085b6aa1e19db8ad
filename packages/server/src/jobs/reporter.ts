import { setTimeout } from 'node:timers/promises'
import { redactValue, type EventBody, type Redactor } from '@pilot/core'
import type { Database } from '../db/database.ts'
import { patiently } from '../db/patience.ts'
import { appendEvents, type NewEvent } from '../events/streams.ts'
import type { JobRow } from './view.ts'

/** Between two writes: what happens in the meantime goes together. Nobody sees a step 30 ms later. */
const pauseMs = 30

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
      // The database may be away for a moment: the job goes on, and what happens waits. Away for long, it costs the events.
      await patiently(() => appendEvents(db, job.operation, batch, { by: { job: job.id, attempt: job.attempt } })).catch(() => {})
      await Promise.race([setTimeout(pauseMs), hurry.promise])
    }
    writing = undefined
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
