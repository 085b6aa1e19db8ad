import { Cron } from 'croner'

/** Five cron fields, or `@daily` and its like, in the wall clock of a time zone. */
export interface CronTimes {
  readonly schedule: string
  /** IANA: `Europe/Berlin`. */
  readonly timeZone: string
}

/**
 * The next time after `after`; undefined: it never comes.
 *
 * Croner reads the expression, since it follows Vixie cron through the changes of daylight saving time: what has fixed hours and minutes
 * runs once a day whatever the clock does (after the gap, or the first time of two), what has a `*` or a step there runs as time passes.
 */
export function nextTime({ schedule, timeZone }: CronTimes, after: Date): Date | undefined {
  return cron(schedule, timeZone).nextRun(after) ?? undefined
}

/** The newest time that is not after `at` and is after `since`. */
export function lastTime({ schedule, timeZone }: CronTimes, { since, at }: { readonly since: Date; readonly at: Date }): Date | undefined {
  const [last] = cron(schedule, timeZone).previousRuns(1, new Date(at.getTime() + 1))
  return last !== undefined && last > since && last <= at ? last : undefined
}

/** What is wrong with an expression, for people; undefined: nothing. */
export function scheduleProblem(schedule: string): string | undefined {
  if (!form.test(schedule.trim())) return 'it has not five fields'
  try {
    return cron(schedule, 'UTC').nextRun(new Date()) === null ? 'it never comes' : undefined
  } catch (error) {
    return sentence((error as Error).message)
  }
}

export function isTimeZone(name: string): boolean {
  // Offsets such as +02:00 are zones for some engines; they know no daylight saving time, and are not meant.
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

const cronWords = ['@hourly', '@daily', '@midnight', '@weekly', '@monthly', '@yearly', '@annually'] as const

/** A date and a field of seconds are other things that the library reads. */
const form = new RegExp(`^(?:${cronWords.join('|')}|\\S+(?:\\s+\\S+){4})$`, 'i')

const cron = (schedule: string, timezone: string): Cron => new Cron(schedule.trim(), { timezone, paused: true, mode: '5-part', fixedTimeRule: 'no-wildcard' })

/** `CronPattern: Invalid value for minute: 61` → `invalid value for minute: 61`. */
const sentence = (message: string): string => message.replace(/^(?:\w+: )?(?:Syntax error, )?/, '').replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase()).replace(/\.$/, '')
