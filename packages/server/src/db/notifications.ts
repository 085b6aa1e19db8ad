import pg from 'pg'
import type { DatabaseAddress } from './database.ts'

/**
 * What processes tell each other through PostgreSQL: only that there is something to look at, never the thing itself. Sent
 * inside the transaction that wrote it, so it arrives after the commit or not at all. A notification may be lost (the
 * connection broke): every listener also looks by itself from time to time.
 */
export const channels = { jobs: 'pilot_jobs', cancel: 'pilot_cancel', events: 'pilot_events', notices: 'pilot_notices' } as const
export type Channel = keyof typeof channels

export interface Notifications {
  /** Calls `listener` with the payload; also with undefined after a reconnect, when anything may have been missed. */
  on(channel: Channel, listener: (payload: string | undefined) => void): () => void
  close(): Promise<void>
}

export async function openNotifications(address: DatabaseAddress): Promise<Notifications> {
  const listeners: Record<Channel, Set<(payload: string | undefined) => void>> = { jobs: new Set(), cancel: new Set(), events: new Set(), notices: new Set() }
  let client: pg.Client | undefined
  let closed = false
  let retry: NodeJS.Timeout | undefined

  async function connect(): Promise<void> {
    const next = new pg.Client({ ...address, application_name: 'pilot-listen', keepAlive: true })
    next.on('notification', ({ channel, payload }) => {
      for (const [name, value] of Object.entries(channels) as [Channel, string][]) if (value === channel) for (const listener of [...listeners[name]]) listener(payload)
    })
    next.on('error', () => {})
    next.on('end', () => {
      if (!closed) reconnectLater()
    })
    await next.connect()
    for (const channel of Object.values(channels)) await next.query(`listen ${channel}`)
    client = next
  }

  function reconnectLater(): void {
    client = undefined
    clearTimeout(retry)
    retry = setTimeout(() => {
      if (closed) return
      connect().then(
        () => Object.values(listeners).forEach((set) => [...set].forEach((listener) => listener(undefined))),
        reconnectLater,
      )
    }, 500)
    retry.unref()
  }

  await connect()
  return {
    on(channel, listener) {
      listeners[channel].add(listener)
      return () => listeners[channel].delete(listener)
    },
    async close() {
      closed = true
      clearTimeout(retry)
      await client?.end().catch(() => {})
    },
  }
}
