import {
  backupDatabase,
  deleteVolume,
  build,
  configure,
  deploy,
  destroyApp,
  destroyPlatform,
  errorBody,
  errorFromBody,
  findBuild,
  forgetPlatform,
  openPackedSource,
  platformNamed,
  push,
  readLedger,
  redactValue,
  release,
  restart,
  restoreDatabase,
  rollback,
  scale,
  appScope,
  start,
  stop,
  toPilotError,
  up,
  type AppIdentity,
  type DestroyResult,
  type LifecycleContext,
  type PackedSource,
} from '@pilot/core'
import { deploymentsInUse } from '../commands/in-use.ts'
import type { Database } from '../db/database.ts'
import { patiently } from '../db/patience.ts'
import { openLogWriter, operationLogPath } from '../events/log-files.ts'
import { setUpPlatform } from '../platforms/setup.ts'
import type { Providers } from '../providers/installed.ts'
import { removeRunLogs } from '../schedule/run-log.ts'
import { forgetRunsOf } from '../schedule/runs.ts'
import { sourcePath } from '../sources/upload.ts'
import { operationRedactor, ownerOf, type Platforms } from '../wiring.ts'
import { recordDuration, usualDurations } from './durations.ts'
import type { JobPayload } from './plan.ts'
import type { ClaimedJob } from './queue.ts'
import { openReporter } from './reporter.ts'
import { isGivenBack, type ExecuteJob } from './runner.ts'

export interface ExecuteOptions {
  readonly db: Database
  readonly home: { readonly dir: string; readonly logs: string; readonly sources: string }
  readonly serverId: string
  readonly platforms: Platforms
  readonly providers: Providers
}

/** An attempt that follows a dead one waits for the lease that the dead one may still hold; a first one does not wait long. */
const waitForLeaseMs = ({ attempt }: ClaimedJob): number => (attempt > 1 ? 180_000 : 15_000)

/** From a job to the lifecycle: opens its platform, its source, its log and its events, and calls the phase. */
export function jobExecutor({ db, home, serverId, platforms, providers }: ExecuteOptions): ExecuteJob {
  return async (job, signal) => {
    using _visit = platforms.visit()
    const payload = job.payload as JobPayload
    const app = appOf(job)
    const [operation, usual] = await patiently(() => Promise.all([operationOf(db, job), app === undefined ? new Map<string, number>() : usualDurations(db, app)]))
    const { by } = operation

    // An earlier attempt may have forgotten the platform and died before it could say so.
    if (payload.action === 'destroy-platform' && (await platformNamed(home.dir, job.platform)) === undefined) return { deleted: [], kept: [], foreign: [] } satisfies DestroyResult

    const prepared = payload.action === 'setup' ? await setUpPlatform.prepare({ home: home.dir, providers, platforms, serverId, name: job.platform, payload, signal }) : undefined
    const platform = prepared?.platform ?? (await platforms.open(job.platform))
    const { redactor, secrets } = await operationRedactor(platform.context({ by, ...ownerOf(serverId) }).secrets, app)
    const reporter = openReporter({ db, job, redactor })
    const log = openLogWriter({ path: operationLogPath(home.logs, job.operation), prefix: prefixOf(job, operation), redact: redactor.redact })
    const durations: Promise<unknown>[] = []

    const opened = platform.context({
      by,
      ...ownerOf(serverId),
      signal,
      waitForLeaseMs: waitForLeaseMs(job),
      ...(job.attempt > 1 && job.started_at !== null ? { resumesSince: job.started_at } : {}),
      usualMs: (phase) => usual.get(phase),
      log: (line) => log.line(line),
      emit(event) {
        if (event.type === 'phase.finished' && event.outcome !== 'done' && isGivenBack(signal)) return
        reporter.emit(event)
        if (event.type === 'phase.finished' && event.outcome === 'done' && app !== undefined) durations.push(recordDuration(db, app, event.phase, event.ms).catch(() => {}))
      },
    })
    const openSource = (source: { readonly digest: string }): Promise<PackedSource> => openPackedSource({ tarGzFile: sourcePath(home.sources, source.digest), record: source })
    const context: LifecycleContext = { ...opened, secrets, openSource, goesOnLater: () => isGivenBack(signal), deploymentsInUse: (of) => patiently(() => deploymentsInUse(db, { platform: job.platform, app: of })) }
    if (job.attempt > 1) reporter.emit({ type: 'notice', level: 'info', text: 'Going on after an interruption', ...(app ? { app: app.app } : {}) })

    for (const text of prepared?.notices ?? []) reporter.emit({ type: 'notice', level: 'info', text })

    try {
      const result = await act(payload, context, {
        job,
        openSource,
        async forget() {
          await platforms.forget(context.platform.id)
          await forgetPlatform(home.dir, context.platform.id)
        },
        async forgetRuns(of) {
          await removeRunLogs(home.logs, await patiently(() => forgetRunsOf(db, { platform: job.platform, app: of })))
        },
      })
      return redactValue(result, redactor)
    } catch (error) {
      // The last lines of a log stand in it.
      const body = errorBody(toPilotError(error))
      throw errorFromBody({ ...redactValue(body, redactor), code: body.code })
    } finally {
      if (isGivenBack(signal)) reporter.emit({ type: 'notice', level: 'info', text: 'The server stops; this goes on when it starts again', ...(app ? { app: app.app } : {}) })
      await Promise.all([reporter.flush(), log.flush(), ...durations])
    }
  }
}

