import { sql } from 'kysely'
import { appTitle, errorBody, PilotError, type ErrorBody } from '@pilot/core'
import { canaryName } from '../canaries/actor.ts'
import type { Tx } from '../db/database.ts'
import { activityStream, appendEvents } from '../events/streams.ts'
import { addNotice } from '../notify/notices.ts'
import type { JobPayload } from './plan.ts'
import type { JobRow, OperationRow } from './view.ts'

/** The first job of an operation was taken. */
export async function startOperation(tx: Tx, id: string): Promise<void> {
  const started = await tx.updateTable('operations').set({ state: 'running', started_at: sql`now()` }).where('id', '=', id).where('state', '=', 'queued').returningAll().executeTakeFirst()
  if (started === undefined) return
  const { action, platform } = started
  await appendEvents(tx, id, [{ operation: id, body: { v: 1, type: 'operation.started', action, platform, ...addressOf(started) } }])
  await appendEvents(tx, activityStream, [{ operation: id, body: { what: 'operation.started', by: started.by, action, platform, ...addressOf(started), text: `${titleOf(started)} started` } }])
}

/**
 * After a job ended: those that come after a job that did not get done are skipped with the reason, and when no job is left the
 * operation ends. The caller holds the operation's lock.
 */
export async function finishOperationIfDone(tx: Tx, id: string): Promise<void> {
  const jobs = await skipDependents(tx, await jobsOf(tx, id))
  if (jobs.some(({ state }) => state === 'queued' || state === 'running')) return
  const end = outcomeOf(jobs)
  const finished = await tx
    .updateTable('operations')
    .set({ state: end.state, finished_at: sql`now()`, url: end.url ?? null, error: end.error ? JSON.stringify(end.error) : null })
    .where('id', '=', id)
    .where('state', 'in', ['queued', 'running'])
    .returningAll()
    .executeTakeFirst()
  if (finished === undefined) return
  const { action, platform, by } = finished
  const { state: outcome, url, error, result } = end
  await appendEvents(tx, id, [{ operation: id, body: { v: 1, type: 'operation.finished', outcome, ...(url === undefined ? {} : { url }), ...(error === undefined ? {} : { error }), ...(result === undefined ? {} : { result }) } }])
  const text = `${titleOf(finished)} ${outcome === 'done' ? 'done' : outcome}${error === undefined ? '' : `: ${error.message}`}`
  await appendEvents(tx, activityStream, [{ operation: id, body: { what: 'operation.finished', by, action, platform, ...addressOf(finished), outcome, text } }])
  // A platform has no channels before it is made, and none when it is gone.
  const about = { platform, ...addressOf(finished), operation: id, action, by }
  if (outcome === 'failed' && error !== undefined && finished.project !== null && !wasOvertaken(finished, error)) {
    const { code, message, reason, suggestion } = error
    await addNotice(tx, { event: 'operation.failed', ...about, title: `${titleOf(finished)} failed`, text: `${message} (${code})`, error: { code, message, suggestion, ...(reason === undefined ? {} : { reason }) } })
  }
  const because = endOfCanary(result)
  if (outcome === 'done' && because !== undefined) await addNotice(tx, { event: 'canary.failed', ...about, title: `The canary of ${addressText(finished)} failed`, text: `${because}. All of the traffic is back with the version before.` })
}

