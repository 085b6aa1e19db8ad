import { randomBytes } from 'node:crypto'
import { sql, type Selectable } from 'kysely'
import { appTitle, errorBody, livenessOf, PilotError } from '@pilot/core'
import type { Database, Tx } from '../db/database.ts'
import type { RunnerIdentity, ScheduleRunTable } from '../db/schema.ts'
import { addNotice } from '../notify/notices.ts'
import type { RunEnd, Schedule, ScheduleKey } from './schedule.ts'

/** Runs as rows: a time of a schedule has one row, whoever inserts it first, so that it runs at most once with several servers too. */
export type RunRow = Selectable<ScheduleRunTable>

/** Of each schedule so many stay of those that ran, and as many of those that did not. */
const keptRuns = 50

/** A runner that cannot be looked at counts as dead after this silence. */
const silentMs = 60_000

export interface NewRun {
  readonly schedule: Schedule
  readonly runner: RunnerIdentity
  readonly now: Date
  readonly dueAt?: Date
  readonly by: string
  /** The time passed long ago, and does not count. */
  readonly isMissed?: boolean
}

export type Claim =
  | { readonly claimed: 'run'; readonly id: string; /** Still running, to be ended first. */ readonly replaces: readonly string[] }
  /** Recorded as not run, or somebody else has it. */
  | { readonly claimed: 'nothing' }

/** Takes a time of a schedule, or for somebody who asks (`dueAt` undefined) a run now; that throws NOT_ALLOWED_NOW where `overlap: skip` forbids it. */
export async function claimRun(db: Database, { schedule, runner, now, dueAt, by, isMissed = false }: NewRun): Promise<Claim> {
  const id = newId()
  return db.transaction().execute(async (tx): Promise<Claim> => {
    await sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify(keyColumns(schedule))}, 0))`.execute(tx)
    const running = await tx.selectFrom('schedule_runs').select(['id', 'started_at']).where((where) => where.and(keyColumns(schedule))).where('state', '=', 'running').execute()
    const isSkipped = !isMissed && schedule.overlap === 'skip' && running.length > 0
    if (isSkipped && dueAt === undefined) {
      throw new PilotError('NOT_ALLOWED_NOW', `${schedule.name} runs already`, { reason: `It started at ${running[0]!.started_at}, and its \`overlap\` is skip.`, suggestion: 'Wait for its end, or set `overlap: allow`.' })
    }
    const state = isMissed ? 'missed' : isSkipped ? 'skipped' : 'running'
    const inserted = await tx
      .insertInto('schedule_runs')
      .values({
        id,
        ...keyColumns(schedule),
        due_at: dueAt?.toISOString() ?? null,
        by,
        state,
        deployment: schedule.deployment.id,
        version: schedule.deployment.number,
        started_at: now.toISOString(),
        ...(state === 'running' ? { runner: JSON.stringify(runner), heartbeat_at: sql<string>`now()` } : { finished_at: now.toISOString() }),
      })
      .onConflict((on) => on.doNothing())
      .returning('id')
      .executeTakeFirst()
    if (dueAt !== undefined) await sawUntil(tx, schedule, dueAt)
    if (inserted === undefined || state !== 'running') return { claimed: 'nothing' }
    return { claimed: 'run', id, replaces: schedule.overlap === 'replace' ? running.map((run) => run.id) : [] }
  })
}

/** Writes how a run ended, once. */
export async function finishRun(db: Database, id: string, { state, exitCode, error }: RunEnd, now: Date): Promise<void> {
  await db.transaction().execute(async (tx) => {
    const run = await tx
      .updateTable('schedule_runs')
      .set({ state, exit_code: exitCode ?? null, error: error === undefined ? null : JSON.stringify(error), finished_at: now.toISOString(), runner: null })
      .where('id', '=', id)
      .where('state', '=', 'running')
      .returningAll()
      .executeTakeFirst()
    // Of one that went on as an operation that tells.
    if (run === undefined || run.operation !== null || state !== 'failed') return
    const { platform, project, environment, app, name, by } = run
    await addNotice(tx, { event: 'schedule.failed', platform, project, environment, apps: [app], title: `${name} of ${appTitle({ project, environment, app })} failed`, by, ...(exitCode === undefined ? {} : { text: `exit code ${exitCode}` }), ...(error === undefined ? {} : { error: { code: error.code, message: error.message, suggestion: error.suggestion, ...(error.reason === undefined ? {} : { reason: error.reason }) } }) })
  })
}

/** The run goes on as an operation of the queue, and belongs to no program any more. */
export const handOver = (db: Database, id: string, operation: string): Promise<unknown> => db.updateTable('schedule_runs').set({ operation, runner: null }).where('id', '=', id).execute()

/** Says that the program lives which these runs belong to; returns those that somebody wants to end. */
export async function beatRuns(db: Database, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await db.updateTable('schedule_runs').set({ heartbeat_at: sql`now()` }).where('id', 'in', ids).returning(['id', 'end_requested']).execute()
  return rows.filter(({ end_requested }) => end_requested).map(({ id }) => id)
}

export const requestEnd = (db: Database, ids: readonly string[]): Promise<unknown> => db.updateTable('schedule_runs').set({ end_requested: true }).where('id', 'in', ids).where('state', '=', 'running').execute()

