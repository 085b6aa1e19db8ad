/** Times of schedules are the wall clock's, which jumps. */
export interface SchedulerClock {
  now(): number
  /** Resolves after so many milliseconds (Infinity: never), and when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

export const systemClock: SchedulerClock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(resolve, ms) : undefined
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
    })
  },
}
