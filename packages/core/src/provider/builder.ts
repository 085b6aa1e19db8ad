import type { ArtifactReference } from './compute-specs.ts'
import type { AppIdentity, Target } from './app-identity.ts'

/** Turns a source into an artifact for one target. Content-addressed: the same source and options may return an existing artifact. */
export interface Builder {
  /** `dockerfile`, `buildpack`, `process`, `static`, `image`. */
  readonly name: string
  readonly target: Target
  /** Its builds run code of the source on this machine without isolation: code from elsewhere needs `--trust`. */
  readonly runsHere?: true
  /** Raised when the same source would now give another artifact: what was built before is then built anew. Default 0. */
  readonly recipe?: number
  /** The same source may give another artifact today (a tag that moves): it is asked each time, and what it finds is compared. Default: never. */
  moves?(facts: SourceFacts): boolean
  /** Whether this builder takes the source, with one line for people that says why; pure over the listed files. */
  fits(source: SourceFacts): { readonly reason: string } | undefined
  /**
   * Builds. `log` gets every line of output as it comes. When it fails or is cancelled nothing is left but caches;
   * throws BUILD_FAILED with the exit code as reason and the last lines in details.log.
   */
  build(call: BuildCall): Promise<ArtifactReference>
  /** Whether the artifact is still there; a release of an older deployment asks first. */
  exists(artifact: ArtifactReference, signal: AbortSignal): Promise<boolean>
  /** Deletes an artifact that nothing keeps any more: all of it, and nothing of another. Absent is success; while something of this machine runs it, it throws and deletes nothing. */
  remove?(artifact: ArtifactReference, signal: AbortSignal): Promise<void>
}

/** What detection and builders decide from: paths and the few small files that matter. */
export interface SourceFacts {
  /** Paths relative to the source's root, with forward slashes, sorted. */
  readonly files: readonly string[]
  /** Text of a file that was listed, or undefined. */
  text(path: string): string | undefined
  /** `build:` of the manifest: a Dockerfile's path, `buildpack`, or undefined. */
  readonly build?: string
  /** With `build: buildpack`: which builder and buildpacks the manifest names. */
  readonly buildpacks?: BuildpackChoice
  /** `image:` of the manifest: a finished image, and no files. */
  readonly image?: string
  /** `static:` of the manifest: it is a site, and where its finished files are. */
  readonly static?: StaticBuild
  /** `function:` of the manifest: its handler, `src/index.handler`. */
  readonly handler?: string
}

export interface BuildpackChoice {
  /** The image that holds buildpacks and what builds with them. */
  readonly builder?: string
  /** In this order, in place of those that the builder finds fitting: `heroku/nodejs@4.1.4`, `docker://IMAGE`, a folder of the source. */
  readonly buildpacks?: readonly string[]
}

export interface StaticBuild {
  /** The folder with the finished files, relative to the source. */
  readonly output?: string
  /** What makes them, as text for a shell. */
  readonly command?: string
}

export interface BuildCall {
  readonly app: AppIdentity
  /** Opens the source as an uncompressed tar stream; may be called more than once. */
  openSource(): Promise<NodeJS.ReadableStream>
  readonly sourceDigest: string
  readonly facts: SourceFacts
  /** `--build-arg` values, for a site and for buildpacks the environment of the build; never secrets: the lifecycle has checked them. */
  readonly args: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  log(line: string): void
}
