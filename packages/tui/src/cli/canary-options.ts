import { PilotError } from '@pilot/core/errors'
import { value, type Options } from './command.ts'
import type { OptionDefinition } from './option.ts'

/** How `up` and `release` give a new version a share of the traffic only. */
export const canaryOptions = {
  canary: { flags: '--canary <percent>', summary: 'Give it this share of the traffic only, such as 10%; the version before keeps the rest.' },
  steps: { flags: '--steps <percents>', summary: 'Shares that follow each other by themselves, such as 10%,50%; then all of the traffic.' },
  every: { flags: '--every <duration>', summary: 'How long each step lasts, such as 30s or 5m; default: 5m.' },
  maxErrors: { flags: '--max-errors <percent>', summary: 'More failed requests than that end the canary; default: 1%.' },
  minRequests: { flags: '--min-requests <count>', summary: 'Fewer requests in a step are no verdict; default: 20.' },
  wait: { flags: '--no-wait', summary: 'With steps: return after the first; the server takes the others.' },
} as const satisfies Record<string, OptionDefinition>

export interface CanaryRequest {
  readonly percent?: number
  readonly steps?: number[]
  readonly everyMs?: number
  readonly maxErrors?: number
  readonly minRequests?: number
}

/** Undefined where no share was asked for. Throws USAGE. */
export function canaryRequest(options: Options): CanaryRequest | undefined {
  const [canary, steps, every, maxErrors, minRequests] = ['canary', 'steps', 'every', 'maxErrors', 'minRequests'].map((name) => value(options, name))
  if (canary === undefined && steps === undefined) {
    for (const [name, given] of [['--every', every], ['--max-errors', maxErrors], ['--min-requests', minRequests]]) if (given !== undefined) throw usage(`${name} is about a canary, and none is asked for.`)
    return undefined
  }
  if (every !== undefined && steps === undefined) throw usage('--every is about steps, and none are given.')
  const shares = steps?.split(',').map((step) => share(step.trim()))
  if (shares?.some((step, index) => index > 0 && step <= shares[index - 1]!)) throw usage(`The steps ${steps} do not ascend.`)
  return {
    ...(canary === undefined ? {} : { percent: share(canary) }),
    ...(shares === undefined ? {} : { steps: shares }),
    ...(every === undefined ? {} : { everyMs: durationOf(every) }),
    ...(maxErrors === undefined ? {} : { maxErrors: errorShare(maxErrors) }),
    ...(minRequests === undefined ? {} : { minRequests: countOf(minRequests) }),
  }
}

function share(text: string): number {
  if (!/^[1-9]\d?%?$/.test(text)) throw usage(`${text === '' ? 'Nothing' : text} is no share of the traffic.`)
  return Number(text.replace('%', ''))
}

function errorShare(text: string): number {
  const percent = /^\d{1,3}(?:\.\d+)?%?$/.test(text) ? Number(text.replace('%', '')) : Number.NaN
  if (!(percent <= 100)) throw new PilotError('USAGE', `${text} is no share of requests.`, { suggestion: 'Such as `--max-errors 1%`.' })
  return percent / 100
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function durationOf(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  const ms = Math.round(Number(amount) * (units[unit ?? ''] ?? Number.NaN))
  if (!(ms >= 1)) throw new PilotError('USAGE', `${text} is no duration.`, { suggestion: 'Such as `--every 30s`, `5m` or `1h`.' })
  return ms
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new PilotError('USAGE', `${text} is no number of requests.`, { suggestion: 'Such as `--min-requests 100`.' })
  return Number(text)
}

const usage = (message: string): PilotError => new PilotError('USAGE', message, { suggestion: '`--canary 10%`, or `--steps 10%,50% --every 5m`: whole percents from 1 to 99, ascending.' })