interface Surroundings {
  readonly job: ClaimedJob
  openSource(source: { readonly digest: string }): Promise<PackedSource>
  /** Nothing of the platform is left. */
  forget(): Promise<void>
  /** Nothing of the app is: what its scheduled runs printed goes too, and no failure of them stands in the status of one that takes its name. */
  forgetRuns(app: AppIdentity): Promise<void>
}

/** Which phase of the lifecycle each action is. */
async function act(payload: JobPayload, context: LifecycleContext, { job, openSource, forget, forgetRuns }: Surroundings): Promise<Record<string, unknown>> {
  switch (payload.action) {
    case 'setup':
      return { ...(await setUpPlatform.apply(context, payload)) }
    case 'up': {
      const { definition, source } = payload.app
      return { ...(await up(context, { app: definition, source: await openSource(source), release: payload.release, ...(payload.canary === undefined ? {} : { canary: payload.canary }), force: payload.force })) }
    }
    case 'build': {
      const { definition, source } = payload.app
      return { build: await build(context, { app: definition, source: await openSource(source), force: payload.force }) }
    }
    case 'deploy': {
      const { definition } = payload.app
      const chosen = findBuild(await readLedger(context.store.scope(appScope(definition.app))), definition.app, payload.app.build)
      const pushed = await push(context, { app: definition.app, build: chosen })
      return { deployment: await deploy(context, { app: definition, build: pushed }) }
    }
    case 'release':
      return { release: await release(context, { app: payload.app, ...given(payload, 'deployment', 'canary', 'after') }) }
    case 'rollback':
      return { release: await rollback(context, { app: payload.app, ...given(payload, 'to', 'because', 'after') }) }
    case 'restart':
      return { release: await restart(context, { app: payload.app }) }
    case 'start':
      return { release: await start(context, { app: payload.app }) }
    case 'stop':
      return { ...(await stop(context, { app: payload.app })) }
    case 'scale':
      return { release: await scale(context, { app: payload.app, counts: payload.counts }) }
    case 'configure':
      return { ...(await configure(context, { app: payload.app, set: payload.set, unset: payload.unset, ...(payload.restore === undefined ? {} : { restore: payload.restore }), stage: payload.stage })) }
    // The values are in the secret store already: the next configuration refers to their newest versions.
    case 'secret':
      return { ...(await configure(context, { app: payload.app, set: {}, unset: [], stage: payload.stage })) }
    // The operation's id: an attempt that follows an interrupted one goes on with the same backup.
    case 'backup':
      return { backup: await backupDatabase(context, { app: payload.app, id: backupId(job), ...(payload.keep === undefined ? {} : { keep: payload.keep }) }) }
    case 'restore':
      return { ...(await restoreDatabase(context, { app: payload.app, id: job.operation, backup: payload.backup, dropOld: payload.dropOld })) }
    case 'delete-volume':
      return { ...(await deleteVolume(context, { app: payload.app, volume: payload.volume })) }
    case 'destroy-app': {
      const destroyed = await destroyApp(context, { app: payload.app, deleteData: payload.deleteData, hooks: payload.hooks })
      await forgetRuns(payload.app)
      return { ...destroyed }
    }
    case 'destroy-platform':
      return { ...(await destroyPlatform(context, { deleteData: payload.deleteData, whenGone: forget })) }
  }
}

/** These of them that are there. */
const given = <T extends object, K extends keyof T>(values: T, ...keys: readonly K[]): { [P in K]?: NonNullable<T[P]> } => Object.fromEntries(keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]]))) as never

/** Sorts by day, and is one for all attempts: `20261122-k3v9x2mqpa`. */
const backupId = ({ operation, created_at }: ClaimedJob): string => `${new Date(created_at).toISOString().slice(0, 10).replaceAll('-', '')}-${operation}`

/** With several apps in one log, each line says whose it is. */
const prefixOf = ({ app }: ClaimedJob, { apps }: { readonly apps: readonly string[] }): string => (app !== null && apps.length > 1 ? `${app} | ` : '')

const operationOf = (db: Database, { operation }: ClaimedJob) => db.selectFrom('operations').select(['by', 'apps']).where('id', '=', operation).executeTakeFirstOrThrow()

const appOf = ({ project, environment, app }: ClaimedJob): AppIdentity | undefined => (project !== null && environment !== null && app !== null ? { project, environment, app } : undefined)
