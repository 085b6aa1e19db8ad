import { setTimeout as sleep } from 'node:timers/promises'
import { appTitle, errorBody, PilotError, redactValue, toPilotError } from '@pilot/core'
import type { Database } from '../db/database.ts'
import type { RunnerIdentity } from '../db/schema.ts'
import { activityStream, appendEvents } from '../events/streams.ts'
import type { Log } from '../log.ts'
import { operationRedactor } from '../wiring.ts'
import type { SchedulerClock } from './clock.ts'
import { schedulesOf, type FindOptions } from './find-schedules.ts'
import { openRunLog, removeRunLogs, runLogPath } from './run-log.ts'
import { beatRuns, finishRun, forgetOldRuns, handOver, requestEnd, stillRunning, type Claim } from './runs.ts'
import { keyOf, type RunEnd, type Schedule, type ScheduleType } from './schedule.ts'

export interface RunningOptions extends FindOptions {
  readonly db: Database
  readonly logs: string
  readonly log: Log
  readonly identity: RunnerIdentity
  readonly clock: SchedulerClock
  /** After the last of the runs that were under way. */
  readonly onIdle?: (() => void) | undefined
}

export interface NewStart {
  readonly schedule: Schedule
  readonly dueAt?: Date
  readonly by: string
  readonly claim: Extract<Claim, { claimed: 'run' }>
  /** Of who asked for it: ends it. */
  readonly signal?: AbortSignal
  output?(stream: 'stdout' | 'stderr', data: Uint8Array): void
}

/** The runs of this program. */
export interface Running {
  /** Runs what was claimed, to its end; never rejects. */
  start(run: NewStart): Promise<RunEnd | { readonly operation: string }>
  /** The schedule as it is live at this moment. */
  asLiveNow(schedule: Schedule): Promise<Schedule | undefined>
  /** Ends the runs of apps that are no longer live. */
  endWhere(isGone: (schedule: Schedule) => boolean): void
  stop(options: { readonly wait: boolean }): Promise<void>
}

const heartbeatMs = 5_000

interface Active {
  readonly schedule: Schedule
  readonly done: Promise<unknown>
  end(state: RunEnd['state'], error: PilotError): void
}

