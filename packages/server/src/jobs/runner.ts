import { errorBody, hostIdentity, PilotError, processIdentity, toPilotError } from '@pilot/core'
import { toServerError } from '../db/trouble.ts'
import type { Database } from '../db/database.ts'
import { patiently } from '../db/patience.ts'
import type { Notifications } from '../db/notifications.ts'
import type { RunnerIdentity } from '../db/schema.ts'
import type { Log } from '../log.ts'
import { beat, claimJob, finishJob, returnJob, type ClaimedJob, type JobOutcome } from './queue.ts'
import { reapJobs } from './reaper.ts'
import { watchSilence } from './silence.ts'

/** Executes one attempt of a job; returns its result or throws. */
export type ExecuteJob = (job: ClaimedJob, signal: AbortSignal) => Promise<Record<string, unknown>>

export interface RunnerOptions {
  readonly db: Database
  readonly notifications: Notifications
  readonly execute: ExecuteJob
  readonly log: Log
  /** How many jobs at once; default 3. Most of the time a job waits for the Docker engine or a cloud. */
  readonly concurrency?: number
  /** Called when no job runs any more. */
  readonly onIdle?: () => void
  /** Default 5 s. */
  readonly heartbeatMs?: number
  /** How often it looks by itself, in case a notification was lost, and for silent runners; default 10 s. */
  readonly lookMs?: number
  /** A runner that cannot be looked at counts as dead after this silence; default 45 s. */
  readonly silentMs?: number
}

export interface Runner {
  /**
   * Takes no further job, stops those that run at their next step and gives them back, so that the next runner resumes them.
   * `wait`: lets them end first. What does not stop within `graceMs` is left to the reaper.
   */
  stop(options?: { readonly wait?: boolean; readonly graceMs?: number }): Promise<void>
}

export async function startRunner({ db, notifications, execute, log, onIdle, concurrency = 3, heartbeatMs = 5000, lookMs = 10_000, silentMs = 45_000 }: RunnerOptions): Promise<Runner> {
  const identity = ownIdentity()
  const running = new Map<string, { readonly attempt: Attempt; readonly done: Promise<void> }>()
  let stopping = false
  let taking: Promise<void> | undefined
  let again = false
  const silence = watchSilence({ lookMs })

  function take(): void {
    again = true
    taking ??= takeAll().finally(() => {
      taking = undefined
    })
  }

  async function takeAll(): Promise<void> {
    while (again && !stopping) {
      again = false
      while (!stopping && running.size < concurrency) {
        const job = await claimJob(db, identity).catch((error: unknown) => void log.warn('could not look for jobs', { reason: toPilotError(error).message }))
        if (job === undefined) break
        const attempt = new Attempt({ db, job, heartbeatMs })
        const done = run(job, attempt).finally(() => {
          running.delete(job.id)
          if (running.size === 0) onIdle?.()
          take()
        })
        running.set(job.id, { attempt, done })
      }
    }
  }

  async function run(job: ClaimedJob, attempt: Attempt): Promise<void> {
    log.info('job started', { job: job.id, action: job.action, scope: job.scope, attempt: job.attempt })
    const outcome = await outcomeOf(() => execute(job, attempt.signal), attempt.signal)
    attempt.end()
    try {
      // Written twice it is written once.
      if (outcome.state !== 'done' && attempt.isToBeReturned) await patiently(() => returnJob(db, job))
      else if (!(await patiently(() => finishJob(db, job, outcome), { forMs: silentMs }))) log.warn('another attempt has this job', { job: job.id, attempt: job.attempt })
      log.info('job ended', { job: job.id, state: attempt.isToBeReturned && outcome.state !== 'done' ? 'returned' : outcome.state, ...(outcome.state === 'done' ? {} : { error: outcome.error.message }) })
    } catch (error) {
      // The database is away: the reaper finds this job when it is back.
      log.error('could not write how a job ended', { job: job.id, reason: toPilotError(error).message })
    }
  }

  async function look(): Promise<void> {
    // After a sleep of the machine all are silent, those of this runner too.
    await Promise.all([...running.values()].map(({ attempt }) => attempt.beat()))
    await reapJobs(db, { silentMs, silence }).then(
      (ids) => ids.forEach((job) => log.warn('job queued again: its runner is gone', { job })),
      (error: unknown) => log.warn('could not look for silent runners', { reason: toPilotError(error).message }),
    )
    take()
  }

  const off = [
    notifications.on('jobs', take),
    notifications.on('cancel', () => running.forEach(({ attempt }) => void attempt.beat())),
  ]
  const timer = setInterval(() => void look(), lookMs)
  await look()

  return {
    async stop({ wait = false, graceMs = 10_000 } = {}) {
      stopping = true
      clearInterval(timer)
      off.forEach((stopListening) => stopListening())
      await taking
      const all = [...running.values()]
      if (!wait) all.forEach(({ attempt }) => attempt.giveBack())
      const done = Promise.all(all.map((entry) => entry.done))
      if (wait) await done
      else await Promise.race([done, new Promise((resolve) => setTimeout(resolve, graceMs).unref())])
    },
  }
}

/** Whether the job stops only to be resumed by another runner, so that nobody is told of a failure. */
export const isGivenBack = (signal: AbortSignal): boolean => signal.aborted && toPilotError(signal.reason).details?.['isGivenBack'] === true

/** One attempt of one job: its heartbeat, and the signal that tells the lifecycle to stop. */
class Attempt {
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly #db: Database
  readonly #job: ClaimedJob
  #returned = false

  constructor({ db, job, heartbeatMs }: { db: Database; job: ClaimedJob; heartbeatMs: number }) {
    this.#db = db
    this.#job = job
    this.#timer = setInterval(() => void this.beat(), heartbeatMs)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get isToBeReturned(): boolean {
    return this.#returned
  }

  async beat(): Promise<void> {
    try {
      const { lost, cancelledBy } = await beat(this.#db, this.#job)
      if (lost) this.#abort.abort(new PilotError('LEASE_LOST', `Another attempt has the job ${this.#job.id}`))
      else if (cancelledBy !== undefined) this.#abort.abort(new PilotError('CANCELLED', `Cancelled by ${cancelledBy}`))
    } catch {
      // The database is away for a moment; silence for too long is the reaper's business.
    }
  }

  giveBack(): void {
    if (this.#abort.signal.aborted) return
    this.#returned = true
    this.#abort.abort(new PilotError('CANCELLED', 'The server stops; the next one goes on', { details: { isGivenBack: true } }))
  }

  end(): void {
    clearInterval(this.#timer)
  }
}

async function outcomeOf(work: () => Promise<Record<string, unknown>>, signal: AbortSignal): Promise<JobOutcome> {
  try {
    return { state: 'done', result: await work() }
  } catch (error) {
    const failure = toServerError(error)
    if (failure.code !== 'CANCELLED') return { state: 'failed', error: errorBody(failure) }
    // Whoever noticed the signal may not have said whose it was.
    return { state: 'cancelled', error: errorBody(signal.aborted ? toPilotError(signal.reason) : failure) }
  }
}

/** This process, as rows name who works on them. */
export function ownIdentity(): RunnerIdentity {
  const identity = processIdentity()
  if (identity === undefined) throw new PilotError('INTERNAL', 'This process has no identity')
  return { ...identity, ...hostIdentity() }
}
