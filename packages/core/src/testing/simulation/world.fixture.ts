import type { Clock } from '../../store/clock.ts'

/**
 * Simulated time. Nothing happens but what was planned, one event after the other, so a day passes in a millisecond and the same
 * choices give the same run.
 */
export interface World {
  now(): number
  /** Returns how to call it off. */
  after(ms: number, run: () => void): () => void
  /** Lets events happen until the work has ended, or so many have. Undefined: it has not. */
  until<T>(work: Promise<T>, events?: number): Promise<PromiseSettledResult<T> | undefined>
  pass(ms: number): Promise<void>
}

export function createWorld(): World {
  const planned: { at: number; run: (() => void) | undefined }[] = []
  let now = 0

  function after(ms: number, run: () => void): () => void {
    const event: (typeof planned)[number] = { at: now + Math.max(0, ms), run }
    const later = planned.findLastIndex(({ at }) => at <= event.at)
    planned.splice(later + 1, 0, event)
    return () => (event.run = undefined)
  }

  async function until<T>(work: Promise<T>, events = 500_000): Promise<PromiseSettledResult<T> | undefined> {
    let result: PromiseSettledResult<T> | undefined
    work.then((value) => (result = { status: 'fulfilled', value }), (reason: unknown) => (result = { status: 'rejected', reason }))
    for (let left = events; ; left--) {
      // Everything that follows from the last event happens before the next one.
      await new Promise((resolve) => setImmediate(resolve))
      if (result !== undefined || left === 0) return result
      let next = planned.shift()
      while (next !== undefined && next.run === undefined) next = planned.shift()
      if (next === undefined) throw new Error('Something waits for what will never happen')
      now = Math.max(now, next.at)
      next.run!()
    }
  }

  return {
    now: () => now,
    after,
    until,
    pass: async (ms) => void (await until(new Promise<void>((resolve) => after(ms, resolve)))),
  }
}

/** A process in that world: what reaches it waits while it is frozen, and is lost once it is dead. */
export interface Machine {
  readonly clock: Clock
  deliver(run: () => void): void
  /** The wall clock is set: forward, or back. */
  jump(ms: number): void
  freeze(): void
  /** `uncounted`: milliseconds that its monotonic clock stood still, as Linux's does while the machine is asleep. */
  thaw(uncounted?: number): void
  kill(): void
  isDead(): boolean
}

export function createMachine(world: World): Machine {
  const waiting: (() => void)[] = []
  let state: 'runs' | 'frozen' | 'dead' = 'runs'
  let ahead = 0
  let slept = 0

  const deliver = (run: () => void): void => {
    if (state === 'runs') run()
    else if (state === 'frozen') waiting.push(run)
  }
  return {
    deliver,
    jump: (ms) => void (ahead += ms),
    freeze: () => void (state = state === 'dead' ? state : 'frozen'),
    thaw(uncounted = 0) {
      if (state !== 'frozen') return
      state = 'runs'
      slept += uncounted
      for (const run of waiting.splice(0)) run()
    },
    kill: () => void (state = 'dead'),
    isDead: () => state === 'dead',
    clock: {
      monotonicMs: () => world.now() - slept,
      date: () => new Date(Date.UTC(2026, 0, 1) + world.now() + ahead),
      sleep: (ms, { signal } = {}) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted === true) return reject(signal.reason)
          const over = () => {
            cancel()
            reject(signal!.reason)
          }
          const cancel = world.after(ms, () =>
            deliver(() => {
              signal?.removeEventListener('abort', over)
              resolve()
            }),
          )
          signal?.addEventListener('abort', over, { once: true })
        }),
    },
  }
}
