import type { AppIdentity } from '../provider/app-identity.ts'
import type { AppDefinition, PackedSource } from './app-definition.ts'
import type { CanaryInput } from './canary-plan.ts'
import type { BuildRecord, ConfigurationRecord, DeploymentRecord, ReleaseRecord } from './records.ts'

/**
 * The inputs and results of the phases. Each phase is a function `(context, input) => Promise<record>`, usable alone; each
 * takes the lease of the app's scope for itself, unless it is called by one that holds it.
 */

export interface BuildInput {
  readonly app: AppDefinition
  readonly source: PackedSource
  /** Build again although an artifact of the same source and options exists. */
  readonly force?: boolean
}

export interface PushInput {
  readonly app: AppIdentity
  readonly build: BuildRecord
}

export interface DeployInput {
  readonly app: AppDefinition
  readonly build: BuildRecord
  /** Deploy anew although the same content is live. */
  readonly force?: boolean
}

/** With the address of its own, where its target gives it one. */
export type StagedDeployment = DeploymentRecord & { readonly address?: string }

export interface ReleaseInput {
  readonly app: AppIdentity
  /** A deployment's id or number (`v12` is 12); default: the newest deployment. */
  readonly deployment?: string | number
  /** A share of the traffic only. While a canary is on: its next share; absent then: all of the traffic. */
  readonly canary?: CanaryInput
  /** Only while this is the newest release; NOT_ALLOWED_NOW otherwise. */
  readonly after?: number
}

export interface RollbackInput {
  readonly app: AppIdentity
  /** A deployment's number; default: the one that was released before the current one. */
  readonly to?: number
  /** Of a canary that it ends: why, for the history. */
  readonly because?: string
  /** Only while this is the newest release; NOT_ALLOWED_NOW otherwise. */
  readonly after?: number
}

export interface UpInput {
  readonly app: AppDefinition
  readonly source: PackedSource
  /** Default true; false stops after deploy. */
  readonly release?: boolean
  /** In place of what the definition says; `false`: all of the traffic at once. */
  readonly canary?: CanaryInput | false
  /** Release again although nothing changed. */
  readonly force?: boolean
}

export interface UpResult {
  readonly changed: boolean
  /** Where it can be looked at, when it was staged only. */
  readonly address?: string
  readonly build: BuildRecord
  readonly deployment: DeploymentRecord
  readonly release?: ReleaseRecord
  readonly url?: string
  readonly fallbackUrl?: string
}

export interface ConfigureInput {
  readonly app: AppIdentity
  readonly set: Readonly<Record<string, string>>
  readonly unset: readonly string[]
  /** Begins with the values of this version instead of the newest. */
  readonly restore?: number
  /** Do not release: wait for the next `up`. */
  readonly stage?: boolean
}

export interface ScaleInput {
  readonly app: AppIdentity
  /** Instances by process, each 0 to 100; `web` is the app itself. Others stay as they are. */
  readonly counts: Readonly<Record<string, number>>
}

export interface SetSecretInput {
  readonly app: AppIdentity
  readonly name: string
  /** Undefined removes it. */
  readonly value: string | undefined
  readonly stage?: boolean
}

export interface ConfigureResult {
  readonly configuration: ConfigurationRecord
  /** Absent when staged, when nothing changed, or when the app has no release yet. */
  readonly release?: ReleaseRecord
}

export interface DestroyInput {
  readonly app: AppIdentity
  /** Databases, volumes and backups go too. */
  readonly deleteData: boolean
  /** false: its hooks around destroy are left out. Default: they run. */
  readonly hooks?: boolean
}

export interface DestroyPlatformInput {
  readonly deleteData: boolean
  /** Called when nothing of the platform is left, while nobody else can begin anything on it: forget it here. */
  whenGone?(): Promise<void>
}

export interface DestroyResult {
  readonly deleted: readonly string[]
  /** What stays and where, with its monthly cost. */
  readonly kept: readonly { readonly key: string; readonly kind: string; readonly title: string; readonly monthlyCost?: number }[]
  /** What carries the platform's marks and is not in its records: left alone, for a person to look at. */
  readonly foreign: readonly { readonly id: string; readonly kind: string; readonly title: string; readonly reason: string }[]
}
