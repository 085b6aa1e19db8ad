import { setTimeout } from 'node:timers/promises'

/** Time as the lease and others that wait see it; tests bring their own. */
export interface Clock {
  /** Monotonic; only differences mean something. */
  monotonicMs(): number
  date(): Date
  /** Rejects with the signal's reason. Does not keep the process alive when `background`. */
  sleep(ms: number, options?: { readonly signal?: AbortSignal; readonly background?: boolean }): Promise<void>
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  date: () => new Date(),
  async sleep(ms, { signal, background = false } = {}) {
    try {
      await setTimeout(ms, undefined, { ref: !background, ...(signal === undefined ? {} : { signal }) })
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error
    }
  },
}
