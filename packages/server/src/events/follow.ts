import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../db/database.ts'
import type { Notifications } from '../db/notifications.ts'
import { sharedReads } from './shared-reads.ts'
import type { StoredEvent } from './streams.ts'

/** Looks by itself this often, in case a notification was lost; also the pace of the keep-alive comments. */
const lookAgainMs = 15_000

/**
 * Events of a stream from `after` on, as they come; `undefined` when nothing came for a while. Ends when the signal fires.
 */
export async function* followEvents({ db, notifications, stream, after, signal }: { db: Database; notifications: Notifications; stream: string; after: number; signal: AbortSignal }): AsyncGenerator<StoredEvent | undefined> {
  const read = sharedReads(db, notifications)
  let last = after
  let pending = true
  let wake = () => {}
  const off = notifications.on('events', (payload) => {
    if (payload !== undefined && payload !== stream) return
    pending = true
    wake()
  })
  try {
    while (!signal.aborted) {
      pending = false
      const events = await read(stream, last)
      for (const event of events) {
        last = event.seq
        yield event
      }
      if (events.length > 0 || pending) continue
      const quiet = new AbortController()
      wake = () => quiet.abort()
      if (pending) continue
      const timedOut = await sleep(lookAgainMs, true, { signal: AbortSignal.any([signal, quiet.signal]), ref: false }).catch(() => false)
      if (timedOut) yield undefined
    }
  } finally {
    off()
  }
}
