import type * as z from 'zod'
import type { ErrorCode } from '../errors/catalogue.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import type { AppIdentity, Target } from './app-identity.ts'
import type { Builder } from './builder.ts'
import type { HookRunner } from './hooks.ts'
import type { Compute } from './compute.ts'
import type { ArtifactReference } from './compute-specs.ts'
import type { Blueprint } from './graph.ts'
import type { AnyKind } from './kind.ts'
import type { Input } from './value.ts'
import type { CertificateCapability } from './certificates.ts'
import type { DatabaseAdministration } from './databases.ts'

/** Raised when the contract changes incompatibly. `package.json` of a provider says `pilot: { provider, contract }`, read before import. */
export const contractVersion = 1

/**
 * What a provider package exports as its default. An absent capability is `undefined`, never a method that throws.
 */
export interface CloudProvider<S extends z.ZodType = z.ZodType> {
  /** Lower case, unique: `local`, `aws`. Kinds start with it. */
  readonly name: string
  /** For people: "This machine". */
  readonly title: string
  readonly contract: number
  /** The wizard renders its form from it; `describe()` texts are the labels, defaults are the defaults. */
  readonly settings: S
  /** Names of settings that a later `setup` may change as long as no app is deployed; all others are fixed once the platform is made. */
  readonly changeable?: readonly string[]
  /**
   * What is on the machine and in the account, what is missing, and how to get it. Changes nothing; throws only on a fault of
   * its own. With settings, a `problem` is what a platform with these settings cannot do without: setup stops on it.
   */
  check(context: CheckContext<z.output<S>>): Promise<readonly Finding[]>
  /** Opens what the capabilities need (clients, lazily). Creates no resource. */
  connect(context: ConnectContext<z.output<S>>): Promise<Capabilities>
}

// oxlint-disable-next-line typescript/no-explicit-any -- see AnyKind.
export type AnyProvider = CloudProvider<z.ZodType<any>>

export function defineProvider<S extends z.ZodType>(provider: CloudProvider<S>): CloudProvider<S> {
  return provider
}

export interface CheckContext<S> {
  /** Absent before setup. */
  readonly settings?: S
  readonly home: string
  readonly signal?: AbortSignal
}

export interface Finding {
  /** Stable, for programs: `docker.engine`. */
  readonly id: string
  readonly status: 'ok' | 'warning' | 'problem'
  /** One line: what was found. */
  readonly title: string
  /** What to type or to do; always there unless `ok`. */
  readonly fix?: string
  /** The error that a problem makes setup stop with; default CHECK_FAILED. */
  readonly code?: ErrorCode
  /** Name of the setting whose default follows from this: said when a platform is created with that default. */
  readonly explains?: string
}

export interface ConnectContext<S> {
  readonly platformId: string
  /** The platform's name: for titles and messages, never for identity. */
  readonly platformName: string
  readonly settings: S
  /** The folder where this machine keeps everything (PILOT_HOME). */
  readonly home: string
  readonly secrets: SecretStore
}

export interface Capabilities {
  /** Every kind that any blueprint of this provider uses, and older ones that states may still hold. */
  readonly kinds: readonly AnyKind[]
  /** What `setup` creates, once per platform. */
  platform(spec: PlatformSpec): Blueprint
  readonly compute: Partial<Readonly<Record<Target, Compute>>>
  /** Turn a source into an artifact; the first that fits is used. */
  readonly builders: readonly Builder[]
  /** Absent: an app with hooks is refused. */
  readonly hooks?: HookRunner
  /** Where artifacts go that other machines run; absent where they stay on the machine that built them. */
  readonly registry?: RegistryCapability
  readonly database?: DatabaseCapability
  /** Certificates for `domains:`; absent where the target itself sees to them. */
  readonly certificates?: CertificateCapability
  /** The disks that what runs here fills; absent where the provider looks after that. */
  disks?(): Promise<readonly DiskUse[]>
  /** Releases clients and sockets. Deletes nothing. */
  close(): Promise<void>
}

export interface DiskUse {
  /** For people: "the Docker engine". */
  readonly title: string
  readonly path: string
  readonly freeBytes: number
  readonly totalBytes: number
}

export interface PlatformSpec {
  readonly platformId: string
  readonly name: string
}

export interface RegistryCapability {
  /** Uploads by digest; what is there already is not sent again. Returns where it is now. May be called twice. */
  push(call: { readonly app: AppIdentity; readonly artifact: ArtifactReference; readonly signal: AbortSignal; log(line: string): void }): Promise<ArtifactReference>
}

/** A PostgreSQL database and a user of its own, per app and environment. */
export interface DatabaseCapability {
  /** The server's major version: recorded per database. */
  readonly major: number
  /**
   * `resources` belong to the app's scope. The password is a secret in the store already. Outputs:
   * `host`, `port`, `database`, `user`, and `url` for use by `target`.
   */
  database(spec: DatabaseSpec): Blueprint
  /** Information, users, backup and restore. */
  readonly administration?: DatabaseAdministration
}

export interface DatabaseSpec {
  readonly app: AppIdentity
  readonly target: Target
  /** Another app's database in place of one's own, with a user of one's own: `database: { from: other }`. */
  readonly from?: AppIdentity
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
  /** Stored before first use by the lifecycle. */
  readonly password: Input<string>
}
