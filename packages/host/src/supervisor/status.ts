import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ProcessIdentity } from '@pilot/core/process-identity'
import { readJsonSync, replaceJson } from '../home/files.ts'
import type { HomePaths } from '../home/paths.ts'

/** What really runs, written by the supervisor. */
export interface ServiceStatus {
  readonly name: string
  /** `starting` is written before the process exists; `waiting` between two starts; `exited` when the policy does not restart. */
  readonly state: 'starting' | 'running' | 'waiting' | 'exited' | 'failed' | 'stopping'
  readonly revision: string
  readonly process?: ProcessIdentity
  /** ISO 8601: since when it is in this state. */
  readonly since: string
  /** Restarts that nobody asked for. */
  readonly restarts: number
  readonly lastExit?: ServiceExit
  /** Why the state is not what the specification wants. */
  readonly problem?: string
  /** Older processes of this service that still finish their work. */
  readonly leaving?: readonly ProcessIdentity[]
  /** How to stop it, for a supervisor that finds the process but no specification any more. */
  readonly stop?: { readonly signal: NodeJS.Signals; readonly timeoutMs: number }
  /** How the limits of the specification are kept on this machine. */
  readonly limits?: Readonly<Record<string, string>>
}

export interface ServiceExit {
  readonly at: string
  /** Null when a signal ended it, or when it was not a child of this supervisor and nobody could know. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** The kernel killed it, or a part of it, at its memory limit. */
  readonly outOfMemory?: true
}

const statusPath = (paths: HomePaths, name: string): string => join(paths.serviceStatus, `${name}.json`)

/** Not flushed when written: one that a power cut tore tells of no process that lives. */
export function readStatus(paths: HomePaths, name: string): ServiceStatus | undefined {
  try {
    return readJsonSync<ServiceStatus>(statusPath(paths, name))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

export function writeStatus(paths: HomePaths, status: ServiceStatus): void {
  replaceJson(statusPath(paths, status.name), status)
}

export function removeStatus(paths: HomePaths, name: string): void {
  rmSync(statusPath(paths, name), { force: true })
}
