import { setTimeout as sleep } from 'node:timers/promises'

const codes: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOENT', '57P01', '57P02', '57P03', '08000', '08001', '08003', '08006'])

/** Whether PostgreSQL was not there, or went in the middle: killed, it is back within a second or two. */
export function isDatabaseAway(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  return codes.has(code) || (typeof message === 'string' && /^Connection terminated|^Client has encountered a connection error/.test(message))
}

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
