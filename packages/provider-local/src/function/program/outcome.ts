/** What became of one event. */
export type Outcome = { readonly requestId: string } & (
  | { readonly payload: Buffer }
  | { readonly error: FunctionError; readonly why: Failure }
)

/**
 * `handler`: it threw; `timeout`; `ended`: its worker died or was killed; `init`: it could not be loaded;
 * `busy`: it was not called at all, since too many others wait; `leaving`: the same, since this host ends.
 */
export type Failure = 'handler' | 'timeout' | 'ended' | 'init' | 'busy' | 'leaving'

export interface FunctionError {
  readonly type: string
  readonly message: string
  readonly trace?: readonly string[]
}

/** As the runtime API takes it, from a bootstrap that may be of somebody else. */
export function errorFrom(body: Buffer, fallback: string): FunctionError {
  try {
    const { errorType, errorMessage, stackTrace } = JSON.parse(body.toString('utf8')) as Record<string, unknown>
    return {
      type: typeof errorType === 'string' && errorType !== '' ? errorType : 'Error',
      message: typeof errorMessage === 'string' ? errorMessage : fallback,
      ...(Array.isArray(stackTrace) ? { trace: stackTrace.map(String).slice(0, 50) } : {}),
    }
  } catch {
    return { type: 'Error', message: fallback }
  }
}
