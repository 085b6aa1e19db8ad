import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { DatabaseAddress } from './database.ts'
import { databaseUnreachable } from './trouble.ts'

/**
 * A database that is frozen (its processes stopped, its disk gone) takes connections and never answers. Work may take its time; only when it
 * does, a connection of its own is asked whether anybody is there.
 */
export interface DatabaseWatch {
  /** What the work gives; throws DATABASE_UNREACHABLE as soon as it is known that it waits for nobody. */
  during<T>(work: Promise<T>): Promise<T>
}

export interface DatabaseWatchOptions {
  /** After so long somebody looks, and again and again; default 3 s. */
  readonly lookAfterMs?: number
  /** Within this it has to answer; default 8 s. */
  readonly answerMs?: number
}

export function watchDatabase(address: DatabaseAddress, { lookAfterMs = 3_000, answerMs = 8_000 }: DatabaseWatchOptions = {}): DatabaseWatch {
  let looking: Promise<void> | undefined
  const look = (): Promise<void> => (looking ??= ask(address, answerMs).finally(() => (looking = undefined)))

  return {
    async during(work) {
      const ended = work.then(
        () => true,
        () => true,
      )
      for (;;) {
        const pause = new AbortController()
        const isEnded = await Promise.race([ended, sleep(lookAfterMs, false, { signal: pause.signal }).catch(() => false)])
        pause.abort()
        if (isEnded) return await work
        // What ends while it is asked has ended.
        if (await Promise.race([ended, look().then(() => false)])) return await work
      }
    },
  }
}

/** Logging in is an answer: a session begins. */
async function ask(address: DatabaseAddress, answerMs: number): Promise<void> {
  const client = new pg.Client({ ...address, application_name: 'pilot-watch', connectionTimeoutMillis: answerMs })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    const { message } = error as Error
    throw databaseUnreachable(message === 'timeout expired' ? `It did not answer within ${answerMs / 1000} s` : message, error)
  } finally {
    // Not awaited: whoever does not answer says no goodbye either.
    client.end().catch(() => {})
  }
}
