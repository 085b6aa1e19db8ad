import type { Blueprint } from './graph.ts'
import type { TrafficCounters } from './counters.ts'
import type { AppIdentity } from './app-identity.ts'
import type { Input } from './value.ts'

/**
 * How one target runs apps. Three blueprints, all pure:
 *
 * - `app`: what lives as long as the app does (its network, its log group). Made before the first deployment.
 * - `deployment`: one immutable artifact with one configuration, keyed by its id, staged: healthy before `settle` says ready,
 *   reachable at an address of its own where the target allows it, without public traffic. Its keys begin with
 *   `deployment/<id>/`, so that the lifecycle can tell the resources of one deployment from those of another.
 * - `traffic`: one resource per app, key `traffic` on every target: which deployments get which share. Updating it is a
 *   release, a canary step, a rollback. Its inputs hold `weights: [{ deployment, percent, … }]`, from which the lifecycle reads
 *   what is live.
 *
 * The imperative rest (status, logs, exec) creates nothing that lasts.
 */
export interface Compute {
  app(spec: AppSpec): Blueprint
  /** Outputs: `address` (a URL where the staged deployment answers), optional. No resources where the artifact itself is what is served (a site): then outputs for `traffic`. */
  deployment(spec: DeploymentSpec): Blueprint
  /** Outputs: `url` (what people open), and more addresses under names of their own, such as `fallbackUrl`. */
  traffic(spec: TrafficSpec): Blueprint
  /**
   * One process beside the app: no port, no traffic, ready when it still runs after a short moment. Its keys begin with
   * `deployment/<id>/worker/<process>/`: the lifecycle makes them right before traffic moves and deletes the old version's right after.
   * Absent: this target runs none.
   */
  worker?(spec: WorkerSpec): Blueprint
  /**
   * One command that runs once to its end, as one resource with the key `deployment/<id>/task/<name>`: ready when it ended with 0, failed
   * otherwise, with the last lines in details.log; each line of its output goes to `call.log`. Deleting it ends it.
   */
  task?(spec: TaskSpec): Blueprint
  /**
   * A command in the artifact of a deployment, with its environment, limits and user; its output comes as it is written. Resolves to its exit code
   * (127: there is no such command). When the signal fires, and when this program is killed, it ends with all that it started;
   * however it ends, nothing of it is left.
   */
  run?(call: RunCall): Promise<{ readonly exitCode: number }>
  /** Ends what `run` has started for programs that were killed since; where it ends with its program by itself, absent. */
  endAbandonedRuns?(call: { readonly signal: AbortSignal }): Promise<void>
  /** As `run`, inside a running instance, as far as the target can: when the signal fires, the command ends, and the instance runs on. */
  exec?(call: ExecCall): Promise<{ readonly exitCode: number }>
  /**
   * A folder that outlives deployments. The resource that is the data has the key `volume/<name>` and a kind that is protected; nothing
   * about it changes when the path does. Outputs: `path`, where the app finds it, and whatever `deployment`, `worker`, `task` and `run`
   * need to give it to the app: they get these outputs as `volumes`. Throws USAGE for a path that this target cannot give.
   */
  volume?(spec: VolumeSpec): Blueprint
  /** How much lies in each volume, in bytes, by name; what cannot be told soon is left out. */
  volumeSizes?(call: { readonly app: AppIdentity; readonly signal: AbortSignal }): Promise<Readonly<Record<string, number>>>
  /**
   * That a deployment takes messages from the queue of its app. Its keys begin with `deployment/<id>/worker/queue/`: it is made right
   * before traffic moves, and the old version's is deleted right after, as workers are. Absent: apps of this target have no queue.
   */
  consumer?(spec: ConsumerSpec): Blueprint
  /** What lies in the queue of an app, and what a person does with it. Throws NOT_ALLOWED_NOW when there is none. */
  readonly queue?: QueueAdministration
  /** Calls a function of a deployment with an event, and waits for what it returns. Absent: nothing here is called this way. */
  invoke?(call: InvokeCall): Promise<InvokeResult>
  /** How others reach the app: the value of `MAILER_URL` for `uses: [mailer]`. Known before the other app exists. */
  link?(spec: LinkSpec): Blueprint
  /** Waits until deployments without traffic have no open requests, at most `timeoutMs`; returns what was still open. */
  drain?(call: { readonly app: AppIdentity; readonly deployments: readonly string[]; readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<{ readonly open: number }>
  status(call: { readonly app: AppIdentity; readonly signal: AbortSignal }): Promise<readonly InstanceStatus[]>
  /** Chunks of the log, oldest first; with `follow`, until the signal fires. `cursor` continues after an earlier chunk. */
  logs?(call: LogCall): AsyncIterable<LogLine>
  /** Of each deployment that has had traffic. */
  counters?(call: { readonly app: AppIdentity; readonly signal: AbortSignal }): Promise<readonly TrafficCounters[]>
}

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
  /** Of a site: what is not there is index.html, since the app routes in the browser. */
  readonly spa?: boolean
  /** Of a function. `instances` is then how many events it handles at once at most, `memoryBytes` and `cpu` are for each, and `command`, `port` and `health` say nothing. */
  readonly function?: FunctionSpec
  readonly volumes?: Volumes
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
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

export interface ConsumerSpec {
  readonly app: AppIdentity
  readonly deployment: string
  /** Outputs of the app's own blueprint. */
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
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

/** The same with references and secrets opened: never stored, never logged. */
export interface OneOffSpec extends Omit<CommandSpec, 'command' | 'env' | 'appOutputs' | 'volumes'> {
  readonly env: Readonly<Record<string, string>>
  readonly volumes?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly appOutputs: Readonly<Record<string, unknown>>
}

export interface RunCall extends OneOffSpec {
  readonly command: readonly string[]
  /** A promise: no more is read from the command until it resolves. It resolves, too, when the signal fires. */
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void | Promise<void>
  /** What the command reads, byte for byte, no faster than it does; its end is the end of the command's input. Absent: the input is empty. When it throws, the command is ended. */
  readonly input?: AsyncIterable<Uint8Array>
  /** The command gets a terminal: all that it writes is then `stdout`. */
  readonly tty?: CommandTerminal
  readonly signal: AbortSignal
}

export interface CommandTerminal extends TerminalSize {
  /** `TERM` of the command, where its environment says nothing else. */
  readonly term: string
  /** Calls the listener whenever the size changes. */
  onResize(listener: (size: TerminalSize) => void): void
  /** Called before the command starts when none can be had here, with the reason, a sentence: it runs without one. */
  unavailable(reason: string): void
}

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

export interface ExecCall extends RunCall {
  /** As `status` names it. */
  readonly instance: string
}

export interface WorkerSpec extends CommandSpec {
  /** Its name, [a-z0-9-]. */
  readonly process: string
  readonly instances: number
}

export interface TaskSpec extends CommandSpec {
  /** Unique in the deployment, [a-z0-9-]: `release`. */
  readonly task: string
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

export interface InstanceStatus {
  readonly deployment: string
  readonly instance: string
  /** Of a worker: the name of its process. Absent: the app itself. */
  readonly process?: string
  readonly state: 'starting' | 'running' | 'unhealthy' | 'exited' | 'stopped'
  readonly exitCode?: number
  readonly restarts?: number
  /** ISO 8601. */
  readonly since?: string
  readonly memoryBytes?: number
  /** Of all processors together, since it started. */
  readonly cpuMs?: number
}

export interface LogCall {
  readonly app: AppIdentity
  /** Also of those that have ended, as long as their logs are kept. */
  readonly deployments?: readonly string[]
  /** Only the newest so many lines of what is there to begin with; default 100, with `since` or `until` all. */
  readonly tail?: number
  /** ISO 8601: only lines of that time or later; of a line without a time it is not known, and it is left out. */
  readonly since?: string
  /** ISO 8601: only lines of that time or earlier. */
  readonly until?: string
  readonly follow?: boolean
  readonly cursor?: string
  readonly signal: AbortSignal
}

export interface LogLine {
  readonly deployment: string
  readonly instance: string
  /** Of a worker: the name of its process. Absent: the app itself. */
  readonly process?: string
  /** `pilot`: a note in the place of lines that are missing. */
  readonly stream: 'stdout' | 'stderr' | 'pilot'
  /** ISO 8601, where the source knows it. */
  readonly at?: string
  readonly text: string
  readonly cursor: string
}
