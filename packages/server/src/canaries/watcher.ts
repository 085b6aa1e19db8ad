import { appScope, canaryLookMs, isCanaryOn, judgeCanary, listApps, listPlatforms, lookAtCanary, nextOf, toPilotError, type AppIdentity, type CanaryDecision, type CanaryLook, type CanaryMemory, type LifecycleContext, type PlatformRecord } from '@pilot/core'
import type { OperationInput } from '../contract/operations.ts'
import type { Database } from '../db/database.ts'
import type { Notifications } from '../db/notifications.ts'
import { activityStream } from '../events/streams.ts'
import { createOperation } from '../jobs/create.ts'
import { planJobs } from '../jobs/plan.ts'
import type { Log } from '../log.ts'
import type { Platforms } from '../wiring.ts'
import { canaryName } from './actor.ts'

export interface CanaryWatcherOptions {
  readonly db: Database
  readonly home: { readonly dir: string }
  readonly platforms: Platforms
  readonly notifications: Notifications
  readonly log: Log
  /** Default 2 s. */
  readonly everyMs?: number
  /** For tests: a clock of their own. */
  readonly now?: () => number
}

/**
 * Takes the steps of canaries when they are due, and ends those that do badly. It only decides; what it decided is an operation in the
 * queue like any other, so that it is seen, journaled and resumed. All it goes by stands in the release records, so that a server that
 * was killed goes on; its timer runs only while a canary is on.
 */
export function startCanaryWatcher({ db, home, platforms, notifications, log, everyMs = canaryLookMs, now = Date.now }: CanaryWatcherOptions): { stop(): Promise<void> } {
  const watched = new Map<string, Watched>()
  const stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> = Promise.resolve()
  let isScanDue = false
  let lastProblem: string | undefined

  const inTurn = (work: () => Promise<void>): Promise<void> => (turn = turn.then(() => (stopping.signal.aborted ? undefined : work())).catch(tell))
  // What may have begun a canary ended just now.
  const off = notifications.on('events', (stream) => {
    if ((stream !== undefined && stream !== activityStream) || isScanDue) return
    isScanDue = true
    void inTurn(scan)
  })
  void inTurn(scan)

  async function scan(): Promise<void> {
    isScanDue = false
    using _visit = platforms.visit()
    // A platform that cannot be read (its provider is gone) or a damaged app takes the canaries of the others from nobody.
    for (const record of await listPlatforms(home.dir)) {
      await (async () => {
        const { context } = await platforms.reader(record.name, stopping.signal)
        for (const app of await listApps(context)) await find({ platform: record, app }, context).catch(tell)
      })().catch(tell)
    }
    setTimer()
  }

  async function find({ platform, app }: Watched, context: LifecycleContext): Promise<void> {
    const key = `${platform.id}/${appScope(app)}`
    if (!watched.has(key) && (await isCanaryOn(context, { app }))) watched.set(key, { platform, app })
  }

  function setTimer(): void {
    if (watched.size === 0 || stopping.signal.aborted) timer = void clearInterval(timer)
    else timer ??= setInterval(() => void inTurn(lookAtAll), everyMs).unref()
  }

  async function lookAtAll(): Promise<void> {
    using _visit = platforms.visit()
    for (const [key, each] of watched) await lookAt(key, each).catch(tell)
    setTimer()
  }

  async function lookAt(key: string, each: Watched): Promise<void> {
    const { platform, app } = each
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(10_000)])
    const context = (await listPlatforms(home.dir)).some(({ id }) => id === platform.id) ? (await platforms.reader(platform.name, signal)).context : undefined
    if (context === undefined || !(await isCanaryOn(context, { app }))) return void watched.delete(key)
    const look = await lookAtCanary({ ...context, signal }, { app, atMs: now() })
    if (look === undefined) return
    const { decision, memory } = judgeCanary(look, each.memory)
    each.memory = memory
    lastProblem = undefined
    if (decision.do !== 'wait' && !(await isBusy(platform.name, app))) await carryOut({ ...each, look, decision })
  }

  /** Somebody works on it already: a person, or what was decided before. */
  async function isBusy(platform: string, app: AppIdentity): Promise<boolean> {
    return (await db.selectFrom('jobs').select('id').where('platform', '=', platform).where('scope', '=', appScope(app)).where('state', 'in', ['queued', 'running']).executeTakeFirst()) !== undefined
  }

  /** The same decision is one operation, however often it is made. One that failed is tried again, and a step that cannot be taken ends the canary. */
  async function carryOut({ platform, app, look, decision }: Watched & { look: CanaryLook; decision: Exclude<CanaryDecision, { do: 'wait' }> }, attempt = 1): Promise<void> {
    const { release } = look
    const input: OperationInput =
      decision.do === 'abort'
        ? { action: 'rollback', app, because: decision.because.slice(0, 500), after: release.number }
        : { action: 'release', app, deployment: release.deployment, after: release.number, ...(decision.percent === 100 ? {} : { canary: nextOf(release, decision.percent) }) }
    const requestId = ['canary', platform.id, appScope(app), release.number, release.at, decision.do, attempt].join(':')
    const { operation, created } = await createOperation(db, { action: input.action, platform: platform.name, project: app.project, environment: app.environment, by: canaryName, requestId, jobs: planJobs(input) })
    if (created) return log.info('canary', { app: appScope(app), decision: decision.do, ...(decision.do === 'abort' ? { because: decision.because } : { percent: decision.percent }) })
    // A step that a person cancelled waits for a person.
    if (operation.state !== 'failed') return
    if (decision.do === 'advance' && !passing.has(operation.error?.code ?? '')) return carryOut({ platform, app, look, decision: { do: 'abort', because: `the step to ${decision.percent} % failed: ${operation.error?.message ?? 'unknown'}` } })
    if (Date.now() - Date.parse(operation.finishedAt ?? '') > retryMs * 2 ** Math.min(attempt - 1, 6)) await carryOut({ platform, app, look, decision }, attempt + 1)
  }

  /** Once per cause. */
  function tell(error: unknown): void {
    const { message } = toPilotError(error)
    if (!stopping.signal.aborted && message !== lastProblem) log.warn('could not look at canaries', { reason: message })
    lastProblem = message
  }

  return {
    async stop() {
      off()
      clearInterval(timer)
      stopping.abort()
      await turn
    },
  }
}

interface Watched {
  readonly platform: PlatformRecord
  readonly app: AppIdentity
  memory?: CanaryMemory
}

/** What says nothing about the canary. */
const passing: ReadonlySet<string> = new Set(['HELD', 'LEASE_LOST', 'INTERNAL', 'ENGINE_STOPPED'])
/** Doubled with each attempt, up to a quarter of an hour. */
const retryMs = 15_000
