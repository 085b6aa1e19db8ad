import { lastTime, nextTime, toPilotError } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { Notifications } from '../db/notifications.ts'
import { ownIdentity } from '../jobs/runner.ts'
import type { Log } from '../log.ts'
import { systemClock, type SchedulerClock } from './clock.ts'
import { failingRuns, type LiveOn } from './failing.ts'
import { findSchedules, placeKey, type FindOptions, type FoundSchedules } from './find-schedules.ts'
import { openRunning, type Running } from './running.ts'
import { claimRun, finishHandedOver, forgetOldRuns, interruptAbandoned, keyColumns, sawUntil, timesOf } from './runs.ts'
import { keyOf, schedulerName, type Schedule, type ScheduleKey } from './schedule.ts'

export interface SchedulerOptions extends FindOptions {
  readonly db: Database
  readonly notifications: Notifications
  readonly logs: string
  readonly log: Log
  readonly clock?: SchedulerClock
  readonly onIdle?: () => void
}

export interface Scheduler {
  /** What is scheduled now, with its next time. */
  list(): Promise<readonly (Schedule & { readonly next?: Date })[]>
  /** One run now, beside its schedule; resolves when it has ended. Throws NOT_ALLOWED_NOW when it runs already and must not twice. */
  runNow(call: { readonly schedule: Schedule; readonly by: string; readonly signal: AbortSignal; output?(stream: 'stdout' | 'stderr', data: Uint8Array): void }): ReturnType<Running['start']>
  /** See `failingRuns`. */
  failing(live: readonly LiveOn[]): ReturnType<typeof failingRuns>
  /** Ends what runs; `wait`: lets it end first. */
  stop(options?: { readonly wait?: boolean }): Promise<void>
}

/** The longest sleep: a timer does not count the time in which the machine sleeps, and the clock may be set. */
const longestSleepMs = 60_000
/** What is due for no longer than this is in time: a server that starts anew takes a moment. */
const inTimeMs = 90_000
/** Schedules are read again when a job has ended, at each look while some could not be read, and after this long in any case. */
const readAgainMs = 600_000
/** A clock that was wrong by days must not keep schedules from running until then. */
const trustedAheadMs = 2 * 3600_000

