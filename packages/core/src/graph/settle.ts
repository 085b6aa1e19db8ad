import { PilotError, isPilotError } from '../errors/pilot-error.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { ResourceState } from '../store/store.ts'
import { callHandler, redactError, redactText, settleTimeoutMs, stopReason, type CallContext } from './calls.ts'
import { readOne } from './live.ts'
import type { Recorded } from './recorded.ts'
import { pauses } from './retry.ts'
import type { Park } from './schedule.ts'

/** A resource that failed for good, as its provider says: the next apply makes another generation. */
export class SettleFailure extends Error {
  readonly failure: Error
  constructor(failure: Error) {
    super(failure.message)
    this.failure = failure
  }
}

interface Settling {
  readonly kind: AnyKind
  readonly resource: ResourceState
  readonly park: Park
  readonly waiting: (message: string | undefined) => void
}

/** Asks until the resource is ready and returns its outputs. Throws SettleFailure, TIMED_OUT (it may still become ready), CANCELLED. */
export async function settle(context: CallContext, { kind, resource, inputs, opened, since, park, waiting }: Settling & { inputs: unknown; opened: ReadonlySet<string>; since: number }): Promise<Record<string, unknown>> {
  const started = context.clock.monotonicMs()
  const pause = pauses({ firstPauseMs: 100, longestPauseMs: 5_000 })
  const redact = redactText(opened)
  let operation = resource.operation
  for (;;) {
    const elapsedMs = Math.max(context.clock.date().getTime() - since, context.clock.monotonicMs() - started)
    const settled = await callHandler(context, { kind, resource, what: 'settling', mutates: false, isRepeatable: true, opened }, (call) =>
      kind.settle({ ...call, id: resource.id, inputs, elapsedMs, ...(operation === undefined ? {} : { operation }) }),
    )
    if (settled.status === 'ready') return parseOutputs(kind, resource, settled.outputs)
    if (settled.status === 'failed') throw new SettleFailure(redactError(failureOf(kind, resource, settled), redact))
    operation = settled.operation ?? operation
    const message = settled.message === undefined ? undefined : redact(settled.message)
    waiting(message)
    const limit = settleTimeoutMs(kind)
    if (context.clock.monotonicMs() - started > limit) throw new PilotError('TIMED_OUT', `${resource.key} (${kind.kind}) was not ready after ${limit} ms`, message === undefined ? {} : { reason: message })
    await rest(context, park, settled.retryAfterMs ?? pause())
  }
}

/** Asks until the resource no longer exists. */
export async function settleDelete(context: CallContext, { kind, resource, recorded, park, waiting }: Settling & { recorded: Recorded }): Promise<void> {
  const started = context.clock.monotonicMs()
  const pause = pauses({ firstPauseMs: 20, longestPauseMs: 5_000 })
  while ((await readOne(context, { kind, resource, recorded })) !== undefined) {
    waiting(undefined)
    assertInTime(context, { kind, resource, started })
    await rest(context, park, pause())
  }
}

/** Throws TIMED_OUT when a deletion takes longer than the kind's limit. */
export function assertInTime({ clock }: Pick<CallContext, 'clock'>, { kind, resource, started }: { kind: AnyKind; resource: Pick<ResourceState, 'key' | 'id'>; started: number }): void {
  const limit = settleTimeoutMs(kind)
  if (clock.monotonicMs() - started > limit) throw new PilotError('TIMED_OUT', `${resource.key} (${kind.kind} ${resource.id}) still exists ${limit} ms after its deletion was accepted`)
}

/** Waits without keeping others from starting. Throws CANCELLED or LEASE_LOST. */
export async function rest(context: CallContext, park: Park, ms: number): Promise<void> {
  await park(() => context.clock.sleep(ms, { signal: context.signal })).catch(() => {
    throw stopReason(context.signal)
  })
}

export function parseOutputs(kind: AnyKind, resource: Pick<ResourceState, 'key'>, outputs: unknown): Record<string, unknown> {
  const parsed = kind.outputs.safeParse(outputs)
  if (parsed.success) return parsed.data as Record<string, unknown>
  const issue = parsed.error.issues[0]
  throw new PilotError('INTERNAL', `${kind.kind} returned outputs of ${resource.key} that do not fit its own schema`, { reason: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}` })
}

function failureOf(kind: AnyKind, resource: ResourceState, { reason, error }: { reason: string; error?: Error }): PilotError {
  return isPilotError(error) ? error : new PilotError('RESOURCE_FAILED', `${resource.key} (${kind.kind}) failed: ${reason}`, { reason, ...(error === undefined ? {} : { cause: error }) })
}
