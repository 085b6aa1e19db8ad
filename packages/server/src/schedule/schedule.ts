import type { AppIdentity, DeploymentRecord, ErrorBody, MissedPolicy, OverlapPolicy } from '@pilot/core'

/**
 * What runs at certain times. A **type** (cron jobs, backups, events of functions) says which schedules a live deployment has and how one
 * of them runs; when, how often and whether beside another run is the scheduler's business, the same for all types.
 *
 * Nothing is registered: schedules are read from what is live. A release, a rollback and a stop change them by being what they are.
 */
export interface Schedule extends ScheduleKey {
  /** Five fields, or `@daily` and its like. */
  readonly expression: string
  /** IANA. */
  readonly timeZone: string
  readonly overlap: OverlapPolicy
  readonly missed: MissedPolicy
  /** For people: the command, or what it does. */
  readonly what: string
  readonly deployment: DeploymentRecord
}

export interface ScheduleKey {
  /** Name of the platform. */
  readonly platform: string
  readonly app: AppIdentity
  readonly type: string
  /** Unique in the app and type. */
  readonly name: string
}

export type ScheduleOf = Pick<Schedule, 'name' | 'expression' | 'timeZone' | 'overlap' | 'missed' | 'what'>

/** One kind of thing that runs on a schedule. */
export interface ScheduleType {
  readonly type: string
  /** The schedules of a deployment while it is live. Pure. */
  schedulesOf(deployment: DeploymentRecord): readonly ScheduleOf[]
  /**
   * One run. Rejects when it failed, and ends soon after the signal fires. When this program is killed meanwhile, the run is recorded as
   * interrupted and never repeated. `{ operation }`: it goes on as this operation of the queue, whose end is the run's end.
   */
  run(call: ScheduledRun): Promise<RunResult>
  /** Once when runs were found that a killed program left. */
  tidyUp?(platform: string, signal: AbortSignal): Promise<void>
}

export interface ScheduledRun {
  /** Of the run: 10 characters of [a-z0-9]. */
  readonly id: string
  readonly schedule: Schedule
  /** The time that it runs for; undefined: somebody asked for it. */
  readonly dueAt?: Date
  readonly by: string
  /** Kept in the log of the run, bounded and without secrets of the app. */
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void
  readonly signal: AbortSignal
}

export type RunResult = { readonly exitCode?: number } | { readonly operation: string }

/**
 * - `missed`: its time passed while nobody looked. `skipped`: the run before still ran. Neither ran.
 * - `interrupted`: the server ended meanwhile. `cancelled`: somebody ended it, or the app was stopped. `replaced`: the next run did.
 */
export type RunState = 'running' | 'done' | 'failed' | 'interrupted' | 'cancelled' | 'replaced' | 'skipped' | 'missed'

export interface RunEnd {
  readonly state: Exclude<RunState, 'running'>
  readonly exitCode?: number
  readonly error?: ErrorBody
}

/** Who runs what its time brings. */
export const schedulerName = 'schedule'

export const keyOf = ({ platform, app, type, name }: ScheduleKey): string => [platform, app.project, app.environment, app.app, type, name].join('/')
