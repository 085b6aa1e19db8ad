import type * as z from 'zod'

/**
 * A resource kind: data that the engine plans with, and the functions that touch the provider.
 *
 * Failure rules that every handler keeps, because the engine may be killed at any moment and then repeats:
 *
 * - Handlers do not wait and do not retry: `create`, `update` and `delete` return as soon as the provider has accepted;
 *   the engine journals the answer and then calls `settle` (after `create` and `update`) or `read` (after `delete`) until done.
 * - Handlers hold no state of their own between calls, and write no records: the engine does.
 * - Each call gets a `signal` that fires at its deadline or when the user cancels, and `checkpoint()`, which must be awaited
 *   right before the request leaves: it throws LEASE_LOST when this process no longer owns the scope.
 * - Errors are converted to PilotError in the handler. "It does not exist" is `undefined` from `read` and success from
 *   `delete`, never an error. "Access denied" is ACCESS_DENIED, never "absent". A name held by something that is not ours
 *   is NAME_TAKEN. "Something depends on it" is BLOCKED, which `destroy` retries within bounds. Throttling is THROTTLED,
 *   which the engine retries with backoff. Whatever else a call throws means "unknown whether it happened".
 */
export interface Kind<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  /** `provider/noun`, for example `aws/rds-instance`. Unique; never renamed, since states carry it. */
  readonly kind: string
  /** Raised when inputs or outputs change incompatibly; `migrate` then reads what older versions recorded. */
  readonly version: number
  /** What a blueprint may set, after references are resolved. The diff compares these fields only. */
  readonly inputs: I
  /** What other resources may refer to. Never contains a secret's value. */
  readonly outputs: O
  readonly fields?: {
    /** Changing one of these replaces the resource. */
    readonly immutable?: readonly (keyof z.output<I> & string)[]
    /** Never read back: compared with what was recorded (secrets by keyed hash), not with the live reading. */
    readonly writeOnly?: readonly (keyof z.output<I> & string)[]
    /** Set at creation and then left to others: never compared. */
    readonly ignored?: readonly (keyof z.output<I> & string)[]
  }
  /**
   * How an intent without a result is settled after a crash:
   * - `name`: the provider enforces that `call.name` is unique; creating again finds the first one.
   * - `token`: the provider deduplicates by `call.token`; the same call again returns the first result.
   * - `search`: neither; `list` is asked until `consistencyMs` has passed since the last call that the dead owner could have
   *   sent, and only then is it created.
   */
  readonly identity: 'name' | 'token' | 'search'
  /** How long after a create `list` may still not show it, milliseconds. 0 where the provider is consistent. */
  readonly consistencyMs: number
  /** Replaced or deleted only after a typed confirmation: databases, volumes. */
  readonly protect?: boolean
  /** The slot holds one at a time (a port, a fixed name): a replace deletes first. Otherwise it creates first. */
  readonly exclusive?: boolean
  /** The longest that one call of a handler may take, milliseconds; default 60 000, and no more: a taker of the lease waits as long for a call of a dead owner. */
  readonly callTimeoutMs?: number
  /** The longest that settling (or a delete) may take in all, milliseconds; default 600 000. */
  readonly settleTimeoutMs?: number

  /**
   * Asks the provider to create, marked as ours (tags or labels: see {@link Ownership}) *in the same call*.
   * When it fails: nothing exists, or what exists carries our marks and `list` finds it. May be called twice with the same
   * name and token; by identity `name` and `token` the second call returns what the first one made.
   */
  create(call: CreateCall<z.output<I>>): Promise<Created>
  /**
   * One look at whether the resource is usable; what a provider wants as a request of its own after the creation (an
   * attribute that `create` cannot set) is sent from here too, after `checkpoint()`, when the look shows that it is missing.
   * `failed` after a create is final for this generation: a later run deletes it and creates the next one; after an update the
   * fields count as unsettled, and the next plan updates them again. May be called any number of times, also by another process than the one that created.
   */
  settle(call: SettleCall<z.output<I>>): Promise<Settled<z.output<O>>>
  /** The live inputs (only those that can be read) and outputs; `undefined` when it does not exist. Changes nothing. */
  read(call: ReadCall<z.output<I>>): Promise<Reading<z.output<I>, z.output<O>> | undefined>
  /** All resources of this kind that carry this platform's marks, all pages. Changes nothing. */
  list(call: ListCall): Promise<readonly Listed[]>
  /**
   * Asks the provider to delete. Absent is success. May be called twice. When it fails, the resource may or may not exist.
   * Where it takes several requests with waiting in between (disable, then delete), or where the accepted operation may still
   * be refused, it returns `again`: the engine then calls `delete` once more instead of `read`.
   */
  delete(call: DeleteCall<z.output<I>>): Promise<Deleted>
  /**
   * Changes a resource in place, with the provider's own precondition (ETag, fingerprint) where it has one.
   * Absent means: every change of an input replaces. When it fails, any subset of the fields may have changed; the next plan reads.
   */
  update?(call: UpdateCall<z.output<I>>): Promise<Accepted>
  /** Inputs and outputs as recorded by an older `version`, in today's shape. Pure. */
  migrate?(recorded: { version: number; inputs: unknown; outputs: unknown }): { inputs: z.output<I>; outputs: z.output<O> }

  /** What it costs in a month, from inputs alone. */
  cost(inputs: z.output<I>): Cost
  /** What the caller's credentials must be allowed to do, in the provider's own words. */
  readonly permissions: readonly string[]
  /** What becomes reachable, and from where. Empty when nothing does. */
  exposure(inputs: z.output<I>): readonly Exposure[]
}

