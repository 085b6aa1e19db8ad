import type { Plan } from '../graph/plan.ts'
import type { InstanceStatus } from '../provider/compute.ts'
import type { ArtifactReference, HealthCheck } from '../provider/compute-specs.ts'
import type { FunctionSpec } from '../provider/functions.ts'
import type { TrafficCounters } from '../provider/counters.ts'
import type { AppIdentity, Target } from '../provider/app-identity.ts'
import type { HookName } from '../provider/hooks.ts'
import type { SecretRef } from '../provider/value.ts'

/**
 * The immutable records of the lifecycle: Source → Build → Artifact → Deployment → Release.
 * They live in the store of the app's scope, under their ids.
 */
export interface SourceRecord {
  /** Of the packed source: `sha256:…`. */
  readonly digest: string
  readonly commit?: string
  readonly message?: string
  readonly author?: string
  readonly dirty?: boolean
}

export interface BuildRecord {
  /** Derived from what it was built from: the same source and options have the same id. */
  readonly id: string
  readonly app: AppIdentity
  readonly source: SourceRecord
  readonly builder: string
  readonly target: Target
  /** What besides the source decided the result, hashed: builder, arguments. */
  readonly optionsDigest: string
  readonly artifact: ArtifactReference
  readonly startedAt: string
  readonly ms: number
}

/**
 * One version of what an app is configured with, layer by layer, so that unsetting a value shows the one below again.
 * User values stand by value; platform values and secrets by reference, so that a rollback works after a rotation.
 * `effectiveConfiguration` merges the layers.
 */
export interface ConfigurationRecord {
  /** Counts the configurations of the app, from 1. */
  readonly version: number
  readonly at: string
  readonly by: string
  /** From the manifest's `env:`. */
  readonly manifest: Readonly<Record<string, string>>
  /** From `env set`; over the manifest. */
  readonly set: Readonly<Record<string, string>>
  /** From `secret set`, each pinned to a version; over both. */
  readonly secrets: Readonly<Record<string, SecretRef>>
  /** Made by a rollback from this older version with the secrets of today; never what `env set` and `up` go on from. */
  readonly derivedFrom?: number
  /** Made by `env restore` from the values of this older version. */
  readonly restoredFrom?: number
}

/** Where the value of a variable comes from, for `env list`. */
export type ConfigurationSource = 'manifest' | 'env set' | 'secret' | 'platform'

export interface DeploymentRecord {
  /** Derived from artifact, configuration, run and nonce: [a-z0-9], 10 characters. */
  readonly id: string
  /** Counts the deployments of the app, from 1: people say v12. */
  readonly number: number
  readonly app: AppIdentity
  readonly source: SourceRecord
  readonly build: string
  readonly artifact: ArtifactReference
  readonly target: Target
  readonly configuration: number
  /** Everything else that makes the deployment what it is, so that a rollback repeats it. */
  readonly run: RunSpec
  /** Raised by `restart` and `--force`: the same content deployed anew. */
  readonly nonce: number
  readonly createdAt: string
  readonly by: string
}

/** How an app runs, as its definition says and its deployments record. */
export interface RunSpec {
  readonly command?: readonly string[]
  readonly port?: number
  readonly health: HealthCheck
  /** How long what is open may go on when a version has to end. Default: 30 s. */
  readonly drainMs?: number
  readonly memoryBytes: number
  /** In cores. */
  readonly cpu: number
  /** Of the app itself; 0: it consists of its processes. Of a function: how many events it handles at once at most. */
  readonly instances: number
  /** From `scale`, by process (`web` is the app itself); over `instances`, and over the one of each process. Each deployment takes it over from the release before. */
  readonly scale?: Readonly<Record<string, number>>
  /** What runs beside the app, by name; over what the artifact declares. */
  readonly processes?: Readonly<Record<string, readonly string[]>>
  /** Runs once before traffic moves; in place of what the artifact declares. */
  readonly release?: readonly string[]
  /** What runs on a schedule while this is live, by name. */
  readonly cron?: Readonly<Record<string, CronJob>>
  /** A database of its own, or that of another app of the project and environment. */
  readonly database?: { readonly own: true; readonly backup?: BackupSchedule } | { readonly from: string }
  /** Commands around the phases. */
  readonly hooks?: Readonly<Partial<Record<HookName, readonly string[]>>>
  /** Folders that outlive deployments, by name. */
  readonly volumes?: Readonly<Record<string, VolumeUse>>
  /** Other apps of the project. */
  readonly uses: readonly string[]
  /** Those of `uses` that have a queue. */
  readonly queues?: readonly string[]
  readonly domains: readonly string[]
  /** The path below which it answers on the host that apps of its project share: `/`, `/api`. */
  readonly route?: string
  /** Of a site that routes in the browser. */
  readonly spa?: boolean
  /** Set: it is a function. */
  readonly function?: FunctionSpec
}

