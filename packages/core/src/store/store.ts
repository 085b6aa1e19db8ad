/**
 * Where a platform keeps what must not be lost. One store per platform; one lease, state and journal per scope, in the
 * same store. Implementations pass the contract suite of `@pilot/core/testing`.
 */
export interface Store {
  scope(scope: ScopeName): ScopeStore
  /** Every scope that has records, state or a journal; with `prefix` only those whose names begin with it. */
  scopes(prefix?: string): Promise<readonly ScopeName[]>
  /** Every scope that ever had an owner, those among them on which nothing is written yet. */
  leasedScopes(): Promise<readonly ScopeName[]>
}

/** `platform`, or `app/<project>/<app>/<environment>`; each part matches [a-z0-9-]+. */
export type ScopeName = string

export interface ScopeStore {
  readonly name: ScopeName

  /** The newest state; undefined when nothing was ever written. Throws STATE_NEWER, STATE_CORRUPT. */
  readState(): Promise<State | undefined>
  /**
   * Writes version `state.version`, which must be one more than the newest (0 when there is none): of two writers exactly
   * one wins, the other gets LEASE_LOST. Durable (file and folder) when it returns. `fence` is compared with the lease's token.
   */
  writeState(state: State, fence: Fence): Promise<void>
  /** Versions that are kept, newest first. */
  stateHistory(): Promise<readonly { readonly version: number; readonly at: string }[]>
  readStateVersion(version: number): Promise<State>

  /** Appends durably, in order. Throws LEASE_LOST when the token is not the lease's. */
  appendJournal(entry: JournalEntry, fence: Fence): Promise<void>
  /**
   * What was surely written, oldest first. A torn last entry is dropped; damage before the end throws STATE_CORRUPT.
   */
  readJournal(): Promise<readonly JournalEntry[]>
  /** Forgets entries that the newest state includes. */
  truncateJournal(fence: Fence): Promise<void>

  readonly lease: LeaseStore

  /** Immutable records (deployments, releases, configuration versions, approved plans): written once. Throws NAME_TAKEN when the id exists with other content. */
  putRecord(type: RecordType, id: string, record: object, fence: Fence): Promise<void>
  /** Absent is success. */
  deleteRecord(type: RecordType, id: string, fence: Fence): Promise<void>
  getRecord<T>(type: RecordType, id: string): Promise<T | undefined>
  /** In the order of their ids: those made of digits first, by number, then the others by character code. */
  listRecords<T>(type: RecordType): Promise<readonly { readonly id: string; readonly record: T }[]>
  /** The last in that order that is it, without a look at those before it; absent: `listRecords` tells, for more. */
  findLastRecord?<T>(type: RecordType, isIt: (record: T) => boolean): Promise<T | undefined>

  /** Deletes state, journal and records; throws BLOCKED while the state holds a resource. The lease stays, since a token is never given out twice. */
  remove(fence: Fence): Promise<void>
}

export type RecordType = 'approval' | 'build' | 'configuration' | 'deployment' | 'release'

/** Proof of ownership, compared at every write. */
export interface Fence {
  readonly token: number
}

/** What the engine recorded of a scope. */
export interface State {
  /** Of this format; a newer one is refused untouched (STATE_NEWER), an older one is migrated with a copy kept. */
  readonly format: number
  /** Counts writes of this scope, from 1. */
  readonly version: number
  /** ISO 8601. */
  readonly at: string
  /** Who may change this scope: a server's id, or `script`. */
  readonly managedBy?: string
  readonly resources: readonly ResourceState[]
  /** Journal entries up to this `seq` are included: reading the journal skips them. */
  readonly journalSeq?: number
  /** Generations that were used by keys without a resource now, so that none is used twice. Bounded: see `floor`. */
  readonly retired?: RetiredGenerations
  /** Creations that were asked for and never answered, as far as nothing was found that they made. Bounded; oldest first. */
  readonly unanswered?: readonly UnansweredCreation[]
}

/** What carries these marks and is not recorded may be ours; what carries the marks of any other creation is a copy that somebody else made. */
export interface UnansweredCreation {
  readonly key: string
  readonly kind: string
  readonly generation: number
  /** How many resources may be there, or still come to be. */
  readonly calls: number
}

export interface RetiredGenerations {
  /** At least the generation of every key that was dropped from `generations`: keys that are not in it begin above. */
  readonly floor: number
  /** The highest generation per key; oldest entries first. */
  readonly generations: Readonly<Record<string, number>>
}

