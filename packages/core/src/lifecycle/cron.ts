import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { invokeDeployment, scheduledEvent } from './invoke.ts'
import { readLedger } from './ledger.ts'
import { liveDeployment, liveDeployments } from './live.ts'
import { runOneOff, type OneOffInput } from './one-off.ts'
import type { CronJob, DeploymentRecord } from './records.ts'
import { appScope, appTitle } from './scope.ts'
import type { Store } from '../store/store.ts'

export interface CronInput extends Pick<OneOffInput, 'app' | 'output'> {
  /** Its name. */
  readonly job: string
}

/**
 * Runs one job of `cron:` once, now, as what is live has it, and resolves to its exit code. Takes no lease. When, how often and
 * whether beside another run is up to the caller: a server keeps to schedules, a script calls this. Throws NOT_FOUND, NOT_ALLOWED_NOW, TIMED_OUT.
 */
export async function runCronJob(context: LifecycleContext, { app, job: name, output }: CronInput): Promise<{ readonly exitCode: number }> {
  const deployment = await readLiveDeployment(context.store, app)
  if (deployment === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} is not live`, { reason: 'Cron jobs run in what is live.', suggestion: 'Deploy it with `up`, or start it.' })
  const jobs = deployment.run.cron ?? {}
  const job = Object.hasOwn(jobs, name) ? jobs[name]! : undefined
  if (job === undefined) throw unknownCronJob(app, name, Object.keys(jobs))
  return runCronJobOf(context, { deployment, name, job, output })
}

/** The same with a job of a certain deployment. */
export async function runCronJobOf(context: LifecycleContext, { deployment: { app, id, target }, name, job, at, output }: { readonly deployment: Pick<DeploymentRecord, 'app' | 'id' | 'target'>; readonly name: string; readonly job: CronJob; /** The time that it runs for; default: now. */ readonly at?: Date; readonly output: OneOffInput['output'] }): Promise<{ readonly exitCode: number }> {
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(new PilotError('TIMED_OUT', `A run of ${appTitle(app)} took longer than ${Math.round(job.timeoutMs / 1000)} s`, { suggestion: 'Set its `timeout:` to more, or make it faster.' })), Math.min(job.timeoutMs, longestTimerMs))
  try {
    if (job.command.length === 0) {
      const signal = AbortSignal.any([context.signal, timeout.signal])
      const result = await invokeDeployment({ ...context, signal }, { deployment: { app, id, target }, event: scheduledEvent({ app, job: name, at: at ?? new Date() }) })
      const failed = 'error' in result
      await output(failed ? 'stderr' : 'stdout', Buffer.from(`${failed ? `${result.error.type}: ${result.error.message}` : result.payload}\n`))
      return { exitCode: failed ? 1 : 0 }
    }
    return await runOneOff({ ...context, signal: AbortSignal.any([context.signal, timeout.signal]) }, { app, deployment: id, command: job.command, output })
  } finally {
    clearTimeout(timer)
  }
}

/** The deployment with traffic, beside a canary the one before it; read without the rest of the records where that will do, so that it may be asked often. */
export async function readLiveDeployment(store: Store, app: AppIdentity): Promise<DeploymentRecord | undefined> {
  const scope = store.scope(appScope(app))
  const state = await scope.readState()
  const [only, ...others] = liveDeployments(state)
  if (only === undefined) return undefined
  return others.length > 0 ? liveDeployment(state, await readLedger(scope)) : scope.getRecord<DeploymentRecord>('deployment', only)
}

export function unknownCronJob(app: AppIdentity, name: string, names: readonly string[]): PilotError {
  return new PilotError('NOT_FOUND', `${appTitle(app)} has no cron job ${name}`, names.length === 0 ? { reason: 'What is live has none.', suggestion: 'Write it below `cron:` in pilot.yaml and run `up`.' } : { reason: `It has ${names.join(', ')}.` })
}

/** More than this a timer of Node does not take: 24 days. */
const longestTimerMs = 2 ** 31 - 1