async function skipDependents(tx: Tx, jobs: readonly JobRow[]): Promise<readonly JobRow[]> {
  const broken = jobs.filter(({ state }) => state === 'failed' || state === 'cancelled' || state === 'skipped')
  const next = jobs.find((job) => job.state === 'queued' && job.after.some((id) => broken.some((predecessor) => predecessor.id === id)))
  if (next === undefined) return jobs
  const cause = broken.find(({ id }) => next.after.includes(id))!
  const error = errorBody(
    new PilotError('NOT_ALLOWED_NOW', `${nameOf(next)} was skipped because ${nameOf(cause)} ${cause.state === 'cancelled' ? 'was cancelled' : cause.state === 'skipped' ? 'was skipped' : 'failed'}`, {
      suggestion: `Mend ${nameOf(cause)} and run the command again.`,
      details: { because: cause.id },
    }),
  )
  const skipped = await tx.updateTable('jobs').set({ state: 'skipped', error: JSON.stringify(error), finished_at: sql`now()` }).where('id', '=', next.id).returningAll().executeTakeFirstOrThrow()
  await appendEvents(tx, next.operation, [{ operation: next.operation, body: { v: 1, type: 'notice', level: 'warning', text: `${error.message}.`, ...(next.app === null ? {} : { app: next.app }) } }])
  return skipDependents(tx, jobs.map((job) => (job.id === next.id ? skipped : job)))
}

function outcomeOf(jobs: readonly JobRow[]): { readonly state: 'done' | 'failed' | 'cancelled'; readonly url?: string; readonly error?: ErrorBody; readonly result?: Record<string, unknown> } {
  const failed = jobs.find(({ state }) => state === 'failed')
  const cancelled = jobs.find(({ state }) => state === 'cancelled')
  const state = failed ? 'failed' : cancelled ? 'cancelled' : 'done'
  const url = mainUrl(jobs)
  const error = (failed ?? cancelled)?.error ?? undefined
  const result = resultOf(jobs)
  return { state, ...(url === undefined ? {} : { url }), ...(error === undefined ? {} : { error }), ...(result === undefined ? {} : { result }) }
}

/** The main app is the one that no other app of the operation comes before: of several, the first. */
function mainUrl(jobs: readonly JobRow[]): string | undefined {
  const needed = new Set(jobs.flatMap(({ after }) => after))
  const urlOf = ({ result }: JobRow): string | undefined => {
    const release = result?.['release'] as { url?: unknown } | undefined
    const url = result?.['url'] ?? release?.url
    return typeof url === 'string' ? url : undefined
  }
  return [...jobs.filter(({ id }) => !needed.has(id)), ...jobs.toReversed()].map(urlOf).find((url) => url !== undefined)
}

/** One job: its result; several: by app. */
function resultOf(jobs: readonly JobRow[]): Record<string, unknown> | undefined {
  if (jobs.length === 1) return jobs[0]!.result ?? undefined
  const results = jobs.filter(({ result }) => result !== null).map((job) => [nameOf(job), job.result] as const)
  return results.length === 0 ? undefined : Object.fromEntries(results)
}

const jobsOf = (tx: Tx, id: string): Promise<JobRow[]> => tx.selectFrom('jobs').selectAll().where('operation', '=', id).orderBy('queue_no').execute()

const nameOf = ({ app, platform, payload }: JobRow): string => app ?? `${(payload as JobPayload).action} of ${platform}`

function addressOf({ project, environment, apps }: OperationRow): { project?: string; environment?: string; apps?: readonly string[] } {
  return { ...(project === null ? {} : { project }), ...(environment === null ? {} : { environment }), ...(apps.length === 0 ? {} : { apps }) }
}

/** What the canaries' watcher decided while a person did too: that one counts, and nothing went wrong. */
const wasOvertaken = ({ by }: OperationRow, { code }: ErrorBody): boolean => by === canaryName && code === 'NOT_ALLOWED_NOW'

/** Why a canary did badly, where this ended one that did; what a person ends has no reason. */
function endOfCanary(result: Record<string, unknown> | undefined): string | undefined {
  const release = result?.['release'] as { readonly aborted?: { readonly because?: string } } | undefined
  return release?.aborted?.because
}

const titleOf = (operation: OperationRow): string => (operation.project === null ? `${operation.action} of ${operation.platform}` : `${operation.action} of ${addressText(operation)}`)

function addressText({ platform, project, environment, apps }: OperationRow): string {
  return `${apps.map((app) => appTitle({ project: project ?? '', app, environment: environment ?? 'production' })).join(', ') || project} on ${platform}`
}
