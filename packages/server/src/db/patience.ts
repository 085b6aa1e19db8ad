import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from './away.ts'

/**
 * Does it again as long as the database is away, and for `forMs` at most. For what may happen twice: it may have arrived before the
 * connection broke.
 */
export async function patiently<T>(work: () => Promise<T>, { forMs = 15_000 }: { readonly forMs?: number } = {}): Promise<T> {
  const deadline = performance.now() + forMs
  for (let pauseMs = 25; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    try {
      return await work()
    } catch (error) {
      if (!isDatabaseAway(error) || performance.now() > deadline) throw error
    }
    await sleep(pauseMs)
  }
}
