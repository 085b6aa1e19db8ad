import { isPilotError, type PilotError } from '../errors/pilot-error.ts'
import type { ErrorCode } from '../errors/catalogue.ts'
import type { Clock } from '../store/clock.ts'

/** How long the engine goes on asking; every wait grows by half up to its cap and varies by a fifth. */
export interface RetryPolicy {
  /** THROTTLED: attempts in all. */
  readonly throttledAttempts: number
  /** BLOCKED, of a delete: milliseconds in all. */
  readonly blockedMs: number
  /** An error that says nothing about the provider (a closed connection), where repeating is safe: attempts in all. */
  readonly transientAttempts: number
  readonly firstPauseMs: number
  readonly longestPauseMs: number
}

export const defaultRetryPolicy: RetryPolicy = { throttledAttempts: 10, blockedMs: 60_000, transientAttempts: 3, firstPauseMs: 200, longestPauseMs: 10_000 }

/** The provider said no, so nothing happened. Whatever else a call throws leaves open whether it happened. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ACCESS_DENIED', 'NAME_TAKEN', 'BLOCKED', 'THROTTLED'])

export const isRefusal = (error: unknown): boolean => isPilotError(error) && refusals.has(error.code)

/** Not a verdict of the provider or of the handler: a broken connection, a bug. */
const isTransient = (error: unknown): boolean => !isPilotError(error) || error.code === 'INTERNAL'

/** After these nothing more may be written or sent. */
export const isFatal = (error: unknown): error is PilotError => isPilotError(error) && error.code === 'LEASE_LOST'

export function pauses({ firstPauseMs, longestPauseMs }: Pick<RetryPolicy, 'firstPauseMs' | 'longestPauseMs'>): () => number {
  let next = firstPauseMs
  return () => {
    const pause = Math.min(next, longestPauseMs)
    next = pause * 1.5
    return pause * (0.9 + Math.random() * 0.2)
  }
}

/** Repeats while THROTTLED, and while `isTransient` when the call `isRepeatable`. Throws the last error. */
export async function withRetries<T>(run: () => Promise<T>, { policy, clock, signal, isRepeatable }: { policy: RetryPolicy; clock: Clock; signal: AbortSignal; isRepeatable: boolean }): Promise<T> {
  const pause = pauses(policy)
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      const limit = isPilotError(error) && error.code === 'THROTTLED' ? policy.throttledAttempts : isRepeatable && isTransient(error) ? policy.transientAttempts : 1
      if (attempt >= limit || signal.aborted) throw error
      await clock.sleep(pause(), { signal }).catch(() => {
        throw error
      })
    }
  }
}