/** A command that a server runs at its times, in what is live. */
export interface CronJob {
  /** Five fields, or `@daily` and its like. */
  readonly schedule: string
  /** IANA. */
  readonly timeZone: string
  /** Empty: the app is a function, and is called. */
  readonly command: readonly string[]
  readonly overlap: OverlapPolicy
  readonly missed: MissedPolicy
  readonly timeoutMs: number
}

/** When a database is backed up, and how many of these backups stay. */
export interface BackupSchedule {
  /** As of a cron job. */
  readonly schedule: string
  readonly timeZone: string
  readonly keep: number
}

/** When a time comes while the run before still runs: left out, beside it, or in its place. */
export type OverlapPolicy = 'skip' | 'allow' | 'replace'

/** What becomes of times that passed while nobody looked: nothing, or one run for all of them. */
export type MissedPolicy = 'skip' | 'once'

/** What a version does with a volume. The name is the volume's identity: another path finds the same data. */
export interface VolumeUse {
  /** Absent: the target chooses one; `VOLUME_DATA` says where `data` is. */
  readonly path?: string
  /** Several instances and two versions may have it at once. Otherwise a release stops the old version before the new one starts. */
  readonly shared?: true
}

/** Points public traffic at deployments. A rollback is a new release of an older deployment. */
export interface ReleaseRecord {
  /** Counts the releases of the app, from 1. */
  readonly number: number
  readonly app: AppIdentity
  readonly deployment: string
  readonly kind: 'release' | 'rollback' | 'configuration' | 'restart' | 'scale'
  readonly previous?: string
  readonly at: string
  readonly by: string
  readonly url?: string
  /** Of a step of a canary: this deployment has a part of the traffic, and nothing was decided yet. */
  readonly canary?: CanaryStep
  /** Of the release that ended a canary by giving the traffic back. */
  readonly aborted?: { readonly deployment: string; /** The figures, when Pilot decided it. */ readonly because?: string }
}

/** How a canary goes on, and what ends it. */
export interface CanaryPlan {
  /** Shares in percent, ascending; each lasts `everyMs`, and all of the traffic follows the last. Absent: steps are taken by hand. */
  readonly steps?: readonly number[]
  readonly everyMs?: number
  /** Of the requests of one step, from 0 to 1: more errors than that end the canary (`judgeCanary`). */
  readonly maxErrors: number
  /** Fewer requests than that are no verdict. */
  readonly minRequests: number
}

export interface CanaryStep extends CanaryPlan {
  /** From 1 to 99. */
  readonly percent: number
  /** The deployment that has the rest. */
  readonly stable: string
  /** What both had been counted when the step began. */
  readonly counted?: readonly CanaryCount[]
  /** How often its instances had been started again by then. */
  readonly restarts?: number
}

export type CanaryCount = Pick<TrafficCounters, 'deployment' | 'life' | 'requests' | 'errors'>

/** A plan of of `setup` that was approved and begun, under its hash in the platform's scope: what a resumed attempt goes on with. */
export interface ApprovalRecord {
  readonly plan: Plan
  readonly at: string
  readonly by: string
}

/** What `status` shows, and what the table of allowed actions asks: derived from records and live readings, never stored. */
export interface AppStatus {
  readonly app: AppIdentity
  readonly state: AppState
  readonly release?: ReleaseRecord
  readonly deployment?: DeploymentRecord
  readonly url?: string
  readonly fallbackUrl?: string
  /** How many instances of each process the live deployment is to have; `web` is the app itself. Of a site none. */
  readonly scale?: Readonly<Record<string, number>>
  /** Of the live deployment. */
  readonly instances: readonly InstanceStatus[]
  /** While a canary is on; `deployment`, `release` and `instances` are then those of the version that has the rest. */
  readonly canary?: CanaryStatus
}

export interface CanaryStatus {
  readonly deployment: DeploymentRecord
  readonly percent: number
  /** The step that is on. */
  readonly release?: ReleaseRecord
  readonly instances: readonly InstanceStatus[]
  /** The share that comes next by itself, and when, ISO 8601; absent when steps are taken by hand. */
  readonly next?: { readonly percent: number; readonly at: string }
  /** Since the step began; absent where the target does not count. */
  readonly traffic?: { readonly canary: CanaryTraffic; readonly stable: CanaryTraffic }
}

export interface CanaryTraffic {
  readonly requests: number
  readonly errors: number
}

/** `destroyed`: deleted but for its data, which the next `up` finds. */
export type AppState = 'absent' | 'staged' | 'live' | 'stopped' | 'unhealthy' | 'destroyed'
