import { PilotError } from '../errors/pilot-error.ts'
import type { CanaryPlan } from './records.ts'

/** A canary as it is asked for. */
export interface CanaryInput extends Partial<CanaryPlan> {
  /** Default: the first of `steps`. */
  readonly percent?: number
}

export const canaryDefaults = { everyMs: 5 * 60_000, maxErrors: 0.01, minRequests: 20 } as const

/** With all defaults. Throws USAGE. */
export function canaryPlan({ percent: wanted, steps, everyMs, maxErrors = canaryDefaults.maxErrors, minRequests = canaryDefaults.minRequests }: CanaryInput): CanaryPlan & { readonly percent: number } {
  const percent = wanted ?? steps?.[0]
  if (percent === undefined) throw usage('A canary needs a share of the traffic')
  for (const share of [percent, ...(steps ?? [])]) if (!Number.isInteger(share) || share < 1 || share > 99) throw usage(`${share} % is no share for a canary`)
  if (steps?.some((share, index) => index > 0 && share <= steps[index - 1]!)) throw usage(`The steps ${steps.join(', ')} do not ascend`)
  if (everyMs !== undefined && (steps === undefined || steps.length === 0)) throw usage('A time between steps needs steps')
  if (everyMs !== undefined && !(everyMs >= 1)) throw usage('The time between two steps is at least a millisecond')
  if (!(maxErrors >= 0 && maxErrors <= 1)) throw usage('The share of errors that a canary may have is from 0 to 100 %')
  if (!Number.isInteger(minRequests) || minRequests < 1) throw usage('The requests that a verdict needs are at least 1')
  return { percent, ...(steps === undefined || steps.length === 0 ? {} : { steps, everyMs: everyMs ?? canaryDefaults.everyMs }), maxErrors, minRequests }
}

/** The same without the share that it begins with. */
export function planOf(canary: CanaryInput): CanaryPlan {
  const { percent: _, ...plan } = canaryPlan(canary)
  return plan
}

const usage = (message: string): PilotError => new PilotError('USAGE', message, { suggestion: 'Write whole percents from 1 to 99, ascending: `--canary 10%`, or `--steps 10%,50% --every 5m`.' })
