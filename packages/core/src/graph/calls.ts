import { errorBody, isPilotError, PilotError, toPilotError } from '../errors/pilot-error.ts'
import type { identityCache } from './identity.ts'
import type { AnyKind, Call, ListCall, Listed } from '../provider/kind.ts'
import { redactValue } from '../secrets/redact-value.ts'
import { createRedactor, type Redactor } from '../secrets/redactor.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import type { Clock } from '../store/clock.ts'
import type { ResourceState } from '../store/store.ts'
import { isRefusal, withRetries, type RetryPolicy } from './retry.ts'
import type { Gate } from './schedule.ts'

/** What every call to a handler needs; made once per engine. */
export interface CallContext {
  readonly platformId: string
  readonly scope: string
  readonly identity: ReturnType<typeof identityCache>
  readonly secrets: SecretStore
  readonly checkpoint: () => Promise<void>
  readonly gate: Gate
  readonly clock: Clock
  readonly policy: RetryPolicy
  /** Fires when the user cancels or the lease is lost. */
  readonly signal: AbortSignal
  /** How long a call that changes something may go on after a cancel, so that its answer can be journaled. */
  readonly cancelGraceMs: number
  readonly log: (line: string) => void
}

export interface CallOptions {
  readonly kind: AnyKind
  readonly resource: Pick<ResourceState, 'key' | 'generation'>
  /** For messages: `create`, `read`. */
  readonly what: string
  /** Changes something: is not broken off at once by a cancel. */
  readonly mutates: boolean
  /** Whether it may be sent again after a broken connection. */
  readonly isRepeatable: boolean
  /** Secrets that were opened for it: kept out of log and errors. */
  readonly opened?: ReadonlySet<string>
}

/** One call of a handler, within its deadline and the engine's width, repeated as the retry policy says. */
export function callHandler<T>(context: CallContext, options: CallOptions, run: (call: Call) => Promise<T>): Promise<T> {
  const { kind, resource, what, mutates, isRepeatable, opened = new Set() } = options
  const redact = redactText(opened)
  let isSent = false
  let isAnswered = true
  const once = () =>
    context.gate.run(async () => {
      throwIfStopped(context.signal)
      isSent = true
      return withDeadline({ context, title: `${what} of ${resource.key} (${kind.kind})`, timeoutMs: callTimeoutMs(kind), mutates }, (signal) =>
        run({ ...context.identity(resource), signal, checkpoint: context.checkpoint, log: (line) => context.log(redact(line)) }),
      ).catch((error: unknown) => {
        isAnswered &&= isRefusal(error)
        throw error
      })
    })
  return withRetries(once, { policy: context.policy, clock: context.clock, signal: context.signal, isRepeatable }).catch((error: unknown) => {
    const clean = redactError(error, redact)
    if (!isSent || isAnswered) withoutEffect.add(clean)
    throw clean
  })
}

const withoutEffect = new WeakSet<object>()

/** Whether it is certain that the call changed nothing: it was stopped before it was sent, or the provider refused it each time. */
export const isWithoutEffect = (error: unknown): boolean => typeof error === 'object' && error !== null && withoutEffect.has(error)

export function listKind(context: CallContext, kind: AnyKind): Promise<readonly Listed[]> {
  const once = () =>
    context.gate.run(() =>
      withDeadline({ context, title: `list of ${kind.kind}`, timeoutMs: callTimeoutMs(kind), mutates: false }, (signal) => kind.list({ platformId: context.platformId, signal } satisfies ListCall)),
    )
  return withRetries(once, { policy: context.policy, clock: context.clock, signal: context.signal, isRepeatable: true })
}

/** A taker of the lease waits this long for calls of a silent owner: no call may take longer (`kindsByName`). The default of `acquireLease`. */
export const longestCallMs = 60_000
export const callTimeoutMs = (kind: AnyKind): number => kind.callTimeoutMs ?? longestCallMs
export const settleTimeoutMs = (kind: AnyKind): number => kind.settleTimeoutMs ?? 600_000

export function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw stopReason(signal)
}

/** LEASE_LOST when the lease's signal fired, else CANCELLED. */
export function stopReason(signal: AbortSignal): PilotError {
  if (isPilotError(signal.reason) && signal.reason.code === 'LEASE_LOST') return signal.reason
  return new PilotError('CANCELLED', 'The operation was cancelled', { cause: signal.reason })
}

/** A handler that ignores its signal is left behind at the deadline: whether it did anything is then unknown. */
async function withDeadline<T>({ context, title, timeoutMs, mutates }: { context: CallContext; title: string; timeoutMs: number; mutates: boolean }, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const { signal } = controller
  const over = new AbortController()
  const abortAfter = (ms: number, reason: () => PilotError): void => void context.clock.sleep(ms, { signal: over.signal }).then(() => controller.abort(reason()), () => {})
  abortAfter(timeoutMs, () => new PilotError('TIMED_OUT', `The ${title} timed out after ${timeoutMs} ms`))
  const cancel = () => {
    const reason = stopReason(context.signal)
    if (mutates && reason.code === 'CANCELLED') abortAfter(context.cancelGraceMs, () => reason)
    else controller.abort(reason)
  }
  if (context.signal.aborted) cancel()
  else context.signal.addEventListener('abort', cancel, { once: true })
  try {
    return await new Promise<T>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      if (signal.aborted) reject(signal.reason)
      else run(signal).then(resolve, (error: unknown) => reject(signal.aborted ? signal.reason : error))
    })
  } finally {
    over.abort()
    context.signal.removeEventListener('abort', cancel)
  }
}

/** Most calls open no secret and need no redactor. */
export function redactText(opened: ReadonlySet<string>): (text: string) => string {
  let redactor: Redactor | undefined
  return (text) => (opened.size === 0 ? text : (redactor ??= createRedactor(opened)).redact(text))
}

/** The error itself, unless it holds a secret. */
export function redactError(error: unknown, redact: (text: string) => string): PilotError | Error {
  const body = errorBody(toPilotError(error))
  const clean = redactValue(body, { redact })
  if (error instanceof Error && JSON.stringify(clean) === JSON.stringify(body)) return error
  // The original is not kept as the cause: it carries the secret.
  return new PilotError(body.code, clean.message, clean)
}
