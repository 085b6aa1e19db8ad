/**
 * What a target has counted of one deployment. The counts only grow; under another `life` (whatever counts was started anew)
 * they began at zero.
 */
export interface TrafficCounters {
  readonly deployment: string
  readonly life: string
  readonly requests: number
  /** Answers with 5xx, and requests that no answer came to. */
  readonly errors: number
  /** How many answers took up to so many milliseconds, each counted once; the last one has no bound. Ascending. */
  readonly latency: readonly { readonly upToMs: number | undefined; readonly count: number }[]
}