export const stateFormat = 1

export interface ResourceState {
  readonly key: string
  readonly kind: string
  readonly kindVersion: number
  readonly generation: number
  /** Empty while `unknown`. */
  readonly id: string
  /** As desired: references unresolved, secrets as references. */
  readonly inputs: Readonly<Record<string, unknown>>
  /** Digest per field that holds a reference or a secret (secrets as keyed hashes), for the diff. */
  readonly fingerprints?: Readonly<Record<string, string>>
  readonly outputs: Readonly<Record<string, unknown>>
  /** Keys it depended on when it was created: destroy uses these. */
  readonly dependsOn: readonly string[]
  readonly protect?: boolean
  /**
   * `ready`; `created` while settling; `unknown` when the create call has no result yet; `tainted` after its creation failed:
   * replaced by the next apply. `deposed`: a replaced or half-deleted generation that is still to be deleted.
   */
  readonly status: 'unknown' | 'created' | 'ready' | 'tainted' | 'deposed'
  readonly createdAt: string
  /** What settling goes on with, while `created`. */
  readonly operation?: string
  /** When it first became ready; absent: it never was, so it holds no data and `protect` does not count. */
  readonly readyAt?: string
  /** When the last call that creates or changes it was written down, before it left. */
  readonly changedAt?: string
  /** It was found with our marks, and no apply has settled it yet. */
  readonly adopted?: true
  /** Fields that an unfinished update may or may not have changed: the next plan updates them again. */
  readonly unsettled?: readonly string[]
}

/**
 * One step of one operation, written before (`intent`) and after. An intent without a result is unknown.
 */
export type JournalEntry = { readonly at: string; readonly seq: number } & (
  | { readonly type: 'intent'; readonly action: 'create' | 'update' | 'delete'; readonly resource: IntentResource; /** Of an update: the fields that differ. */ readonly changed?: readonly string[]; /** Of a create: the provider cannot tell it from the same call before, so each may make one. */ readonly isSearched?: true }
  | { readonly type: 'accepted'; readonly key: string; readonly generation: number; readonly action: 'create' | 'update' | 'delete'; readonly id: string; readonly operation?: string; /** It was found with our marks; it may hold data. */ readonly adopted?: true }
  | { readonly type: 'settled'; readonly key: string; readonly generation: number; readonly action: 'create' | 'update'; readonly outputs: Readonly<Record<string, unknown>> }
  | { readonly type: 'failed'; readonly key: string; readonly generation: number; readonly action: 'create' | 'update' | 'delete'; readonly reason: string; readonly certain: boolean; /** Nothing is there, but the call may still arrive. */ readonly mayArrive?: true }
  | { readonly type: 'deleted'; readonly key: string; readonly generation: number }
  /** What a creation without an answer had made beside the recorded one, or after it was given up, is gone. */
  | { readonly type: 'stray'; readonly key: string; readonly generation: number; readonly id: string }
)

export type IntentResource = Pick<ResourceState, 'key' | 'kind' | 'kindVersion' | 'generation' | 'inputs' | 'fingerprints' | 'dependsOn' | 'protect'> & { readonly id?: string }

/**
 * A lease guards one scope. A taker waits until the holder's heartbeat has stood still for `ttlMs` on its own monotonic clock
 * plus the longest call deadline; on the same host at once when the holder's process is gone (boot id, pid, start time).
 */
export interface LeaseStore {
  read(): Promise<LeaseRecord | undefined>
  /** Compare-and-set: succeeds only if the stored record still equals `previous` (undefined: none). Returns whether it did. */
  swap(previous: LeaseRecord | undefined, next: LeaseRecord): Promise<boolean>
}

export interface LeaseRecord {
  /** Raised by every taking; never reused, also after a release. */
  readonly token: number
  /** Raised by every heartbeat. */
  readonly beat: number
  /** Undefined when released. */
  readonly holder?: LeaseHolder
  readonly ttlMs: number
}

export interface LeaseHolder {
  /** Random per owner object: two owners in one process differ. */
  readonly id: string
  /** For people: "deploy of shop/api by ada on laptop". */
  readonly title: string
  readonly host: string
  /** See `HostIdentity`: tells a reboot from another machine of the same name. */
  readonly machineId?: string
  readonly bootId: string
  readonly pid: number
  /** Process start time in the kernel's own unit, as text. */
  readonly startTime: string
  /** ISO 8601. */
  readonly since: string
}
