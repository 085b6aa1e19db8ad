import type { ErrorBody } from '../errors/pilot-error.ts'

/**
 * What an operation reports while it runs. Every event carries a version; readers keep types that they do not know and show
 * `type` as text. Log lines are not events: they go to files, read by byte offset.
 */
export type EventBody =
  | { readonly type: 'operation.started'; readonly action: string; readonly project?: string; readonly environment?: string; readonly platform: string; readonly apps?: readonly string[] }
  | { readonly type: 'phase.started'; readonly app: string; readonly phase: Phase; readonly detail?: string; /** Median of at least three earlier runs. */ readonly usualMs?: number }
  | { readonly type: 'phase.finished'; readonly app: string; readonly phase: Phase; readonly outcome: 'done' | 'unchanged' | 'failed' | 'cancelled'; readonly ms: number; readonly detail?: string; readonly error?: ErrorBody }
  | { readonly type: 'resource'; readonly app?: string; readonly key: string; readonly kind: string; readonly action: ResourceAction; readonly status: 'started' | 'waiting' | 'done' | 'failed'; readonly ms?: number; readonly message?: string; /** Step n of m. */ readonly n?: number; readonly of?: number }
  | { readonly type: 'notice'; readonly app?: string; readonly level: 'info' | 'warning'; readonly text: string }
  | { readonly type: 'app.staged'; readonly app: string; readonly deployment: string; /** Where it can be looked at before its release. */ readonly address?: string }
  | { readonly type: 'app.released'; readonly app: string; readonly release: number; readonly deployment: string; readonly url: string; readonly fallbackUrl?: string; readonly changed: boolean; /** It has a part of the traffic only; `stable` (`v11`) has the rest. */ readonly canary?: { readonly percent: number; readonly stable: string } }
  | { readonly type: 'operation.finished'; readonly outcome: 'done' | 'failed' | 'cancelled'; readonly url?: string; readonly error?: ErrorBody; readonly result?: Readonly<Record<string, unknown>> }

/** Pilot's own; a script may report one of its own between them. */
export type Phase = 'setup' | 'build' | 'push' | 'deploy' | 'release' | 'drain' | 'backup' | 'restore' | 'destroy' | (string & Record<never, never>)
export type ResourceAction = 'create' | 'update' | 'replace' | 'delete' | 'keep'

export type PilotEvent = EventBody & { readonly v: 1; readonly at: string }

export type Emit = (event: EventBody) => void
