import type { RestartPolicy } from './spec.ts'

/**
 * Whether and when a service starts again that ended by itself. The first restart is immediate, since most crashes are
 * single ones and somebody is waiting; further ones in a row wait twice as long each.
 */
export function afterExit(policy: RestartPolicy | undefined, { inARow, ranMs, failed }: { inARow: number; ranMs: number; failed: boolean }): { readonly restart: false } | { readonly restart: true; readonly waitMs: number; readonly inARow: number } {
  const { when = 'always', delayMs = 200, maxDelayMs = 10_000, steadyMs = 10_000, maxInARow = Number.POSITIVE_INFINITY } = policy ?? {}
  const row = ranMs >= steadyMs ? 0 : inARow
  if (when === 'never' || (when === 'on-failure' && !failed) || row >= maxInARow) return { restart: false }
  return { restart: true, waitMs: row === 0 ? 0 : Math.min(delayMs * 2 ** (row - 1), maxDelayMs), inARow: row + 1 }
}
