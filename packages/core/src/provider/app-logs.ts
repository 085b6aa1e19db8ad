import type { AppIdentity } from './app-identity.ts'

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
