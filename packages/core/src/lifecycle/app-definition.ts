import type { SourceFacts } from '../provider/builder.ts'
import type { HealthCheck } from '../provider/compute.ts'
import type { AppIdentity, Target } from '../provider/app-identity.ts'
import type { SourceRecord } from './records.ts'

/**
 * One app of a manifest, resolved for one environment, with every default filled in: plain JSON, sent from client to server.
 * Made by `resolveApps` of the manifest, or by hand in a script (`defineApp`).
 */
export interface AppDefinition {
  readonly app: AppIdentity
  /** From the manifest or detection; undefined: the builder that fits decides. */
  readonly target?: Target
  /** A Dockerfile's path relative to the source, or `buildpack`; undefined: detected. */
  readonly build?: string
  readonly buildArgs: Readonly<Record<string, string>>
  readonly command?: readonly string[]
  readonly port?: number
  readonly health: HealthCheck
  readonly memoryBytes: number
  /** In cores. */
  readonly cpu: number
  readonly instances: number
  readonly database?: { readonly own: true } | { readonly from: string }
  /** Other apps of the project. */
  readonly uses: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Names of secrets that must have a value. */
  readonly secrets: readonly string[]
  readonly domains: readonly string[]
  /** Code that comes from elsewhere (Git) runs without isolation only with `--trust`. */
  readonly trusted: boolean
}

/** A source that was packed: content-addressed, readable more than once. */
export interface PackedSource {
  readonly record: SourceRecord
  readonly facts: SourceFacts
  /** An uncompressed tar stream. */
  open(): Promise<NodeJS.ReadableStream>
}
