import { setTimeout as sleep } from 'node:timers/promises'
import type { SchedulerClock } from '../schedule/clock.ts'

export interface FakeClock extends SchedulerClock {
  /** What sleeps until then wakes. */
  set(time: string): void
  /** Resolves when somebody sleeps, so that all that was due has been looked at. */
  isAsleep(): Promise<void>
}

export function fakeClock(start: string): FakeClock {
  let now = Date.parse(start)
  const sleepers = new Map<() => void, number>()
  return {
    now: () => now,
    async sleep(ms, signal) {
      if (signal.aborted) return
      await new Promise<void>((resolve) => {
        const end = (): void => (sleepers.delete(end), resolve())
        sleepers.set(end, now + ms)
        signal.addEventListener('abort', end, { once: true })
      })
    },
    set(time) {
      now = Date.parse(time)
      for (const [end, at] of [...sleepers]) if (at <= now) end()
    },
    async isAsleep() {
      while (sleepers.size === 0) await sleep(5)
    },
  }
}
