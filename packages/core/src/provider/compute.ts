import type { AppIdentity } from './app-identity.ts'
import type { LogCall, LogLine } from './app-logs.ts'
import type { AppSpec, DeploymentSpec, LinkSpec, TaskSpec, TrafficSpec, VolumeSpec, WorkerSpec } from './compute-specs.ts'
import type { TrafficCounters } from './counters.ts'
import type { ConsumerSpec, InvokeCall, InvokeResult, QueueAdministration } from './functions.ts'
import type { Blueprint } from './graph.ts'
import type { ExecCall, RunCall } from './one-off.ts'

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
