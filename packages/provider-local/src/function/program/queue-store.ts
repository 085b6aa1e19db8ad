import { createHash, randomBytes, randomUUID } from 'node:crypto'

/**
 * The messages of one queue, in a SQLite file that is flushed with each change: what was accepted survives a loss of power. Times
 * (`now`, `until`) are milliseconds since 1970; what waits for no time has none, so that a clock that is set back keeps nothing waiting.
 */
export interface QueueStore {
  send(messages: readonly NewMessage[], now: number): readonly string[]
  /** Takes messages for a while: when they are neither done nor failed until then, others get them. */
  receive(options: { readonly max: number; readonly visibleInMs: number; readonly retries: number; readonly now: number }): readonly Message[]
  /** Whoever took them has them for so long from now. */
  renew(taken: readonly Taken[], until: number): void
  done(taken: readonly Taken[]): void
  /** Back for another try after a pause that grows, or, after the last one, to the dead. */
  failed(taken: readonly (Taken & { readonly error: string })[], options: { readonly retries: number; readonly now: number }): void
  /** Back at once, as if nobody had taken them. */
  release(taken: readonly Taken[]): void
  counts(now: number): { readonly waiting: number; readonly inFlight: number; readonly dead: number }
  dead(limit: number): readonly DeadMessage[]
  /** The dead wait again, from their first try. Returns how many. */
  retry(): number
  /** Deletes the dead, or all that nobody works on. Returns how many. */
  purge(which: 'dead' | 'all', now: number): number
  /** When the next message becomes visible; undefined: none is to. */
  nextAt(): number | undefined
  consumers(): readonly string[]
  setConsumers(deployments: readonly string[]): void
  /** The clock was set back by so much: what waits for a time waits as long as it would have. */
  setBack(ms: number): void
}

export interface NewMessage {
  readonly body: string
  /** As SQS has them: by name, with DataType and StringValue. */
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly delayMs?: number
}

export interface Taken {
  readonly id: string
  readonly receipt: string
}

export interface Message extends Taken {
  readonly body: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly sentAt: number
  readonly firstReceivedAt: number
  /** How often it was taken, this time included. */
  readonly receives: number
}

export interface DeadMessage {
  readonly id: string
  readonly body: string
  readonly error: string
  readonly receives: number
  readonly sentAt: number
  readonly deadAt: number
}

const firstPauseMs = 1_000
const longestPauseMs = 5 * 60_000

