import type { AppIdentity } from './app-identity.ts'
import type { Input } from './value.ts'

/** How a function is called. */
export interface FunctionSpec {
  /** `src/index.handler`: a file of the artifact without its ending, and what it exports. */
  readonly handler: string
  /** How long it may take for one event. */
  readonly timeoutMs: number
  /** Whether HTTP requests reach it; else only events do. */
  readonly http: boolean
  /** It takes messages from the queue of its app: `batch` in one event at most; what failed `retries` times more goes to the dead. */
  readonly queue?: { readonly batch: number; readonly retries: number }
}

export interface InvokeCall {
  readonly app: AppIdentity
  readonly deployment: string
  /** JSON. */
  readonly event: string
  readonly signal: AbortSignal
}

/** `error` is the function's own: it threw, ended, or took too long. What keeps it from being called at all is thrown. */
export type InvokeResult = { readonly requestId: string } & ({ readonly payload: string } | { readonly error: FunctionError })

export interface FunctionError {
  /** `TypeError`, `Sandbox.Timedout`, … */
  readonly type: string
  readonly message: string
  readonly trace?: readonly string[]
}

export interface ConsumerSpec {
  readonly app: AppIdentity
  readonly deployment: string
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
}

export interface QueueAdministration {
  state(call: QueueCall): Promise<QueueState>
  /** Those that were put aside wait again, from their first try. Returns how many. */
  retry(call: QueueCall): Promise<number>
  /** Deletes what was put aside, or all that nobody works on. Returns how many. */
  purge(call: QueueCall & { readonly which: 'dead' | 'all' }): Promise<number>
}

export interface QueueCall {
  readonly app: AppIdentity
  readonly signal: AbortSignal
}

export interface QueueState {
  readonly waiting: number
  readonly inFlight: number
  /** Put aside, since they failed too often. */
  readonly dead: number
  /** The newest of them, at most 100; times in milliseconds since 1970. */
  readonly deadMessages: readonly { readonly id: string; readonly body: string; readonly error: string; readonly receives: number; readonly sentAt: number; readonly deadAt: number }[]
}
