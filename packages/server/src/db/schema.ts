import type { ColumnType, Generated } from 'kysely'
import type { ErrorBody, HostIdentity, ProcessIdentity } from '@pilot/core'
import type { JobState, Operation } from '../contract/operations.ts'
import type { Sample } from '../metrics/sample.ts'
import type { RunState } from '../schedule/schedule.ts'
import type { Notice } from '../notify/notice.ts'

/**
 * What the control plane keeps in PostgreSQL: users' requests, jobs, events. Losing it loses history, not resources: those are
 * in the platform's own store. Written by `migrations.ts`; this file only says it to the compiler.
 */
export interface Tables {
  operations: OperationTable
  jobs: JobTable
  streams: StreamTable
  events: EventTable
  phase_durations: PhaseDurationTable
  metrics: MetricsTable
  schedules_seen: ScheduleSeenTable
  schedule_runs: ScheduleRunTable
  notices: NoticeTable
  deliveries: DeliveryTable
  incidents: IncidentTable
  commands: CommandTable
}

/** json (which keeps the order of keys) or jsonb: parsed when read, text when written. */
type JsonColumn<T> = ColumnType<T, string, string>
/** timestamptz: ISO 8601 when read (see `database.ts`); written as text or by `now()`. */
type Time = ColumnType<string, string | undefined, string>
type MaybeTime = ColumnType<string | null, string | null | undefined, string | null>

export interface OperationTable {
  id: string
  request_id: string | null
  action: string
  platform: string
  project: string | null
  environment: string | null
  apps: JsonColumn<readonly string[]>
  by: string
  state: Operation['state']
  created_at: Time
  started_at: MaybeTime
  finished_at: MaybeTime
  url: string | null
  error: JsonColumn<ErrorBody> | null
}

/** What people want to know: see `notify/notice.ts`. */
export interface NoticeTable {
  id: Generated<number>
  platform: string
  at: Time
  body: JsonColumn<Notice>
  /** Its deliveries are written. */
  spread: ColumnType<boolean, boolean | undefined, boolean>
}

/** One notice for one channel: see `notify/notifier.ts`. */
export interface DeliveryTable {
  id: Generated<number>
  notice: number
  platform: string
  channel: string
  /** `merged`: another message says how many there were. */
  state: ColumnType<'waiting' | 'sent' | 'failed' | 'merged', 'waiting' | undefined, 'waiting' | 'sent' | 'failed' | 'merged'>
  attempts: Generated<number>
  next_at: Time
  sent_at: MaybeTime
  failed_at: MaybeTime
  error: string | null
}

/** What lasts at the moment, so that it is told once. */
export interface IncidentTable {
  key: string
  since: Time
}

/** Samples of apps: see `metrics/store.ts`. */
export interface MetricsTable {
  platform: string
  project: string
  environment: string
  app: string
  /** How much time a row stands for, seconds. */
  step: number
  /** Its end. */
  at: Time
  data: JsonColumn<Sample>
}

export interface JobTable {
  id: string
  operation: string
  /** Jobs of one scope run in this order. */
  queue_no: Generated<number>
  action: string
  platform: string
  scope: string
  project: string | null
  environment: string | null
  app: string | null
  payload: JsonColumn<unknown>
  payload_version: number
  state: JobState
  /** Raised by every claim: the fencing token of what the runner writes. */
  attempt: Generated<number>
  /** Who has it. */
  runner: JsonColumn<RunnerIdentity> | null
  after: JsonColumn<readonly string[]>
  heartbeat_at: MaybeTime
  cancel_requested_by: string | null
  result: JsonColumn<Record<string, unknown>> | null
  error: JsonColumn<ErrorBody> | null
  created_at: Time
  started_at: MaybeTime
  finished_at: MaybeTime
}

/** Up to when the times of a schedule have been dealt with. */
export interface ScheduleSeenTable {
  platform: string
  project: string
  environment: string
  app: string
  type: string
  name: string
  /** Expression and time zone. */
  times: string
  seen_until: Time
}

/** See `schedule/runs.ts`. */
/** Of people, while they run. */
interface CommandTable {
  id: Generated<number>
  platform: string
  project: string
  environment: string
  app: string
  deployment: string
  runner: JsonColumn<RunnerIdentity>
  started_at: Time
}

export interface ScheduleRunTable {
  id: string
  platform: string
  project: string
  environment: string
  app: string
  type: string
  name: string
  /** null: somebody asked for it. */
  due_at: MaybeTime
  by: string
  state: RunState
  /** Its id. */
  deployment: string
  /** Its number. */
  version: number
  /** Whose it is; null: nobody's, or its operation's. */
  runner: JsonColumn<RunnerIdentity> | null
  heartbeat_at: MaybeTime
  end_requested: Generated<boolean>
  /** That it went on as. */
  operation: string | null
  exit_code: number | null
  error: JsonColumn<ErrorBody> | null
  started_at: Time
  finished_at: MaybeTime
}

/** A runner is one process. */
export type RunnerIdentity = ProcessIdentity & HostIdentity

/** One row per stream: its lock gives out the sequence, so numbers become visible in their order. */
export interface StreamTable {
  name: string
  last: number
}

export interface EventTable {
  stream: string
  seq: number
  at: string
  operation: string | null
  body: JsonColumn<Record<string, unknown>>
}

export interface PhaseDurationTable {
  id: Generated<number>
  project: string
  environment: string
  app: string
  phase: string
  ms: number
  at: Time
}