export function openRunning({ db, logs, log, identity: _, clock, onIdle, platforms, serverId, types }: RunningOptions): Running {
  const active = new Map<string, Active>()
  let heartbeat: NodeJS.Timeout | undefined

  function start(run: NewStart): ReturnType<Running['start']> {
    const { claim: { id }, schedule, signal } = run
    const abort = new AbortController()
    let endedAs: RunEnd['state'] | undefined
    const end: Active['end'] = (state, error) => {
      if (abort.signal.aborted) return
      endedAs = state
      abort.abort(error)
    }
    const onLeft = (): void => end('cancelled', new PilotError('CANCELLED', 'Whoever asked for this run went away'))
    signal?.addEventListener('abort', onLeft, { once: true })
    if (signal?.aborted) onLeft()
    const done = runToItsEnd(run, { signal: abort.signal, endedAs: () => endedAs }).finally(() => {
      signal?.removeEventListener('abort', onLeft)
      active.delete(id)
      if (active.size > 0) return
      clearInterval(heartbeat)
      heartbeat = undefined
      onIdle?.()
    })
    active.set(id, { schedule, done, end })
    heartbeat ??= setInterval(() => void beat(), heartbeatMs)
    return done
  }

  async function runToItsEnd(run: NewStart, { signal, endedAs }: { readonly signal: AbortSignal; endedAs(): RunEnd['state'] | undefined }): ReturnType<Running['start']> {
    const { claim: { id, replaces }, schedule, dueAt, by } = run
    const type = types.find((each) => each.type === schedule.type) as ScheduleType
    log.info('scheduled run started', { run: id, schedule: keyOf(schedule), by })
    let end: RunEnd
    try {
      await endEarlier(replaces, signal)
      const result = await withLog(run, (output) => type.run({ id, schedule, by, signal, output, ...(dueAt ? { dueAt } : {}) }))
      if ('operation' in result) {
        await handOver(db, id, result.operation)
        return result
      }
      end = result.exitCode ? { state: 'failed', exitCode: result.exitCode } : { state: 'done', ...result }
    } catch (error) {
      end = { state: endedAs() ?? 'failed', error: errorBody(toPilotError(error)) }
    }
    await finished(run, end).catch((error: unknown) => log.error('could not write how a run ended', { run: id, reason: toPilotError(error).message }))
    return end
  }

  /** Its output goes to its log without secrets of the app, and as it is to whoever asked for it. */
  async function withLog<T>({ claim: { id }, schedule: { platform, app }, output: told }: NewStart, work: (output: NonNullable<NewStart['output']>) => Promise<T>): Promise<T> {
    using _visit = platforms.visit()
    const { context } = await platforms.reader(platform)
    const { redactor } = await operationRedactor(context.secrets, app)
    const runLog = openRunLog({ path: runLogPath(logs, id), redact: redactor.redact })
    try {
      return await work((stream, data) => {
        runLog.write(stream, data)
        told?.(stream, data)
      })
    } catch (error) {
      throw redacted(error, redactor)
    } finally {
      await runLog.close()
    }
  }

  /** `overlap: replace`: the run before has ended before this one begins. */
  async function endEarlier(ids: readonly string[], signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return
    await requestEnd(db, ids)
    for (const id of ids) active.get(id)?.end('replaced', replacedError())
    while ((await stillRunning(db, ids)).length > 0) await sleep(200, undefined, { signal })
  }

  async function finished({ claim: { id }, schedule, by }: NewStart, end: RunEnd): Promise<void> {
    await finishRun(db, id, end, new Date(clock.now()))
    log.info('scheduled run ended', { run: id, state: end.state, ...(end.exitCode ? { exitCode: end.exitCode } : {}), ...(end.error ? { error: end.error.message } : {}) })
    await removeRunLogs(logs, await forgetOldRuns(db, schedule))
    if (end.state !== 'failed') return
    const { platform, app: { project, environment, app }, type, name } = schedule
    const text = `${name} of ${appTitle(schedule.app)} failed: ${end.error?.message ?? `exit code ${end.exitCode}`}`
    await appendEvents(db, activityStream, [{ body: { what: `${type}.failed`, by, platform, project, environment, apps: [app], text } }])
  }

  async function beat(): Promise<void> {
    const wanted = await beatRuns(db, [...active.keys()]).catch(() => [])
    for (const id of wanted) active.get(id)?.end('replaced', replacedError())
  }

  return {
    start,
    async asLiveNow(schedule) {
      using _visit = platforms.visit()
      const { context } = await platforms.reader(schedule.platform)
      const found = await schedulesOf(context, { platform: schedule.platform, app: schedule.app, serverId, types })
      return found.schedules.find((each) => keyOf(each) === keyOf(schedule))
    },
    endWhere(isGone) {
      for (const { schedule, end } of active.values()) if (isGone(schedule)) end('cancelled', new PilotError('CANCELLED', `${appTitle(schedule.app)} was stopped`))
    },
    async stop({ wait }) {
      if (!wait) for (const { end } of active.values()) end('interrupted', new PilotError('CANCELLED', 'The server stopped while this ran', { reason: 'It is not run again for the same time.' }))
      await Promise.all([...active.values()].map(({ done }) => done))
      clearInterval(heartbeat)
    },
  }
}

const replacedError = (): PilotError => new PilotError('CANCELLED', 'The next run took the place of this one')

function redacted(error: unknown, redactor: Parameters<typeof redactValue>[1]): PilotError {
  const failure = toPilotError(error)
  const body = redactValue(errorBody(failure), redactor)
  return new PilotError(failure.code, body.message, { ...(body.reason === undefined ? {} : { reason: body.reason }), suggestion: body.suggestion })
}