export async function stillRunning(db: Database, ids: readonly string[]): Promise<readonly string[]> {
  return (await db.selectFrom('schedule_runs').select('id').where('id', 'in', ids).where('state', '=', 'running').execute()).map(({ id }) => id)
}

/** Ends in the records what programs began that are gone. Returns those runs. */
export async function interruptAbandoned(db: Database, now: Date): Promise<readonly RunRow[]> {
  const running = await db.selectFrom('schedule_runs').selectAll().select(sql<boolean>`heartbeat_at < now() - ${silentMs} * interval '1 millisecond'`.as('silent')).where('state', '=', 'running').where('operation', 'is', null).execute()
  const abandoned = running.filter(({ runner, silent }) => {
    const liveness = runner === null ? 'gone' : livenessOf(runner)
    return liveness === 'gone' || (liveness === 'unknown' && silent)
  })
  const error = errorBody(new PilotError('CANCELLED', 'The server ended while this ran', { reason: 'It is not run again for the same time.' }))
  for (const { id } of abandoned) await finishRun(db, id, { state: 'interrupted', error }, now)
  return abandoned
}

/** The operation that a run goes on as is asked for by this, so that it is found when the program died before it could say so. */
export const requestIdOf = (run: string): string => `schedule-${run}`

/** Runs that went on as operations end as these did. Returns those that have ended. */
export async function finishHandedOver(db: Database): Promise<readonly RunRow[]> {
  await sql`update schedule_runs r set operation = o.id, runner = null from operations o where o.request_id = 'schedule-' || r.id and r.state = 'running' and r.operation is null`.execute(db)
  const ended = await db
    .selectFrom('schedule_runs as r')
    .innerJoin('operations as o', 'o.id', 'r.operation')
    .selectAll('r')
    .select(['o.state as outcome', 'o.error as reason', 'o.finished_at as ended_at'])
    .where('r.state', '=', 'running')
    .where('o.state', 'in', ['done', 'failed', 'cancelled'])
    .execute()
  for (const { id, outcome, reason, ended_at } of ended) await finishRun(db, id, { state: outcome as RunEnd['state'], ...(reason === null ? {} : { error: reason }) }, new Date(ended_at!))
  return ended
}

/** Deployments of an app that runs work with: their artifacts stay. */
export async function deploymentsOfRuns(db: Database, { platform, app: { project, app, environment } }: Pick<ScheduleKey, 'platform' | 'app'>): Promise<readonly string[]> {
  const rows = await db.selectFrom('schedule_runs').select('deployment').distinct().where((where) => where.and({ platform, project, app, environment, state: 'running' as const })).execute()
  return rows.map(({ deployment }) => deployment)
}

/** Forgets the oldest of a schedule. Returns their ids, whose logs can go. */
export async function forgetOldRuns(db: Database, schedule: ScheduleKey): Promise<readonly string[]> {
  const { platform, project, environment, app, type, name } = keyColumns(schedule)
  const { rows } = await sql<{ id: string }>`
    delete from schedule_runs where id in (
      select id from (
        select id, row_number() over (partition by state in ('skipped', 'missed') order by started_at desc) as place from schedule_runs
        where platform = ${platform} and project = ${project} and environment = ${environment} and app = ${app} and type = ${type} and name = ${name} and state <> 'running'
      ) ranked where place > ${keptRuns})
    returning id`.execute(db)
  return rows.map(({ id }) => id)
}

/** Of an app that is gone. Returns their ids, whose logs can go; one that still runs is ended by the scheduler, and forgotten with time. */
export async function forgetRunsOf(db: Database, { platform, app: { project, app, environment } }: Pick<ScheduleKey, 'platform' | 'app'>): Promise<readonly string[]> {
  const rows = await db.deleteFrom('schedule_runs').where((where) => where.and({ platform, project, app, environment })).where('state', '<>', 'running').returning('id').execute()
  return rows.map(({ id }) => id)
}

/** Up to when the times of a schedule have been dealt with. */
export async function sawUntil(db: Database | Tx, schedule: Schedule, until: Date): Promise<void> {
  const row = { ...keyColumns(schedule), times: timesOf(schedule), seen_until: until.toISOString() }
  await db
    .insertInto('schedules_seen')
    .values(row)
    .onConflict((on) => on.columns(['platform', 'project', 'environment', 'app', 'type', 'name']).doUpdateSet({ times: row.times, seen_until: sql<string>`case when schedules_seen.times = excluded.times then greatest(schedules_seen.seen_until, excluded.seen_until) else excluded.seen_until end` }))
    .execute()
}

/** What `times` of the same schedule say otherwise is another schedule. */
export const timesOf = ({ expression, timeZone }: Pick<Schedule, 'expression' | 'timeZone'>): string => `${expression} ${timeZone}`

export function keyColumns({ platform, app: { project, app, environment }, type, name }: ScheduleKey) {
  return { platform, project, environment, app, type, name }
}

/** Short enough to type, from an alphabet without look-alikes: 50 bits. */
function newId(): string {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
  return [...randomBytes(10)].map((byte) => alphabet[byte % 32]).join('')
}
