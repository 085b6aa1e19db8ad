import type { BuildpackChoice, SourceFacts, StaticBuild } from '../provider/builder.ts'
import type { AppIdentity, Target } from '../provider/app-identity.ts'
import type { CanaryPlan, RunSpec, SourceRecord } from './records.ts'

/**
 * One app of a manifest, resolved for one environment, with every default filled in: plain JSON, sent from client to server.
 * Made by `resolveApps` of the manifest, or by hand in a script (`defineApp`).
 */
export interface AppDefinition extends Omit<RunSpec, 'scale'> {
  readonly app: AppIdentity
  /** From the manifest or detection; undefined: the builder that fits decides. */
  readonly target?: Target
  /** A finished image in place of a source: `redis:7`, `ghcr.io/acme/auth@sha256:…`. */
  readonly image?: string
  /** A Dockerfile's path relative to the source, or `buildpack`; undefined: detected. */
  readonly build?: string
  /** With `build: 'buildpack'`: what it is built by, where the default is not wanted. */
  readonly buildpacks?: BuildpackChoice
  /** Set: it is a site, built and served as files. */
  readonly static?: StaticBuild
  readonly buildArgs: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** Names of secrets that must have a value. */
  readonly secrets: readonly string[]
  /** How `up` releases it when an older version has the traffic; absent: at once. */
  readonly canary?: CanaryPlan
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
