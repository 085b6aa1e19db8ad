import type { AppIdentity } from './app-identity.ts'

/** The phases that commands of the manifest can run around. */
export const hookPhases = ['build', 'deploy', 'release', 'rollback', 'destroy'] as const
export type HookPhase = (typeof hookPhases)[number]
export type HookName = `${'before' | 'after'}-${HookPhase}`

/** Runs hooks where jobs run. They are code of the source, and get the isolation that its build gets. */
export interface HookRunner {
  /**
   * Runs the command once, in a copy of the source that is deleted afterwards; each line of its output goes to `log`. Throws HOOK_FAILED with
   * the exit code as reason and the last lines in details.log. However it ends, and when the signal fires, nothing that it started is left.
   */
  run(call: HookCall): Promise<void>
}

export interface HookCall {
  readonly app: AppIdentity
  readonly hook: HookName
  readonly command: readonly string[]
  /** Variables that say what happens; never secrets. */
  readonly env: Readonly<Record<string, string>>
  /** The source as an uncompressed tar stream. */
  openSource(): Promise<NodeJS.ReadableStream>
  readonly timeoutMs: number
  readonly signal: AbortSignal
  log(line: string): void
}
