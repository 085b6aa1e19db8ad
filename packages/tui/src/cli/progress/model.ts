import type { ErrorBody, Phase, PilotEvent } from '@pilot/core'

/** What is known of an operation from its events so far. Pure data: {@link advance} makes the next one. */
export interface Progress {
  readonly action: string
  readonly apps: readonly string[]
  /** In the order in which they started. */
  readonly running: readonly RunningPhase[]
  readonly finished: readonly { readonly app: string; readonly phase: Phase }[]
  readonly released: readonly { readonly app: string; readonly url: string; readonly fallbackUrl?: string; readonly release: number; readonly changed: boolean }[]
  readonly errors: readonly { readonly app: string; readonly error: ErrorBody }[]
  readonly outcome?: 'done' | 'failed' | 'cancelled'
}

export interface RunningPhase {
  readonly app: string
  readonly phase: Phase
  readonly startedAt: number
  readonly detail?: string
  /** Median of earlier runs, where there were at least three. */
  readonly usualMs?: number
  readonly step?: string
  /** The highest n of m that was reported. */
  readonly count?: { readonly n: number; readonly of: number }
}

export const noProgress: Progress = { action: '', apps: [], running: [], finished: [], released: [], errors: [] }

export function advance(progress: Progress, event: PilotEvent): Progress {
  switch (event.type) {
    case 'operation.started':
      return { ...progress, action: event.action, apps: event.apps ?? [] }
    case 'phase.started': {
      const phase: RunningPhase = { app: event.app, phase: event.phase, startedAt: Date.parse(event.at), ...(event.detail === undefined ? {} : { detail: event.detail }), ...(event.usualMs === undefined ? {} : { usualMs: event.usualMs }) }
      return { ...progress, running: [...progress.running.filter((other) => !same(other, event)), phase] }
    }
    case 'resource': {
      if (event.status === 'done') return progress
      const at = progress.running.findLastIndex(({ app }) => event.app === undefined || app === event.app)
      if (at < 0) return progress
      const phase = progress.running[at]!
      const count = highest(phase.count, event)
      const isCounted = count !== undefined && event.of === count.of
      const step = `${isCounted ? `${count.n} of ${count.of}: ` : ''}${event.action} ${event.key}${event.message === undefined ? '' : ` (${event.message})`}`
      return { ...progress, running: progress.running.with(at, { ...phase, step, ...(count === undefined ? {} : { count }) }) }
    }
    case 'phase.finished':
      return {
        ...progress,
        running: progress.running.filter((other) => !same(other, event)),
        finished: [...progress.finished, { app: event.app, phase: event.phase }],
        errors: event.error === undefined ? progress.errors : [...progress.errors, { app: event.app, error: event.error }],
      }
    case 'app.released':
      return { ...progress, released: [...progress.released.filter(({ app }) => app !== event.app), { app: event.app, url: event.url, release: event.release, changed: event.changed, ...(event.fallbackUrl === undefined ? {} : { fallbackUrl: event.fallbackUrl }) }] }
    case 'operation.finished':
      return { ...progress, running: [], outcome: event.outcome }
    default:
      return progress
  }
}

/** Steps run side by side and report when they like, and a phase may go through another graph when it tidies up: what is shown only grows. */
function highest(before: RunningPhase['count'], { n, of }: { readonly n?: number; readonly of?: number }): RunningPhase['count'] {
  if (n === undefined || of === undefined) return before
  return before !== undefined && before.n >= n ? before : { n, of }
}

/** Phases that this app has still to go through, as far as the action says. */
export function nextPhases({ action, finished, running }: Progress, app: string): readonly Phase[] {
  const order: Readonly<Record<string, readonly Phase[]>> = { up: ['build', 'deploy', 'release'], deploy: ['build', 'deploy'], build: ['build'] }
  const phases = order[action] ?? []
  const seen = [...finished, ...running].filter((entry) => entry.app === app).map(({ phase }) => phase)
  const last = Math.max(-1, ...seen.map((phase) => phases.indexOf(phase === 'push' ? 'build' : phase)))
  return phases.slice(last + 1)
}

/** Apps of the operation that have not begun. */
export function waitingApps({ apps, running, finished, released, outcome }: Progress): readonly string[] {
  if (outcome !== undefined) return []
  const begun = new Set([...running, ...finished, ...released].map(({ app }) => app))
  return apps.filter((app) => !begun.has(app))
}

const same = (a: { app: string; phase: Phase }, b: { app: string; phase: Phase }): boolean => a.app === b.app && a.phase === b.phase
