import { errorBody, toPilotError } from '../errors/pilot-error.ts'
import type { Phase } from '../events/event.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { LifecycleContext } from './context.ts'
import { cancelReason, throwIfCancelled } from './session.ts'

/** What a phase says when it ends well. */
export interface PhaseEnd<T> {
  readonly result: T
  readonly outcome?: 'done' | 'unchanged'
  readonly detail?: string
}

/** Runs one phase between its two events; a failure is reported and thrown on. */
export async function runPhase<T>(context: LifecycleContext, { app, phase, detail }: { app: AppIdentity; phase: Phase; detail?: string }, work: () => Promise<PhaseEnd<T>>): Promise<T> {
  throwIfCancelled(context.signal)
  const usualMs = context.usualMs?.(phase, app)
  context.emit({ type: 'phase.started', app: app.app, phase, ...(detail === undefined ? {} : { detail }), ...(usualMs === undefined ? {} : { usualMs }) })
  const started = performance.now()
  const elapsed = (): number => Math.round(performance.now() - started)
  try {
    const { result, outcome = 'done', detail: ending } = await work()
    context.emit({ type: 'phase.finished', app: app.app, phase, outcome, ms: elapsed(), ...(ending === undefined ? {} : { detail: ending }) })
    return result
  } catch (error) {
    // What waits with the signal of the operation throws in words of its own.
    const failure = context.signal.aborted && (error as Error | undefined)?.name === 'AbortError' ? cancelReason(context.signal) : toPilotError(error)
    context.emit({ type: 'phase.finished', app: app.app, phase, outcome: failure.code === 'CANCELLED' ? 'cancelled' : 'failed', ms: elapsed(), error: errorBody(failure) })
    throw failure
  }
}
