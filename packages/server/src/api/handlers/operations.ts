import type { IncomingMessage } from 'node:http'
import { appScope, canaryPlan, findPlatform, listApps, listAppsWithSecrets, listReleases, PilotError, refuseMissingSecrets, type AppIdentity, type CanaryInput } from '@pilot/core'
import type { Operation, OperationInput } from '../../contract/operations.ts'
import { activityStream, lastEvent } from '../../events/streams.ts'
import { followEvents } from '../../events/follow.ts'
import { operationLogPath, readLogFile } from '../../events/log-files.ts'
import { withWhatTheyWaitFor } from '../../jobs/ahead.ts'
import { cancelOperation } from '../../jobs/cancel.ts'
import { createOperation } from '../../jobs/create.ts'
import { relationsOf, type Related } from '../../jobs/needs.ts'
import { planJobs, type PlannedJob } from '../../jobs/plan.ts'
import { jobView, readOperation, readState, type JobRow } from '../../jobs/view.ts'
import { hasSource } from '../../sources/upload.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { eventHeaders, eventText, streamAnswer } from '../stream.ts'

export function operationHandlers(services: Services) {
  const { db, notifications, home, providers, platforms } = services
  return {
    async startOperation({ body, by }) {
      const repeated = body.requestId === undefined ? undefined : await operationOfRequest(services, body.requestId)
      if (repeated !== undefined) return { operation: repeated, created: false }
      // What removes something makes room.
      const full = makesRoom(body.action) ? undefined : await services.diskFull()
      if (full !== undefined) throw full
      const platform = await platformOf(body)
      const jobs = await plannedJobs(body, platform)
      return createOperation(db, { action: body.action, platform, by, jobs, ...addressOf(body), ...(body.requestId === undefined ? {} : { requestId: body.requestId }) })
    },

    async operation({ params: { id } }) {
      return existing(await readOperation(db, id), id)
    },

    async operationEvents({ params: { id }, query: { after }, raw }) {
      const begun = existing(await readState(db, id), id)
      const from = after ?? resumeAfter(raw) ?? 0
      return streamAnswer({
        headers: eventHeaders,
        make: async function* (open) {
          if (isEnded(begun) && from >= (await lastEvent(db, id))) return yield ': end\n\n'
          for await (const event of followEvents({ db, notifications, stream: id, after: from, signal: open })) {
            if (event === undefined) {
              yield ': still here\n\n'
              continue
            }
            yield eventText(event.seq, { ...event.body, seq: event.seq, at: event.at, operation: id })
            if (event.body['type'] === 'operation.finished') return yield ': end\n\n'
          }
        },
      })
    },

    async operationLog({ params: { id }, query: { offset = 0, follow = false } }) {
      existing(await readState(db, id), id)
      const path = operationLogPath(home.logs, id)
      return streamAnswer({
        headers: { 'content-type': 'text/plain; charset=utf-8', 'pilot-offset': String(offset) },
        make: (open) => (follow ? followLog({ id, path, offset, signal: open }) : readLogFile({ path, offset, signal: open })),
      })
    },

    async cancelOperation({ params: { id }, by }) {
      return cancelOperation(db, id, by)
    },

    async jobs({ query: { limit = 50, state, project, environment, app } }) {
      let query = db.selectFrom('jobs').innerJoin('operations', 'operations.id', 'jobs.operation').selectAll('jobs').select('operations.by').orderBy('jobs.queue_no', 'desc').limit(limit)
      if (state !== undefined) query = query.where('jobs.state', '=', state)
      if (project !== undefined) query = query.where('jobs.project', '=', project)
      if (environment !== undefined) query = query.where('jobs.environment', '=', environment)
      if (app !== undefined) query = query.where('jobs.app', '=', app)
      return { jobs: await withWhatTheyWaitFor(db, (await query.execute()).map(({ by, ...row }) => jobView(row as JobRow, by))) }
    },

    async events({ query: { after }, raw }) {
      const from = after ?? resumeAfter(raw) ?? (await lastEvent(db, activityStream))
      return streamAnswer({
        headers: eventHeaders,
        make: async function* (open) {
          yield `: at ${from}\n\n`
          for await (const event of followEvents({ db, notifications, stream: activityStream, after: from, signal: open })) {
            yield event === undefined ? ': still here\n\n' : eventText(event.seq, { ...event.body, seq: event.seq, at: event.at, ...(event.operation === null ? {} : { operation: event.operation }) })
          }
        },
      })
    },
  } satisfies Partial<Handlers>

  /** The name of the platform; for setup it need not exist yet. */
  async function platformOf(input: OperationInput): Promise<string> {
    if (input.action === 'setup') {
      await providers.load(input.provider)
      return input.name ?? input.provider
    }
    return (await findPlatform(home.dir, input.platform)).name
  }

  async function plannedJobs(input: OperationInput, platform: string): Promise<readonly PlannedJob[]> {
    if (input.action === 'destroy-project' || input.action === 'destroy-platform') {
      const { project, environment } = input.action === 'destroy-project' ? input : {}
      const context = (await platforms.reader(platform)).context
      const apps = await listAppsWithSecrets(context, { ...(project === undefined ? {} : { project }), ...(environment === undefined ? {} : { environment }) })
      if (apps.length === 0 && project !== undefined) throw new PilotError('NOT_FOUND', `There is nothing of ${project}${environment === undefined ? '' : ` in ${environment}`} on ${platform}`)
      return planJobs(input, { existing: await Promise.all(apps.map(async (app) => ({ app, ...(await relations(context, app)) }))) })
    }
    if (input.action === 'up' || input.action === 'build') {
      for (const { definition, source } of input.apps) {
        if (!(await hasSource(home.sources, source.digest))) throw new PilotError('NOT_FOUND', `The source ${source.digest} of ${definition.app.app} was not sent yet`, { suggestion: 'PUT /v1/sources/{digest} before the operation.' })
      }
    }
    if (input.action === 'up' || input.action === 'build' || input.action === 'deploy') checkAddresses(input)
    for (const canary of canariesOf(input)) canaryPlan(canary)
    if ('app' in input) await refuseUnknownApp(input, platform)
    if (input.action !== 'up' && input.action !== 'deploy') return planJobs(input)
    const { context } = await platforms.reader(platform)
    await refuseMissingSecrets(context, ...input.apps.map(({ definition }) => definition))
    const there = await listApps(context, { project: input.project, environment: input.environment })
    return planJobs(input, { deployed: there.map(({ app }) => app), domains: Object.fromEntries(await Promise.all(there.map(async (app) => [app.app, await liveDomains(context, app)] as const))) })
  }

  /** Settings may be made before the first deployment; everything else needs an app that is there, or about to be. */
  async function refuseUnknownApp(input: Extract<OperationInput, { app: AppIdentity }>, platform: string): Promise<void> {
    if (input.action === 'configure' || input.action === 'secret') return
    const { context } = await platforms.reader(platform)
    if ((await listApps(context, input.app)).length > 0) return
    if (input.action === 'destroy-app' && (await listAppsWithSecrets(context, input.app)).length > 0) return
    const waiting = await db.selectFrom('jobs').select('id').where('platform', '=', platform).where('scope', '=', appScope(input.app)).where('state', 'in', ['queued', 'running']).executeTakeFirst()
    if (waiting !== undefined) return
    const { project, environment } = input.app
    const known = await listApps(context, { project, environment })
    throw new PilotError('NOT_FOUND', `There is no app ${input.app.app} of ${project} in ${environment} on ${platform}`, {
      ...(known.length > 0 ? { reason: `There is ${known.map(({ app }) => app).join(', ')}.` } : {}),
      suggestion: 'Deploy it with `up`.',
    })
  }

  /** Asks the database only when the operation has reported something, and now and then. */
  async function* followLog({ id, path, offset, signal }: { id: string; path: string; offset: number; signal: AbortSignal }): AsyncGenerator<Buffer> {
    let asked = 0
    const off = notifications.on('events', (stream) => {
      if (stream === undefined || stream === id) asked = 0
    })
    const isFinished = async (): Promise<boolean> => {
      if (performance.now() - asked < 5000 && asked > 0) return false
      asked = performance.now()
      const state = await readState(db, id)
      return state === undefined || isEnded(state)
    }
    try {
      yield* readLogFile({ path, offset, isFinished, signal })
    } finally {
      off()
    }
  }
}

