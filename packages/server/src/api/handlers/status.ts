import { setTimeout as sleep } from 'node:timers/promises'
import { allowedActions, appScope, appStatus, errorBody, listApps, PilotError, toPilotError, type ActionVerdict, type AppIdentity, type AppStatus, type ErrorBody, type LifecycleContext } from '@pilot/core'
import type { AllowedActions, AppView } from '../../contract/apps.ts'
import type { Job } from '../../contract/operations.ts'
import type { Platform } from '../../contract/platforms.ts'
import { withWhatTheyWaitFor } from '../../jobs/ahead.ts'
import { jobView, type JobRow } from '../../jobs/view.ts'
import { runView } from '../../schedule/view.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { placeOf } from './app-place.ts'
import { platformViews } from './platforms.ts'

type Filter = { readonly [K in 'project' | 'environment' | 'platform' | 'app']?: string | undefined }

/** What runs where. Whatever cannot be read or asked is shown with its problem, and hides nothing else. */
export function statusHandlers(services: Services) {
  const { db, platforms } = services
  return {
    async status({ query: { project, environment, platform }, signal }) {
      const [views, jobs] = await Promise.all([platformViews(services, signal, platform), unfinishedJobs({ project, environment, platform })])
      if (platform !== undefined && views.length === 0) throw new PilotError('NOT_FOUND', `There is no platform ${platform}`)
      const apps = await Promise.all(views.map((view) => appsOf(view, { project, environment, jobs, signal })))
      const live = apps.flat().flatMap(({ platform: on, status: { deployment, state } }) => (deployment === undefined || state === 'stopped' ? [] : [{ platform: on, deployment }]))
      return { platforms: views, apps: apps.flat(), jobs, failing: (await services.scheduler.failing(live)).map(runView) }
    },

    async app({ params: app, query: { platform }, signal }) {
      const { context, name } = await placeOf(services, app, { platform, signal })
      return appView(context, name, app, await unfinishedJobs({ ...app, platform: name }))
    },
  } satisfies Partial<Handlers>

  async function appsOf({ name, state }: Platform, { project, environment, jobs, signal }: { project: string | undefined; environment: string | undefined; jobs: readonly Job[]; signal: AbortSignal }): Promise<readonly AppView[]> {
    // One that is unusable for a reason of its own scope still shows its apps; one that cannot be opened shows none.
    const opened = await platforms.reader(name, signal).catch((error: unknown) => {
      if (state !== 'unusable') throw error
    })
    if (!opened) return []
    const apps = await listApps(opened.context, { ...(project === undefined ? {} : { project }), ...(environment === undefined ? {} : { environment }) })
    return Promise.all(apps.map((app) => appView(opened.context, name, app, jobs)))
  }

  async function unfinishedJobs({ project, environment, platform, app }: Filter): Promise<readonly Job[]> {
    let query = db.selectFrom('jobs').innerJoin('operations', 'operations.id', 'jobs.operation').selectAll('jobs').select('operations.by').where('jobs.state', 'in', ['queued', 'running']).orderBy('jobs.queue_no')
    if (project !== undefined) query = query.where('jobs.project', '=', project)
    if (environment !== undefined) query = query.where('jobs.environment', '=', environment)
    if (platform !== undefined) query = query.where('jobs.platform', '=', platform)
    if (app !== undefined) query = query.where('jobs.app', '=', app)
    return withWhatTheyWaitFor(db, (await query.execute()).map(({ by, ...row }) => jobView(row as JobRow, by)))
  }
}

async function appView(context: LifecycleContext, platform: string, app: AppIdentity, jobs: readonly Job[]): Promise<AppView> {
  const own = jobs.filter((job) => job.platform === platform && job.scope === appScope(app))
  const job = own.find(({ state }) => state === 'running') ?? own[0]
  const busy = job === undefined ? undefined : `${job.action} by ${job.by}`
  const { status, problem, isUnreadable = false } = await statusOf(context, app)
  const verdicts = allowedActions({ state: status.state, canary: status.canary !== undefined, ...(busy === undefined ? {} : { busy }) })
  const actions = byName(isUnreadable ? verdicts.map(({ action }) => ({ action, allowed: false, reason: `${problem!.message}.` })) : verdicts)
  return { status, platform, actions, ...(job === undefined ? {} : { job }), ...(problem === undefined ? {} : { problem }) }
}

/** When the provider cannot be asked (an engine that is stopped), what the records say; when they cannot be read either, that alone. */
async function statusOf(context: LifecycleContext, app: AppIdentity): Promise<{ readonly status: AppStatus; readonly problem?: ErrorBody; readonly isUnreadable?: boolean }> {
  try {
    return { status: await within(providerMs, appStatus(context, { app })) }
  } catch (error) {
    const problem = errorBody(toPilotError(error))
    const compute = Object.fromEntries(Object.entries(context.provider.compute).map(([target, each]) => [target, { ...each, status: async () => [] }]))
    const recorded = await appStatus({ ...context, provider: { ...context.provider, compute } }, { app }).catch(() => undefined)
    return recorded === undefined ? { status: { app, state: 'unhealthy', instances: [] }, problem, isUnreadable: true } : { status: recorded, problem }
  }
}

/** Longer than a busy provider takes, and shorter than a person waits. */
const providerMs = 8_000

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const ended = new AbortController()
  const late = sleep(ms, undefined, { signal: ended.signal, ref: false }).then(() => {
    throw new PilotError('TIMED_OUT', `What runs could not be asked within ${ms / 1000} s`, { reason: 'Its engine or provider did not answer. What is shown is what was released.', suggestion: 'See `doctor`; run the command again when it answers.' })
  })
  late.catch(() => {})
  work.catch(() => {})
  return await Promise.race([work, late]).finally(() => ended.abort())
}

const byName = (verdicts: readonly ActionVerdict[]): AllowedActions => Object.fromEntries(verdicts.map(({ action, ...verdict }) => [action, verdict]))
