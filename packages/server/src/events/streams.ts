import { sql } from 'kysely'
import type { Database, Tx } from '../db/database.ts'
import { channels } from '../db/notifications.ts'

/** The stream of the whole server's activity; every other stream is named after its operation. */
export const activityStream = 'activity'

export interface NewEvent {
  readonly at?: string
  readonly operation?: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface StoredEvent {
  readonly seq: number
  readonly at: string
  readonly operation: string | null
  readonly body: Readonly<Record<string, unknown>>
}

/**
 * Appends to a stream inside a transaction. The stream's row stays locked until the commit, so numbers become visible in
 * their order and a reader that resumes after number n misses nothing. Lock order: operation, its stream, the activity.
 */
export async function appendEvents(tx: Tx, stream: string, events: readonly NewEvent[]): Promise<void> {
  if (events.length === 0) return
  const { last } = await tx
    .insertInto('streams')
    .values({ name: stream, last: events.length })
    .onConflict((on) => on.column('name').doUpdateSet({ last: sql`streams.last + ${events.length}` }))
    .returning('last')
    .executeTakeFirstOrThrow()
  const first = last - events.length + 1
  const now = new Date().toISOString()
  await tx
    .insertInto('events')
    .values(events.map(({ at = now, operation, body }, index) => ({ stream, seq: first + index, at, operation: operation ?? null, body: JSON.stringify(body) })))
    .execute()
  await sql`select pg_notify(${channels.events}, ${stream})`.execute(tx)
}

export function readEvents(db: Database, { stream, after, limit = 500 }: { readonly stream: string; readonly after: number; readonly limit?: number }): Promise<readonly StoredEvent[]> {
  return db.selectFrom('events').select(['seq', 'at', 'operation', 'body']).where('stream', '=', stream).where('seq', '>', after).orderBy('seq').limit(limit).execute()
}

/** The number of the newest event; 0 when there is none. */
export async function lastEvent(db: Database, stream: string): Promise<number> {
  return (await db.selectFrom('streams').select('last').where('name', '=', stream).executeTakeFirst())?.last ?? 0
}
