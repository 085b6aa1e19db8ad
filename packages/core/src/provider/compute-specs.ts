import type { AppIdentity } from './app-identity.ts'
import type { FunctionSpec } from './functions.ts'
import type { Input } from './value.ts'

export interface AppSpec {
  readonly app: AppIdentity
  /** It has a queue of its own, which outlives deployments: its messages are data. */
  readonly queue?: true
  /** Stable per app; the local edge and others derive host names from it. */
  readonly hostLabel: string
}

export interface DeploymentSpec {
  readonly app: AppIdentity
  /** Short, unique within the app, [a-z0-9]. */
  readonly deployment: string
  readonly artifact: ArtifactReference
  readonly command?: readonly string[]
  /** User values, platform values and secrets, as the container or process gets them. PORT is set by the provider. */
  readonly env: Readonly<Record<string, Input<string>>>
  /** The port the app listens on; undefined: the artifact's only exposed port, else 8080. */
  readonly port?: number
  readonly health: HealthCheck
  readonly memoryBytes: number
  /** In cores. */
  readonly cpu: number
  readonly instances: number
  /** Of what is kept of the logs of an app that runs, the part of each instance: 1 divided by all of them, workers too. Undefined: 1. */
  readonly logShare?: number
  /** Of a site: what is not there is index.html, since the app routes in the browser. */
  readonly spa?: boolean
  /** Of a function. `instances` is then how many events it handles at once at most, `memoryBytes` and `cpu` are for each, and `command`, `port` and `health` say nothing. */
  readonly function?: FunctionSpec
  readonly volumes?: Volumes
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
}

export interface HealthCheck {
  readonly path: string
  /** Any answer below 500, or below 400 when the path was written in the manifest. */
  readonly acceptBelow: number
  readonly intervalMs: number
  readonly timeoutMs: number
  /** How long the app may take to become healthy in all. */
  readonly graceMs: number
}

/** A digest, with what the target needs to find it. Plain JSON: it stands in records. */
export interface ArtifactReference {
  /** `sha256:…` of the content: the artifact's identity. */
  readonly digest: string
  readonly type: 'image' | 'directory'
  /** Where it is: an image reference, a folder, an URL. */
  readonly location: string
  /** Of an image that was not built here: where it is from, with its digest there, `ghcr.io/acme/auth@sha256:…`. */
  readonly origin?: string
  /** Ports that the artifact declares (EXPOSE). */
  readonly ports?: readonly number[]
  /**
   * Of an image with a program of its own that prepares the environment of what it starts: these words stand before every command that
   * does not come with the artifact (`command` of the manifest, `run`, `exec`, cron, the release command), in place of the image's ENTRYPOINT.
   * What comes with it (`command`, `processes`, `release`) then starts without either. Absent: commands are arguments of the ENTRYPOINT.
   */
  readonly launcher?: readonly string[]
  /** How it starts when the manifest does not say. */
  readonly command?: readonly string[]
  /** What runs beside the app when the manifest does not say (a Procfile). With these and without `command` nothing of it listens. */
  readonly processes?: Readonly<Record<string, readonly string[]>>
  /** What runs once before a release when the manifest does not say. */
  readonly release?: readonly string[]
}

/** Outputs of the blueprints of volumes, by name. */
export type Volumes = Readonly<Record<string, Readonly<Record<string, Input<unknown>>>>>

export interface VolumeSpec {
  readonly app: AppIdentity
  /** Unique in the app, [a-z0-9-]: the identity of what lies in it. */
  readonly volume: string
  /** Where the app wants to find it, absolute; absent: the target chooses. */
  readonly path?: string
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
}

/** A command of a deployment that listens nowhere. */
export interface CommandSpec {
  readonly app: AppIdentity
  readonly deployment: string
  readonly artifact: ArtifactReference
  readonly command: readonly string[]
  /** As the app's own, without PORT. */
  readonly env: Readonly<Record<string, Input<string>>>
  readonly memoryBytes: number
  /** In cores. */
  readonly cpu: number
  readonly volumes?: Volumes
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
}

export interface WorkerSpec extends CommandSpec {
  /** Its name, [a-z0-9-]. */
  readonly process: string
  readonly instances: number
  /** As in DeploymentSpec. */
  readonly logShare?: number
}

export interface TaskSpec extends CommandSpec {
  /** Unique in the deployment, [a-z0-9-]: `release`. */
  readonly task: string
}

export interface TrafficSpec {
  readonly app: AppIdentity
  readonly hostLabel: string
  /** Shares in percent, summing up to 100; empty: the app is stopped and the edge says so. */
  readonly weights: readonly { readonly deployment: string; readonly percent: number; readonly outputs: Readonly<Record<string, Input<unknown>>> }[]
  /** Nothing of the deployments with weight runs for a moment: requests wait, or are answered with 503 and Retry-After. */
  readonly paused?: boolean
  readonly domains: readonly string[]
  /** The app answers a part of a host that apps of its project share, below this path, which it gets whole. Its domains are shared the same way. */
  readonly shared?: { readonly hostLabel: string; readonly path: string }
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
}

export interface LinkSpec {
  /** Who calls. Resources belong to its scope. */
  readonly from: AppIdentity
  /** Who is called: same project and environment. */
  readonly to: AppIdentity
  readonly toHostLabel: string
  /** To its queue, which takes messages, in place of the app itself. */
  readonly queue?: true
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
}
