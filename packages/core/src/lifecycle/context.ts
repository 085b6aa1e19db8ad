import type { PackedSource } from './app-definition.ts'
import type { SourceRecord } from './records.ts'
import type { Emit, Phase } from '../events/event.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { Capabilities } from '../provider/provider.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import type { Store } from '../store/store.ts'

/** What every phase needs: wired once per program (server, script, test). */
export interface LifecycleContext {
  readonly platform: { readonly id: string; readonly name: string; readonly provider: string }
  readonly provider: Capabilities
  readonly store: Store
  readonly secrets: SecretStore
  /** A folder of this machine for temporary files of a build. */
  readonly workDir: string
  readonly emit: Emit
  /** A line of build output. */
  log(line: string): void
  /** A source that was packed before, for the hooks of phases that bring none; undefined: it is no longer there. */
  openSource?(source: SourceRecord): Promise<PackedSource | undefined>
  readonly signal: AbortSignal
  /** Asked when the signal has fired: the operation is not cancelled, another attempt goes on with it. Absent: it does not. */
  readonly goesOnLater?: () => boolean
  /** Who acts: stands in records. */
  readonly by: string
  /** `script`, or the id of the server: a scope that another owner manages is refused with MANAGED_BY_SERVER. */
  readonly managedBy: string
  /**
   * Of an attempt that goes on with an operation whose earlier one was interrupted: when the first one began (ISO 8601). What
   * was done since is not done again.
   */
  readonly resumesSince?: string
  /** The median duration of at least three earlier runs of a phase, milliseconds; absent or undefined: unknown. */
  usualMs?(phase: Phase, app: AppIdentity): number | undefined
  /** Ids of deployments of an app that something still works with although they have no traffic: their artifacts stay. */
  deploymentsInUse?(app: AppIdentity): Promise<readonly string[]>
  /** Called before a one-off command starts: until what it returns is disposed, the deployment counts as one that is in use. */
  useDeployment?(app: AppIdentity, deployment: string): Promise<AsyncDisposable>
  /** How long to wait for a scope that another owner holds, milliseconds; default 0: HELD at once. */
  readonly waitForLeaseMs?: number
}