const makesRoom = (action: OperationInput['action']): boolean => action === 'stop' || action === 'delete-volume' || action.startsWith('destroy-')

const isEnded = (state: Operation['state']): boolean => state !== 'queued' && state !== 'running'

async function operationOfRequest({ db }: Services, requestId: string) {
  const row = await db.selectFrom('operations').select('id').where('request_id', '=', requestId).executeTakeFirst()
  return row === undefined ? undefined : readOperation(db, row.id)
}

async function liveDomains(context: Parameters<typeof listReleases>[0], app: AppIdentity): Promise<readonly string[]> {
  const { deployments, live } = await listReleases(context, { app })
  return deployments.find(({ id }) => id === live)?.run.domains ?? []
}

/** By what is live as by what was deployed last, which may never have become healthy. */
async function relations(context: Parameters<typeof listReleases>[0], app: AppIdentity): Promise<Related> {
  const { deployments, live } = await listReleases(context, { app })
  return relationsOf(app.app, [deployments.find(({ id }) => id === live), deployments.at(-1)].flatMap((deployment) => deployment?.run ?? []))
}

/** What core would refuse only after the build. */
function canariesOf(input: OperationInput): readonly CanaryInput[] {
  if (input.action === 'release') return input.canary ? [input.canary] : []
  if (input.action !== 'up' || input.canary === false) return []
  return input.canary ? [input.canary] : input.apps.flatMap(({ definition }) => definition.canary ?? [])
}

/** All apps of one request belong to its project and environment. */
function checkAddresses({ project, environment, apps }: { project: string; environment: string; apps: readonly { definition: { app: AppIdentity } }[] }): void {
  const names = apps.map(({ definition }) => definition.app.app)
  const foreign = apps.find(({ definition: { app } }) => app.project !== project || app.environment !== environment)?.definition.app
  if (foreign !== undefined) throw new PilotError('USAGE', `The app ${foreign.app} belongs to ${foreign.project} in ${foreign.environment}, not to ${project} in ${environment}`)
  if (new Set(names).size < names.length) throw new PilotError('USAGE', 'An app stands in the request twice')
}

function addressOf(input: OperationInput): { project?: string; environment?: string } {
  if ('app' in input) return { project: input.app.project, environment: input.app.environment }
  if (!('project' in input)) return {}
  return { project: input.project, ...(input.environment === undefined ? {} : { environment: input.environment }) }
}

/** Browsers that reconnect by themselves send it. */
function resumeAfter({ headers }: IncomingMessage): number | undefined {
  const id = Number(headers['last-event-id'] ?? Number.NaN)
  return Number.isInteger(id) && id >= 0 ? id : undefined
}

function existing<T>(operation: T | undefined, id: string): T {
  if (operation === undefined) throw new PilotError('NOT_FOUND', `There is no operation ${id}`, { suggestion: 'List them with `jobs`.' })
  return operation
}