/** Any kind, for tables and maps. Handlers get inputs that were parsed with the kind's own schema. */
// oxlint-disable-next-line typescript/no-explicit-any -- method parameters are bivariant, so every Kind<I, O> is assignable to this.
export type AnyKind = Kind<z.ZodType<any>, z.ZodType<any>>

/** Keeps the inference of inputs and outputs without naming the type parameters. */
export function defineKind<I extends z.ZodType, O extends z.ZodType>(kind: Kind<I, O>): Kind<I, O> {
  return kind
}

/** Who a resource belongs to; every provider maps it to tags, labels or names in one file. */
export interface Ownership {
  readonly platformId: string
  /** The scope whose state holds it: `platform`, or `app/<project>/<app>/<environment>`. */
  readonly scope: string
  /** The key in the scope's graph. */
  readonly key: string
  /** Counts re-creations, from 1. */
  readonly generation: number
}

export interface Call {
  readonly owner: Ownership
  /**
   * Deterministic from owner: at most 40 characters of [a-z0-9-], starting with a letter, `pilot-` first; ends in a hash
   * of (platformId, scope, key, generation), so that it is unique within an account.
   */
  readonly name: string
  /** Deterministic from owner, 32 hexadecimal characters: for client tokens and request ids. */
  readonly token: string
  /** Fires at the deadline of this call or when the user cancels. */
  readonly signal: AbortSignal
  /** Await right before a request that changes something leaves. Throws LEASE_LOST. */
  checkpoint(): Promise<void>
  /** A line for the log of this operation; secrets that the engine resolved are redacted. */
  log(line: string): void
}

export interface CreateCall<I> extends Call {
  readonly inputs: I
}
export interface SettleCall<I> extends Call {
  readonly id: string
  /** What `create` or `update` returned, or the last `pending` did. */
  readonly operation?: string
  readonly inputs: I
  /** Milliseconds since this settling began, summed over all processes that took part. */
  readonly elapsedMs: number
}
export interface ReadCall<I> extends Call {
  readonly id: string
  /** The inputs as recorded last, secrets unresolved fields absent. */
  readonly recorded: Partial<I>
}
export interface ListCall {
  readonly platformId: string
  readonly signal: AbortSignal
}
export interface DeleteCall<I> extends Call {
  readonly id: string
  readonly recorded: Partial<I>
  /** What an earlier call of this deletion returned, unless that was before a crash. */
  readonly operation?: string
  /** It was never ready, so nobody works with it: what runs there need not be given long to end. */
  readonly neverReady?: true
}
export interface UpdateCall<I> extends Call {
  readonly id: string
  readonly inputs: I
  readonly recorded: Partial<I>
  /** The names of the fields that differ. */
  readonly changed: readonly string[]
}

export interface Created {
  /** What `read` and `delete` need to find it again. Journaled before settling. */
  readonly id: string
  /** The provider's long-running operation, where it has one. */
  readonly operation?: string
}
export interface Accepted {
  readonly operation?: string
}
export interface Deleted extends Accepted {
  readonly again?: { readonly afterMs: number; readonly message?: string }
}
export type Settled<O> =
  | { readonly status: 'ready'; readonly outputs: O }
  | { readonly status: 'pending'; readonly operation?: string; readonly retryAfterMs?: number; readonly message?: string }
  | { readonly status: 'failed'; readonly reason: string; readonly error?: Error }

export interface Reading<I, O> {
  readonly inputs: Partial<I>
  readonly outputs: O
}
export interface Listed {
  readonly id: string
  /** As far as the marks tell; a child without marks of its own names its tagged parent's owner. */
  readonly owner: Partial<Ownership>
  /** For people: a name, an ARN, an address. */
  readonly title: string
  /** It has no marks of its own: `owner` is that of what it came with. */
  readonly isChild?: boolean
  /** Kept on purpose (a final snapshot): listed, never swept. */
  readonly retained?: boolean
  /** Something is attached to it or stored in it: it is never deleted as the duplicate of another one. */
  readonly inUse?: boolean
}

export type Cost = { readonly monthly: number; readonly currency: 'USD'; readonly basis: string } | { readonly unpriced: string }

export interface Exposure {
  /** For people: "port 443 of the load balancer". */
  readonly what: string
  readonly to: 'internet' | 'network' | 'machine'
}