export function openQueueStore(file: string): QueueStore {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
  db.exec(`CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL, attributes TEXT NOT NULL, sent_at INTEGER NOT NULL, visible_at INTEGER NOT NULL,
    receives INTEGER NOT NULL DEFAULT 0, receipt TEXT, first_received_at INTEGER, dead_at INTEGER, error TEXT
  );
  CREATE INDEX IF NOT EXISTS messages_next ON messages (visible_at, seq) WHERE dead_at IS NULL;
  CREATE TABLE IF NOT EXISTS consumers (deployment TEXT PRIMARY KEY)`)
  const insert = db.prepare('INSERT INTO messages (id, body, attributes, sent_at, visible_at) VALUES (?, ?, ?, ?, ?)')
  const due = db.prepare('SELECT * FROM messages WHERE dead_at IS NULL AND visible_at <= ? ORDER BY seq LIMIT ?')
  const take = db.prepare('UPDATE messages SET receipt = ?, visible_at = ?, receives = receives + 1, first_received_at = coalesce(first_received_at, ?) WHERE id = ?')
  const renew = db.prepare('UPDATE messages SET visible_at = ? WHERE id = ? AND receipt = ?')
  const remove = db.prepare('DELETE FROM messages WHERE id = ? AND receipt = ?')
  const find = db.prepare('SELECT receives FROM messages WHERE id = ? AND receipt = ?')
  const giveBack = db.prepare('UPDATE messages SET receipt = NULL, visible_at = ?, error = ? WHERE id = ?')
  const release = db.prepare('UPDATE messages SET receipt = NULL, visible_at = 0, receives = receives - 1 WHERE id = ? AND receipt = ?')
  const bury = db.prepare('UPDATE messages SET receipt = NULL, dead_at = ?, error = ? WHERE id = ?')

  const atOnce = <T>(work: () => T): T => {
    db.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      db.exec('ROLLBACK')
      throw error
    }
  }
  const one = (sql: string, ...values: number[]): number => Number(Object.values(db.prepare(sql).get(...values) ?? { none: 0 })[0])

  return {
    send: (messages, now) =>
      atOnce(() =>
        messages.map(({ body, attributes = {}, delayMs = 0 }) => {
          const id = randomUUID()
          insert.run(id, body, JSON.stringify(attributes), now, delayMs > 0 ? now + delayMs : 0)
          return id
        }),
      ),
    receive: ({ max, visibleInMs, retries, now }) =>
      atOnce(() => {
        const taken: Message[] = []
        for (const row of due.all(now, max * 2)) {
          if (taken.length === max) break
          const { id, body, attributes, sent_at, receives, first_received_at, error } = row as { id: string; body: string; attributes: string; sent_at: number; receives: number; first_received_at: number | null; error: string | null }
          if (receives > retries) {
            bury.run(now, error ?? 'Whoever had taken it ended, each time, before it was done', id)
            continue
          }
          const receipt = randomBytes(16).toString('hex')
          take.run(receipt, now + visibleInMs, now, id)
          taken.push({ id, receipt, body, attributes: JSON.parse(attributes) as Record<string, unknown>, sentAt: sent_at, firstReceivedAt: first_received_at ?? now, receives: receives + 1 })
        }
        return taken
      }),
    renew: (taken, until) => atOnce(() => taken.forEach(({ id, receipt }) => renew.run(until, id, receipt))),
    done: (taken) => atOnce(() => taken.forEach(({ id, receipt }) => remove.run(id, receipt))),
    failed: (taken, { retries, now }) =>
      atOnce(() => {
        for (const { id, receipt, error } of taken) {
          const row = find.get(id, receipt) as { receives: number } | undefined
          if (row === undefined) continue
          if (row.receives > retries) bury.run(now, error, id)
          else giveBack.run(now + Math.min(longestPauseMs, firstPauseMs * 2 ** (row.receives - 1)), error, id)
        }
      }),
    release: (taken) => atOnce(() => taken.forEach(({ id, receipt }) => release.run(id, receipt))),
    counts: (now) => ({
      waiting: one('SELECT count(*) FROM messages WHERE dead_at IS NULL AND (receipt IS NULL OR visible_at <= ?)', now),
      inFlight: one('SELECT count(*) FROM messages WHERE dead_at IS NULL AND receipt IS NOT NULL AND visible_at > ?', now),
      dead: one('SELECT count(*) FROM messages WHERE dead_at IS NOT NULL'),
    }),
    dead: (limit) => db.prepare('SELECT id, body, error, receives, sent_at AS sentAt, dead_at AS deadAt FROM messages WHERE dead_at IS NOT NULL ORDER BY dead_at DESC, seq LIMIT ?').all(limit) as unknown as readonly DeadMessage[],
    retry: () => Number(db.prepare('UPDATE messages SET dead_at = NULL, error = NULL, receives = 0, receipt = NULL, visible_at = 0 WHERE dead_at IS NOT NULL').run().changes),
    purge: (which, now) => Number((which === 'dead' ? db.prepare('DELETE FROM messages WHERE dead_at IS NOT NULL').run() : db.prepare('DELETE FROM messages WHERE dead_at IS NOT NULL OR receipt IS NULL OR visible_at <= ?').run(now)).changes),
    nextAt: () => (db.prepare('SELECT min(visible_at) AS at FROM messages WHERE dead_at IS NULL').get() as { at: number | null }).at ?? undefined,
    consumers: () => db.prepare('SELECT deployment FROM consumers').all().map((row) => String(row['deployment'])),
    setBack: (ms) => void db.prepare('UPDATE messages SET visible_at = max(0, visible_at - ?) WHERE dead_at IS NULL AND visible_at > 0').run(ms),
    setConsumers: (deployments) =>
      atOnce(() => {
        db.exec('DELETE FROM consumers')
        for (const deployment of deployments) db.prepare('INSERT INTO consumers VALUES (?)').run(deployment)
      }),
  }
}

export const md5 = (text: string): string => createHash('md5').update(text).digest('hex')
