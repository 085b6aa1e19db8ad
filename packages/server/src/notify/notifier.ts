import { sql } from 'kysely'
import { listPlatforms, toPilotError } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { Notifications } from '../db/notifications.ts'
import type { Log } from '../log.ts'
import type { Platforms } from '../wiring.ts'
import { readChannels, wants, type Channels, type StoredChannel } from './channels.ts'
import { send } from './send.ts'

export interface NotifierOptions {
  readonly db: Database
  readonly notifications: Notifications
  readonly home: { readonly dir: string }
  readonly platforms: Platforms
  readonly log: Log
  /** How often it looks by itself, in case a notification was lost, and for what is to be tried again; default 30 s. */
  readonly lookMs?: number
  /** How long it waits after each attempt that failed; after as many as there are it gives up. Default: up to six hours. */
  readonly backoffMs?: readonly number[]
}

const usualBackoffMs = [10_000, 60_000, 300_000, 1_800_000, 7_200_000, 21_600_000]

/** A channel gets so many messages in this time; what is more becomes one. */
export const mostMessages = 10
const windowMinutes = 10
/** Notices that one look gives to their channels. */
const mostAtOnce = 500

/**
 * Carries notices to the channels of their platforms: first one row per channel, then each row until it was sent or has failed
 * too often. All of it is in the database, so a server that is killed goes on where it was; what was sent and not yet noted is
 * sent again, under the same id. Nobody waits for it.
 */
