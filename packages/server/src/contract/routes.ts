import type { QueueChanged } from './functions.ts'
import type { AppIdentity, Backup, DatabaseUser, InvokeResult, LogLine, QueueState, VolumeStatus } from '@pilot/core'
import type { Activity, StreamEvent } from './events.ts'
import type { AppView, CommandOutput, Deployments, Env, EnvDiff, EnvHistory, Releases, Secrets, SecretsPut, StatusView } from './apps.ts'
import type { HistoryEntry } from './history.ts'
import type { Metrics } from './metrics.ts'
import type { ChannelInput, ChannelList, ChannelPut } from './notifications.ts'
import type { Job, JobState, Operation, OperationAccepted, OperationRequest } from './operations.ts'
import type { Platform, PlatformPlan } from './platforms.ts'
import type { Doctor, Info, Provider, ProviderAdded } from './server.ts'
import type { Database, Login } from './databases.ts'
import type { Authority, Domain } from './domains.ts'
import type { Done } from './shared.ts'
import type { SourceHeld } from './definition.ts'
import type { ScheduledRunView, ScheduleView } from './schedules.ts'
import type { Scope, StateChanged, StateHistory } from './state.ts'

/**
 * Every route of the API: method, path and types, as plain data without any import that runs, so that a client loads nothing
 * else. The schemas that the server checks with stand in `route-schemas.ts`; the compiler compares both.
 *
 * Errors are an {@link ErrorBody} with the HTTP status of the catalogue. Who asks stands in the header `pilot-by`
 * ("ada@laptop"), percent-encoded.
 */
export interface Route<P = unknown, Q = unknown, B = unknown, R = unknown> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD'
  /** With `{name}` for the parameters, each percent-encoded. */
  readonly path: string
  readonly title: string
  /**
   * - `json`: one document, with `status`.
   * - `events`: server-sent events; resumes with `Last-Event-ID` or `?after=`.
   * - `lines`: newline-delimited JSON.
   * - `bytes`: text as it is; header `pilot-offset` says where it begins.
   * - `socket`: a WebSocket; `command-session.ts` says what goes over it.
   */
  readonly answer: 'json' | 'events' | 'lines' | 'bytes' | 'socket' | 'empty'
  readonly status: number
  /** Type only. */
  readonly __types?: { readonly params: P; readonly query: Q; readonly body: B; readonly response: R }
}

interface Shape {
  readonly params?: unknown
  readonly query?: unknown
  readonly body?: unknown
  readonly response?: unknown
}
type Of<S extends Shape, K extends keyof Shape> = K extends keyof S ? S[K] : undefined

type RouteOf<S extends Shape> = Route<Of<S, 'params'>, Of<S, 'query'>, Of<S, 'body'>, Of<S, 'response'>>

/** Answers with one JSON document. */
const route = <S extends Shape>(method: Route['method'], path: string, title: string, status = 200): RouteOf<S> & { readonly answer: 'json' } => ({ method, path, title, answer: 'json', status })

/** Answers with something else. */
const stream = <S extends Shape>(path: string, title: string, answer: Exclude<Route['answer'], 'json' | 'socket' | 'empty'>): RouteOf<S> & { readonly answer: 'events' | 'lines' | 'bytes' } => ({ method: 'GET', path, title, answer, status: 200 })
const socket = <S extends Shape>(path: string, title: string): RouteOf<S> & { readonly answer: 'socket' } => ({ method: 'GET', path, title, answer: 'socket', status: 101 })
const head = <S extends Shape>(path: string, title: string): RouteOf<S> & { readonly answer: 'empty' } => ({ method: 'HEAD', path, title, answer: 'empty', status: 200 })

const app = '/v1/apps/{project}/{environment}/{app}'
/** `platform` only where one app address exists on several platforms. */
type OnPlatform = { readonly platform?: string }

