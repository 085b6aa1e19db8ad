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
 * Appends to a stream, in one statement. The stream's row stays locked until the commit, so numbers become visible in their
 * order and a reader that resumes after number n misses nothing. Lock order: operation, its stream, the activity.
 * `by`: only while this attempt has its job; nothing is written for one that lost it.
 */
export async function appendEvents(db: Database | Tx, stream: string, events: readonly NewEvent[], { by }: { readonly by?: { readonly job: string; readonly attempt: number } } = {}): Promise<void> {
  if (events.length === 0) return
  const now = new Date().toISOString()
  const writer = by === undefined ? sql`select 1` : sql`select 1 from jobs where id = ${by.job} and attempt = ${by.attempt} and state = 'running' for share`
  await sql`
    with writer as (${writer}),
    numbered as (
      insert into streams (name, last) select ${stream}, ${events.length}::bigint from writer
      on conflict (name) do update set last = streams.last + excluded.last
      returning last),
    added as (
      insert into events (stream, seq, at, operation, body)
      select ${stream}, numbered.last - ${events.length} + new.n, new.at, new.operation, new.body::json
      from numbered, unnest(${events.map(({ at = now }) => at)}::timestamptz[], ${events.map(({ operation }) => operation ?? null)}::text[], ${events.map(({ body }) => JSON.stringify(body))}::text[]) with ordinality as new (at, operation, body, n))
    select pg_notify(${channels.events}, ${stream}) from numbered`.execute(db)
}

export function readEvents(db: Database, { stream, after, limit = 500 }: { readonly stream: string; readonly after: number; readonly limit?: number }): Promise<readonly StoredEvent[]> {
  return db.selectFrom('events').select(['seq', 'at', 'operation', 'body']).where('stream', '=', stream).where('seq', '>', after).orderBy('seq').limit(limit).execute()
}

/** The number of the newest event; 0 when there is none. */
export async function lastEvent(db: Database, stream: string): Promise<number> {
  return (await db.selectFrom('streams').select('last').where('name', '=', stream).executeTakeFirst())?.last ?? 0
}
