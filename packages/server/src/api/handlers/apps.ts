import {
  allowedActions,
  appScope,
  appStatus,
  appTitle,
  errorBody,
  linkVariable,
  listApps,
  listConfiguration,
  listPlatforms,
  listReleases,
  PilotError,
  secretPrefix,
  toPilotError,
  type AppIdentity,
  type AppStatus,
  type ConfigurationRecord,
  type ErrorBody,
  type LifecycleContext,
} from '@pilot/core'
import type { AllowedActions, AppView } from '../../contract/apps.ts'
import type { Job } from '../../contract/operations.ts'
import { activityStream, appendEvents } from '../../events/streams.ts'
import { jobView, type JobRow } from '../../jobs/view.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { errorLine, lineHeaders, streamAnswer } from '../stream.ts'
import { platformViews } from './platforms.ts'

export function appHandlers(services: Services) {
  const { db, home, platforms } = services
  return {
    async status({ query: { project, environment, platform }, signal }) {
      const [views, jobs] = await Promise.all([platformViews(services, signal, platform), unfinishedJobs({ project, environment, platform })])
      if (platform !== undefined && views.length === 0) throw new PilotError('NOT_FOUND', `There is no platform ${platform}`)
      const usable = views.filter(({ state }) => state !== 'unusable')
      const apps = await Promise.all(usable.map(({ name }) => appsOf(name, { project, environment }, jobs, signal)))
      return { platforms: views, apps: apps.flat(), jobs }
    },

    async app({ params: app, query: { platform }, signal }) {
      const { context, name } = await placeOf(app, platform, signal)
      return appView(context, name, app, await unfinishedJobs({ ...app, platform: name }))
    },

    async releases({ params: app, query: { platform, limit = 100 }, signal }) {
      const { context } = await placeOf(app, platform, signal)
      const all = await listReleases(context, { app })
      const releases = all.releases.toReversed().slice(0, limit)
      const named = new Set(releases.map(({ deployment }) => deployment))
      const current = all.live === undefined ? undefined : all.releases.findLast(({ deployment }) => deployment === all.live)?.number
      return { releases, deployments: all.deployments.filter(({ id }) => named.has(id)).toReversed(), ...(current === undefined ? {} : { current }) }
    },

    async deployments({ params: app, query: { platform, limit = 100 }, signal }) {
      const { context } = await placeOf(app, platform, signal)
      const { deployments, live } = await listReleases(context, { app })
      return { deployments: deployments.toReversed().slice(0, limit), ...(live === undefined ? {} : { released: live }) }
    },

    async env({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(app, platform, signal, { mayBeNew: true })
      const [lines, newest, { deployments, live }] = await Promise.all([listConfiguration(context, { app }), newestConfiguration(context, app), listReleases(context, { app })])
      const current = deployments.find(({ id }) => id === live)
      const released = current?.configuration
      return {
        version: newest?.version ?? 0,
        ...(released === undefined ? {} : { released }),
        values: lines.map(({ name, source, value, hides }) => ({ key: name, source, ...(value === undefined ? {} : { value }), ...(source === 'platform' ? { from: current?.run.uses.find((used) => linkVariable(used) === name) ?? 'database' } : {}), ...(hides.length > 0 ? { hides: [...hides] } : {}) })),
      }
    },

    async secrets({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(app, platform, signal, { mayBeNew: true })
      const prefix = secretPrefix(app)
      const [listed, released] = await Promise.all([context.secrets.list(prefix), releasedConfiguration(context, app)])
      return {
        secrets: listed.map(({ name: path, version, updatedAt }) => {
          const name = path.slice(prefix.length)
          return { name, version, updatedAt, ...(released === undefined ? {} : { released: released.secrets[name]?.$secret.version === version }) }
        }),
      }
    },

    async putSecrets({ params: app, query: { platform }, body: { values }, by, signal }) {
      const { context, name: onPlatform } = await placeOf(app, platform, signal, { mayBeNew: true })
      const prefix = secretPrefix(app)
      const before = new Map((await context.secrets.list(prefix)).map(({ name, version }) => [name, version]))
      const stored: { name: string; version: number }[] = []
      for (const [name, value] of Object.entries(values)) {
        const path = `${prefix}${name}`
        const version = before.get(path)
        // The same value again is the same version, so that nothing is released for it.
        const isSame = version !== undefined && (await context.secrets.get({ $secret: { store: context.secrets.name, name: path, version } })) === value
        stored.push({ name, version: isSame ? version : (await context.secrets.put(path, value)).$secret.version })
      }
      await report({ what: 'secret.set', by, platform: onPlatform, app, text: `set ${Object.keys(values).join(', ')} of ${appTitle(app)}` })
      return { stored }
    },

    async removeSecret({ params: { name, ...app }, query: { platform }, by, signal }) {
      const { context, name: onPlatform } = await placeOf(app, platform, signal, { mayBeNew: true })
      const path = `${secretPrefix(app)}${name}`
      if (!(await context.secrets.list(secretPrefix(app))).some((secret) => secret.name === path)) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no secret ${name}`, { suggestion: 'See `secret list`.' })
      await context.secrets.remove(path)
      await report({ what: 'secret.unset', by, platform: onPlatform, app, text: `removed ${name} of ${appTitle(app)}` })
      return { done: true as const }
    },

    async logs({ params: app, query: { platform, follow = false, tail, cursor, deployment }, signal }) {
      const { context } = await placeOf(app, platform, signal)
      const { deployments, live } = await listReleases(context, { app })
      const target = (deployments.find(({ id }) => id === (deployment ?? live)) ?? deployments.at(-1))?.target
      if (target === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no logs`, { reason: 'It was never deployed.' })
      const logs = context.provider.compute[target]?.logs
      if (logs === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${context.platform.provider} gives no logs of a ${target}`)
      return streamAnswer({
        headers: lineHeaders,
        signal,
        onError: errorLine,
        make: async function* (open) {
          const call = { app, follow, signal: open, ...(tail === undefined ? {} : { tail }), ...(cursor === undefined ? {} : { cursor }), ...(deployment === undefined ? {} : { deployments: [deployment] }) }
          for await (const line of logs(call)) yield `${JSON.stringify(line)}\n`
        },
      })
    },
  } satisfies Partial<Handlers>

  /** On which platform an app lives: the named one, else the only one that has it. */
  async function placeOf(app: AppIdentity, platform: string | undefined, signal: AbortSignal, { mayBeNew = false } = {}): Promise<{ context: LifecycleContext; name: string }> {
    if (platform !== undefined || mayBeNew) {
      const { context, record } = await platforms.reader(platform ?? (mayBeNew ? await nameOfPlace(app) : undefined), signal)
      if (!mayBeNew && !(await has(context, app))) throw unknownApp(app, record.name)
      return { context, name: record.name }
    }
    const places = await placesOf(app, signal)
    if (places.length === 1) return places[0]!
    if (places.length === 0) throw unknownApp(app)
    throw new PilotError('ANSWER_NEEDED', `${appTitle(app)} is on several platforms`, { reason: `They are ${places.map(({ name }) => name).join(', ')}.`, suggestion: 'Name one with `--platform`.' })
  }

  async function nameOfPlace(app: AppIdentity): Promise<string | undefined> {
    const places = await placesOf(app)
    return places.length === 1 ? places[0]!.name : undefined
  }

  async function placesOf(app: AppIdentity, signal?: AbortSignal): Promise<readonly { context: LifecycleContext; name: string }[]> {
    const records = await listPlatforms(home.dir)
    const found = await Promise.all(
      records.map(async ({ name }) => {
        const opened = await platforms.reader(name, signal).catch(() => undefined)
        return opened !== undefined && (await has(opened.context, app)) ? { context: opened.context, name } : undefined
      }),
    )
    return found.filter((place) => place !== undefined)
  }

  async function appsOf(platform: string, filter: { project: string | undefined; environment: string | undefined }, jobs: readonly Job[], signal: AbortSignal): Promise<readonly AppView[]> {
    const { context } = await platforms.reader(platform, signal)
    const apps = await listApps(context, { ...(filter.project === undefined ? {} : { project: filter.project }), ...(filter.environment === undefined ? {} : { environment: filter.environment }) })
    return Promise.all(apps.map((app) => appView(context, platform, app, jobs)))
  }

  async function unfinishedJobs({ project, environment, platform, app }: { project?: string | undefined; environment?: string | undefined; platform?: string | undefined; app?: string | undefined }): Promise<readonly Job[]> {
    let query = db.selectFrom('jobs').innerJoin('operations', 'operations.id', 'jobs.operation').selectAll('jobs').select('operations.by').where('jobs.state', 'in', ['queued', 'running']).orderBy('jobs.queue_no')
    if (project !== undefined) query = query.where('jobs.project', '=', project)
    if (environment !== undefined) query = query.where('jobs.environment', '=', environment)
    if (platform !== undefined) query = query.where('jobs.platform', '=', platform)
    if (app !== undefined) query = query.where('jobs.app', '=', app)
    return (await query.execute()).map(({ by, ...row }) => jobView(row as JobRow, by))
  }

  async function report({ app: { project, environment, app }, ...activity }: { what: string; by: string; platform: string; app: AppIdentity; text: string }): Promise<void> {
    await db.transaction().execute((tx) => appendEvents(tx, activityStream, [{ body: { ...activity, project, environment, apps: [app] } }]))
  }
}

async function appView(context: LifecycleContext, platform: string, app: AppIdentity, jobs: readonly Job[]): Promise<AppView> {
  const { status, problem } = await statusOf(context, app)
  const own = jobs.filter((job) => job.platform === platform && job.scope === appScope(app))
  const job = own.find(({ state }) => state === 'running') ?? own[0]
  const busy = job === undefined ? undefined : `${job.action} by ${job.by}`
  return { status, platform, actions: byName(allowedActions({ state: status.state, ...(busy === undefined ? {} : { busy }) })), ...(job === undefined ? {} : { job }), ...(problem === undefined ? {} : { problem }) }
}

/** When the provider cannot be asked (an engine that is stopped), what the records say, and why that is all. */
async function statusOf(context: LifecycleContext, app: AppIdentity): Promise<{ readonly status: AppStatus; readonly problem?: ErrorBody }> {
  try {
    return { status: await appStatus(context, { app }) }
  } catch (error) {
    const compute = Object.fromEntries(Object.entries(context.provider.compute).map(([target, each]) => [target, { ...each, status: async () => [] }]))
    return { status: await appStatus({ ...context, provider: { ...context.provider, compute } }, { app }), problem: errorBody(toPilotError(error)) }
  }
}

const byName = (verdicts: ReturnType<typeof allowedActions>): AllowedActions => Object.fromEntries(verdicts.map(({ action, ...verdict }) => [action, verdict]))

const has = async ({ store }: LifecycleContext, app: AppIdentity): Promise<boolean> => (await store.scopes()).includes(appScope(app))

async function newestConfiguration(context: LifecycleContext, app: AppIdentity): Promise<ConfigurationRecord | undefined> {
  return (await configurationsOf(context, app)).findLast(({ derivedFrom }) => derivedFrom === undefined)
}

async function releasedConfiguration(context: LifecycleContext, app: AppIdentity): Promise<ConfigurationRecord | undefined> {
  const { deployments, live } = await listReleases(context, { app })
  const version = deployments.find(({ id }) => id === live)?.configuration
  return (await configurationsOf(context, app)).find((configuration) => configuration.version === version)
}

async function configurationsOf({ store }: LifecycleContext, app: AppIdentity): Promise<readonly ConfigurationRecord[]> {
  const all = await store.scope(appScope(app)).listRecords<ConfigurationRecord>('configuration')
  return all.map(({ record }) => record).sort((a, b) => a.version - b.version)
}

const unknownApp = (app: AppIdentity, platform?: string): PilotError =>
  new PilotError('NOT_FOUND', `There is no app ${appTitle(app)}${platform === undefined ? '' : ` on ${platform}`}`, { suggestion: '`status` lists what there is; `up` deploys it.' })