export function startNotifier({ db, notifications, home, platforms, log, lookMs = 30_000, backoffMs = usualBackoffMs }: NotifierOptions): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const soonMs = backoffMs[0] ?? 0
  let working: Promise<void> | undefined
  let again = false

  const wake = (): void => {
    again = true
    working ??= work().finally(() => (working = undefined))
  }
  const off = notifications.on('notices', wake)
  const timer = setInterval(wake, lookMs).unref()
  wake()

  async function work(): Promise<void> {
    while (again && !stopping.signal.aborted) {
      again = false
      try {
        await look()
      } catch (error) {
        if (!stopping.signal.aborted) log.warn('could not look for notifications', { reason: toPilotError(error).message })
      }
    }
  }

  async function look(): Promise<void> {
    const { rows: wanted } = await sql<{ platform: string }>`select platform from notices where not spread union select platform from deliveries where state = 'waiting' and next_at <= now()`.execute(db)
    const channels = new Map<string, Channels>()
    for (const { platform } of wanted) {
      const found = await channelsOf(platform)
      if (found !== undefined) channels.set(platform, found)
    }
    // Only of these it is known who wants what; the others wait for the next look.
    const known = [...channels.keys()]
    if (known.length === 0) return
    const fresh = await db.selectFrom('notices').select(['id', 'platform', 'body']).where('spread', '=', false).where('platform', 'in', known).orderBy('id').limit(mostAtOnce).execute()
    again ||= fresh.length === mostAtOnce
    for (const { id, platform, body } of fresh) await spread({ id, platform, names: channels.get(platform)!.channels.filter((channel) => wants(channel, body)).map(({ name }) => name) })
    const due = await db.selectFrom('deliveries').select(['platform', 'channel']).distinct().where('state', '=', 'waiting').where('next_at', '<=', sql<string>`now()`).where('platform', 'in', known).execute()
    // What waits for a damaged channel waits until that is made again, or removed.
    const usable = due.filter(({ platform, channel }) => !channels.get(platform)!.damaged.some(({ name }) => name === channel))
    await Promise.all(usable.map(({ platform, channel }) => deliver(platform, { name: channel, channel: channels.get(platform)!.channels.find(({ name }) => name === channel) })))
  }

  /** Of a platform that is gone: none. Undefined: they cannot be read now, so nothing of it is given up. */
  async function channelsOf(platform: string): Promise<Channels | undefined> {
    using _visit = platforms.visit()
    try {
      if (!(await listPlatforms(home.dir)).some(({ name }) => name === platform)) return { channels: [], damaged: [] }
      const found = await readChannels((await platforms.reader(platform)).context.secrets)
      if (found.damaged.length > 0) log.warn('some notification channels cannot be read', { platform, channels: found.damaged.map(({ name }) => name).join(', ') })
      // With none that can be read it is more likely the key that is wrong.
      return found.channels.length === 0 && found.damaged.length > 0 ? undefined : found
    } catch (error) {
      log.warn('could not read the notification channels', { platform, reason: toPilotError(error).message })
      return undefined
    }
  }

  async function spread({ id, platform, names }: { id: number; platform: string; names: readonly string[] }): Promise<void> {
    await db.transaction().execute(async (tx) => {
      if (names.length > 0) await tx.insertInto('deliveries').values(names.map((channel) => ({ notice: id, platform, channel }))).onConflict((on) => on.doNothing()).execute()
      await tx.updateTable('notices').set({ spread: true }).where('id', '=', id).execute()
    })
  }

  async function deliver(platform: string, { name, channel }: { name: string; channel: StoredChannel | undefined }): Promise<void> {
    const ofChannel = sql<boolean>`deliveries.platform = ${platform} and deliveries.channel = ${name}`
    if (channel === undefined) return void (await db.updateTable('deliveries').set({ state: 'failed', error: 'The channel was removed.' }).where(ofChannel).where('state', '=', 'waiting').execute())
    const { sent } = await db.selectFrom('deliveries').select(sql<number>`count(*)`.as('sent')).where(ofChannel).where('state', '=', 'sent').where('sent_at', '>', sql<string>`now() - ${windowMinutes} * interval '1 minute'`).executeTakeFirstOrThrow()
    const rows = await db.selectFrom('deliveries').innerJoin('notices', 'notices.id', 'deliveries.notice').select(['deliveries.id', 'deliveries.attempts', 'notices.at', 'notices.body']).where(ofChannel).where('deliveries.state', '=', 'waiting').where('deliveries.next_at', '<=', sql<string>`now()`).orderBy('deliveries.id').execute()
    const room = mostMessages - sent
    for (const [index, row] of rows.entries()) {
      if (index >= room || stopping.signal.aborted) return
      const merged = index === room - 1 ? rows.slice(room).map(({ id }) => id) : []
      try {
        await send(channel, { id: deliveryId(row), at: row.at, notice: row.body, more: merged.length }, { cwd: home.dir, signal: stopping.signal })
      } catch (error) {
        // The server stops: the next one sends it.
        if (!stopping.signal.aborted) await postpone(row, { ofChannel, reason: (error as Error).message })
        return
      }
      await db.updateTable('deliveries').set({ state: 'sent', sent_at: sql`now()`, attempts: row.attempts + 1, error: null }).where('id', '=', row.id).execute()
      if (merged.length > 0) await db.updateTable('deliveries').set({ state: 'merged' }).where('id', 'in', merged).execute()
    }
  }

  /** Each notice keeps to its own waits. A channel that cannot be reached now is not tried for the next notice at once either; later it is, since it may be this notice alone that it does not take. */
  async function postpone({ id, attempts }: { id: number; attempts: number }, { ofChannel, reason }: { ofChannel: ReturnType<typeof sql<boolean>>; reason: string }): Promise<void> {
    const wait = backoffMs[attempts]
    const after = (ms: number) => sql<string>`now() + ${ms} * interval '1 millisecond'`
    // The others first: killed in between, this one is tried once more.
    await db.updateTable('deliveries').set({ next_at: sql`greatest(next_at, ${after(soonMs)})` }).where(ofChannel).where('state', '=', 'waiting').where('id', '<>', id).execute()
    await db.updateTable('deliveries').set({ state: wait === undefined ? 'failed' : 'waiting', attempts: attempts + 1, error: reason, failed_at: sql`now()`, next_at: after(wait ?? 0) }).where('id', '=', id).execute()
    for (const ms of new Set([soonMs, wait ?? soonMs])) setTimeout(wake, ms + 20).unref()
  }

  return {
    async stop() {
      clearInterval(timer)
      off()
      stopping.abort()
      await working
    },
  }
}

/** The number alone begins at 1 again in a new database, and receivers and mail servers drop what they have seen. */
const deliveryId = ({ id, at }: { readonly id: number; readonly at: string }): string => `${Date.parse(at).toString(36)}-${id}`