/** One timer, for the next time of any schedule; none where nothing is scheduled. */
export function startScheduler({ db, notifications, logs, log, clock = systemClock, onIdle, ...find }: SchedulerOptions): Scheduler {
  const identity = ownIdentity()
  const seen = new Map<string, { readonly times: string; readonly until: Date }>()
  const running = openRunning({ db, logs, log, identity, clock, onIdle, ...find })
  const stopping = new AbortController()
  let woken = new AbortController()
  let found: FoundSchedules | undefined
  let foundAt = 0
  let complained = ''

  const wake = (): void => {
    foundAt = 0
    woken.abort()
  }
  const off = notifications.on('jobs', wake)
  stopping.signal.addEventListener('abort', wake, { once: true })
  const looping = loop()

  async function loop(): Promise<void> {
    for (let hasSeen = false; !stopping.signal.aborted; ) {
      woken = new AbortController()
      let sleepMs = longestSleepMs
      try {
        if (!hasSeen) await readSeen()
        hasSeen = true
        sleepMs = await look()
        complained = ''
      } catch (error) {
        // The database is away for a moment: looked at again soon.
        complain(error)
        foundAt = 0
        sleepMs = 5_000
      }
      if (!woken.signal.aborted) await clock.sleep(sleepMs, woken.signal)
    }
  }

  /** Runs what is due; milliseconds until there is something to do. */
  async function look(): Promise<number> {
    for (const { project, environment, app, ...run } of await finishHandedOver(db)) await forgetOldRuns(db, { ...run, app: { project, environment, app } })
    const left = await interruptAbandoned(db, new Date(clock.now()))
    if (left.length > 0) await tidyAfter(left.map(({ platform, type }) => ({ platform, type })))
    if (found === undefined || found.unread.size > 0 || clock.now() - foundAt > readAgainMs || clock.now() < foundAt) await read()
    const now = new Date(clock.now())
    const waits = await Promise.all(found!.schedules.map((schedule) => keep(schedule, now)))
    return Math.max(0, Math.min(...waits, found!.schedules.length === 0 && found!.unread.size === 0 ? Infinity : longestSleepMs))
  }

  async function read(): Promise<void> {
    foundAt = clock.now()
    found = await findSchedules(find)
    found.problems.forEach(complain)
    running.endWhere(({ platform, app }) => !found!.live.has(placeKey(platform, app)) && !isUnread(found!, platform, placeKey(platform, app)))
    const keys = new Set(found.schedules.map(keyOf))
    for (const key of seen.keys()) {
      if (keys.has(key) || isUnread(found, key.split('/')[0]!, key.split('/').slice(0, 4).join('/'))) continue
      seen.delete(key)
      const [platform, project, environment, app, type, name] = key.split('/') as [string, string, string, string, string, string]
      await db.deleteFrom('schedules_seen').where((where) => where.and(keyColumns({ platform, app: { project, environment, app }, type, name }))).execute()
    }
  }

  /** One schedule: runs its newest time that has come, and says when the next one does. */
  async function keep(schedule: Schedule, now: Date): Promise<number> {
    try {
      const key = keyOf(schedule)
      const times = { schedule: schedule.expression, timeZone: schedule.timeZone }
      const known = seen.get(key)
      if (known?.times !== timesOf(schedule) || known.until.getTime() - now.getTime() > trustedAheadMs) {
        seen.set(key, { times: timesOf(schedule), until: now })
        await sawUntil(db, schedule, now)
      } else {
        const due = lastTime(times, { since: known.until, at: now })
        if (due !== undefined) {
          // Not before it is dealt with: what cannot be asked now is asked again within a minute.
          await runDue(schedule, due, now)
          seen.set(key, { ...known, until: due })
        }
      }
      const next = nextTime(times, now)
      return next === undefined ? Infinity : next.getTime() - now.getTime()
    } catch (error) {
      complain(error)
      return longestSleepMs
    }
  }

  async function runDue(stale: Schedule, dueAt: Date, now: Date): Promise<void> {
    const schedule = await running.asLiveNow(stale)
    if (schedule === undefined || timesOf(schedule) !== timesOf(stale)) return void (foundAt = 0)
    const isMissed = now.getTime() - dueAt.getTime() > inTimeMs && schedule.missed === 'skip'
    const claim = await claimRun(db, { schedule, runner: identity, now, dueAt, by: schedulerName, isMissed })
    if (claim.claimed === 'run') void running.start({ schedule, dueAt, by: schedulerName, claim })
  }

  async function tidyAfter(left: readonly Pick<ScheduleKey, 'platform' | 'type'>[]): Promise<void> {
    const places = new Map(left.map((place) => [`${place.platform}/${place.type}`, place]))
    for (const { platform, type } of places.values()) {
      await find.types.find((each) => each.type === type)?.tidyUp?.(platform, stopping.signal).catch(complain)
    }
  }

  async function readSeen(): Promise<void> {
    for (const { times, seen_until, platform, project, environment, app, type, name } of await db.selectFrom('schedules_seen').selectAll().execute()) {
      seen.set(keyOf({ platform, app: { project, environment, app }, type, name }), { times, until: new Date(seen_until) })
    }
  }

  /** Once per cause. */
  function complain(error: unknown): void {
    const reason = toPilotError(error).message
    if (reason !== complained && !stopping.signal.aborted) log.warn('a schedule could not be kept', { reason })
    complained = reason
  }

  return {
    async list() {
      const { schedules } = await findSchedules(find)
      return schedules.map((schedule) => {
        const next = nextTime({ schedule: schedule.expression, timeZone: schedule.timeZone }, new Date(clock.now()))
        return { ...schedule, ...(next ? { next } : {}) }
      })
    },
    failing: (live) => failingRuns({ db, types: find.types }, live),
    async runNow({ schedule, by, signal, output }) {
      const claim = await claimRun(db, { schedule, runner: identity, now: new Date(clock.now()), by })
      if (claim.claimed !== 'run') throw new Error('a run that is asked for has no time that another one could have taken')
      return running.start({ schedule, by, claim, signal, ...(output ? { output } : {}) })
    },
    async stop({ wait = false } = {}) {
      off()
      stopping.abort()
      await looping
      await running.stop({ wait })
    },
  }
}

const isUnread = ({ unread }: FoundSchedules, platform: string, place: string): boolean => unread.has(platform) || unread.has(place)