export const routes = {
  info: route<{ response: Info }>('GET', '/v1/info', 'What this server is'),
  shutdown: route<{ body: { wait?: boolean }; response: Done }>('POST', '/v1/shutdown', 'Stop this server; apps run on', 202),
  doctor: route<{ response: Doctor }>('GET', '/v1/doctor', 'What is on the machine, what is missing, and how to get it'),
  providers: route<{ query: { check?: boolean }; response: { providers: Provider[] } }>('GET', '/v1/providers', 'Installed providers, third-party ones included'),
  addProvider: route<{ body: { package: string }; response: ProviderAdded }>('POST', '/v1/providers', 'Install a third-party provider into this home'),

  platforms: route<{ response: { platforms: Platform[] } }>('GET', '/v1/platforms', 'The platforms of this home'),
  planPlatform: route<{ body: { provider: string; name?: string; settings?: Record<string, unknown> }; response: PlatformPlan }>('POST', '/v1/platforms/plan', 'What setup would create, and what it costs'),

  sourceHeld: head<{ params: { digest: string } }>('/v1/sources/{digest}', 'Whether the server has this source (200 or 404)'),
  putSource: route<{ params: { digest: string }; response: SourceHeld }>('PUT', '/v1/sources/{digest}', 'Upload a source: a gzipped tar; the digest is the SHA-256 of the uncompressed tar', 201),

  startOperation: route<{ body: OperationRequest; response: OperationAccepted }>('POST', '/v1/operations', 'Start an operation', 202),
  operation: route<{ params: { id: string }; response: Operation }>('GET', '/v1/operations/{id}', 'An operation with its jobs'),
  operationEvents: stream<{ params: { id: string }; query: { after?: number }; response: StreamEvent }>('/v1/operations/{id}/events', 'What the operation reports; ends after `operation.finished`', 'events'),
  operationLog: stream<{ params: { id: string }; query: { offset?: number; follow?: boolean }; response: string }>('/v1/operations/{id}/log', 'Build output from a byte offset; with `follow` until the operation ends', 'bytes'),
  cancelOperation: route<{ params: { id: string }; response: Operation }>('POST', '/v1/operations/{id}/cancel', 'Cancel: waiting jobs never start, running ones stop at the next step', 202),
  jobs: route<{ query: { limit?: number; state?: JobState; project?: string; environment?: string; app?: string }; response: { jobs: Job[] } }>('GET', '/v1/jobs', 'Jobs, newest first'),

  status: route<{ query: { project?: string; environment?: string; platform?: string }; response: StatusView }>('GET', '/v1/status', 'What runs: platforms, apps, jobs'),
  app: route<{ params: AppIdentity; query: OnPlatform; response: AppView }>('GET', app, 'One app: its state, instances and allowed actions'),
  releases: route<{ params: AppIdentity; query: OnPlatform & { limit?: number }; response: Releases }>('GET', `${app}/releases`, 'Releases, newest first'),
  deployments: route<{ params: AppIdentity; query: OnPlatform & { limit?: number }; response: Deployments }>('GET', `${app}/deployments`, 'Deployments, newest first'),
  env: route<{ params: AppIdentity; query: OnPlatform; response: Env }>('GET', `${app}/env`, 'Environment variables with their sources; of secrets only the names'),
  envHistory: route<{ params: AppIdentity; query: OnPlatform; response: EnvHistory }>('GET', `${app}/env/history`, 'Versions of the configuration: when, by whom, and what changed'),
  envDiff: route<{ params: AppIdentity; query: OnPlatform & { from?: number | 'next'; to?: number | 'next' }; response: EnvDiff }>('GET', `${app}/env/diff`, 'What differs between two versions; by default from what runs to what the next release gets'),
  secrets: route<{ params: AppIdentity; query: OnPlatform; response: Secrets }>('GET', `${app}/secrets`, 'Names and versions of secrets, never a value'),
  putSecrets: route<{ params: AppIdentity; query: OnPlatform; body: { values: Record<string, string> }; response: SecretsPut }>('PUT', `${app}/secrets`, 'Store secrets; they take effect with the operation `secret` or the next `up`'),
  removeSecret: route<{ params: AppIdentity & { name: string }; query: OnPlatform; response: Done }>('DELETE', `${app}/secrets/{name}`, 'Remove a secret; deployments that refer to it keep it'),
  metrics: route<{ params: AppIdentity; query: OnPlatform & { seconds?: number }; response: Metrics }>('GET', `${app}/metrics`, 'What the app did and used lately: requests, errors, latency, processor, memory'),
  database: route<{ params: AppIdentity; query: OnPlatform; response: Database }>('GET', `${app}/database`, 'The database of the app: size, connections, version, how it is reached'),
  databaseUsers: route<{ params: AppIdentity; query: OnPlatform; response: { users: DatabaseUser[] } }>('GET', `${app}/database/users`, 'Roles that can log in to it'),
  databaseLogin: route<{ params: AppIdentity; query: OnPlatform; response: Login }>('POST', `${app}/database/login`, 'The login of the app with its password; stands in the activity'),
  backups: route<{ params: AppIdentity; query: OnPlatform; response: { backups: Backup[] } }>('GET', `${app}/database/backups`, 'Backups, newest first'),
  deleteBackup: route<{ params: AppIdentity & { backup: string }; query: OnPlatform; response: Done }>('DELETE', `${app}/database/backups/{backup}`, 'Delete a backup; HELD while something else works on the database'),
  volumes: route<{ params: AppIdentity; query: OnPlatform; response: { volumes: VolumeStatus[] } }>('GET', `${app}/volumes`, 'Folders of the app that outlive deployments: where they are, and how much lies in them'),
  logs: stream<{ params: AppIdentity; query: OnPlatform & { follow?: boolean; tail?: number; cursor?: string; since?: string; until?: string; deployment?: string }; response: LogLine }>(`${app}/logs`, 'Log lines of the app', 'lines'),

  run: { ...stream<{ params: AppIdentity; query: OnPlatform; body: { command: string[] }; response: CommandOutput }>(`${app}/run`, 'Run a command in the app\'s artifact with its environment; ends with its exit code, and the command ends with the connection', 'lines'), method: 'POST' },
  exec: { ...stream<{ params: AppIdentity; query: OnPlatform; body: { command: string[]; process?: string; instance?: string }; response: CommandOutput }>(`${app}/exec`, 'Run a command inside a running instance; ends with its exit code, and the command ends with the connection', 'lines'), method: 'POST' },
  runSession: socket<{ params: AppIdentity; query: OnPlatform }>(`${app}/run`, 'As POST, over a WebSocket, with input and a terminal'),
  execSession: socket<{ params: AppIdentity; query: OnPlatform & { process?: string; instance?: string } }>(`${app}/exec`, 'As POST, over a WebSocket, with input and a terminal'),

  invoke: route<{ params: AppIdentity; query: OnPlatform; body: { event: string }; response: InvokeResult }>('POST', `${app}/invoke`, 'Call the live version of a function with an event (JSON as text), and wait for its result'),
  queue: route<{ params: AppIdentity; query: OnPlatform; response: QueueState }>('GET', `${app}/queue`, 'The queue of a function: how many messages wait, and those that were put aside'),
  retryQueue: route<{ params: AppIdentity; query: OnPlatform; response: QueueChanged }>('POST', `${app}/queue/retry`, 'Try again what was put aside'),
  purgeQueue: route<{ params: AppIdentity; query: OnPlatform; body: { which: 'dead' | 'all' }; response: QueueChanged }>('POST', `${app}/queue/purge`, 'Delete messages: those that were put aside, or all that nobody works on'),

  schedules: route<{ query: { project?: string; environment?: string; app?: string; platform?: string }; response: { schedules: ScheduleView[] } }>('GET', '/v1/schedules', 'What runs at certain times, as it is live: when next, and what became of the newest run'),
  runs: route<{ params: AppIdentity; query: OnPlatform & { type?: string; name?: string; limit?: number }; response: { runs: ScheduledRunView[] } }>('GET', `${app}/runs`, 'Runs of the schedules of an app, newest first'),
  runLog: stream<{ params: AppIdentity & { run: string }; query: { offset?: number; follow?: boolean }; response: string }>(`${app}/runs/{run}/log`, 'What a run printed, from a byte offset; with `follow` until it ends', 'bytes'),
  runCron: { ...stream<{ params: AppIdentity & { name: string }; query: OnPlatform; body: Record<string, never>; response: CommandOutput }>(`${app}/cron/{name}/run`, 'Run a cron job now; ends with its exit code, and the run ends with the connection', 'lines'), method: 'POST' },

  domains: route<{ query: OnPlatform & { project?: string; environment?: string; app?: string }; response: { domains: Domain[] } }>('GET', '/v1/domains', 'Domains of apps: where each points, and its certificate'),
  renewCertificate: route<{ params: { domain: string }; query: OnPlatform; response: { domain: Domain; log: string[] } }>('POST', '/v1/domains/{domain}/certificate', 'Renew a certificate now, due or not'),
  certificateAuthority: route<{ query: OnPlatform; response: Authority }>('GET', '/v1/certificate-authority', 'The certificate authority of this machine, made when there is none'),
  noteTrust: route<{ body: { trusted: boolean }; response: Done }>('PUT', '/v1/certificate-authority/trust', 'Say whether this machine trusts it: addresses of apps are then printed with https'),

  scopes: route<{ query: OnPlatform; response: { scopes: Scope[] } }>('GET', '/v1/scopes', 'Scopes that have state'),
  stateHistory: route<{ params: { scope: string }; query: OnPlatform; response: StateHistory }>('GET', '/v1/scopes/{scope}/history', 'Versions of the recorded state'),
  restoreState: route<{ params: { scope: string }; query: OnPlatform; body: { version: number }; response: StateChanged }>('POST', '/v1/scopes/{scope}/restore', 'Make an older version the newest; changes no resource'),
  forgetResource: route<{ params: { scope: string }; query: OnPlatform; body: { key: string }; response: StateChanged }>('POST', '/v1/scopes/{scope}/forget', 'Forget a resource; it is not deleted'),

  notificationChannels: route<{ query: OnPlatform; response: ChannelList }>('GET', '/v1/notifications', 'Who is told of failures, and whether that works'),
  putNotificationChannel: route<{ params: { name: string }; query: OnPlatform; body: ChannelInput; response: ChannelPut }>('PUT', '/v1/notifications/{name}', 'Make or replace a notification channel; a command only over the unix socket'),
  testNotificationChannel: route<{ params: { name: string }; query: OnPlatform; response: Done }>('POST', '/v1/notifications/{name}/test', 'Send a test; NOTIFICATION_FAILED says why it did not arrive'),
  removeNotificationChannel: route<{ params: { name: string }; query: OnPlatform; response: Done }>('DELETE', '/v1/notifications/{name}', 'Remove a notification channel'),

  history: route<{ query: { limit?: number; project?: string; environment?: string; app?: string }; response: { entries: HistoryEntry[] } }>('GET', '/v1/history', 'Who did what, when, and how it ended; newest first'),
  events: stream<{ query: { after?: number }; response: Activity }>('/v1/events', 'Activity of the whole server: who, what, when. Without `after`: only what happens from now on', 'events'),
} as const

export type Routes = typeof routes
export type RouteName = keyof Routes
type Types<N extends RouteName> = NonNullable<Routes[N]['__types']>
export type Params<N extends RouteName> = Types<N>['params']
export type Query<N extends RouteName> = Types<N>['query']
export type Body<N extends RouteName> = Types<N>['body']
export type Response<N extends RouteName> = Types<N>['response']

/** The path with its parameters filled in, without a query. */
export function pathOf(name: RouteName, params: Readonly<Record<string, string>> = {}): string {
  return routes[name].path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(params[key] ?? ''))
}
