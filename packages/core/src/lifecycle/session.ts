import { isPilotError, PilotError } from '../errors/pilot-error.ts'
import { createEngine, type Engine } from '../graph/engine.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { acquireLease, type Lease } from '../store/lease.ts'
import type { ScopeName, ScopeStore, State } from '../store/store.ts'
import { refuseUnlessAllowed, type AppAction } from './actions.ts'
import type { LifecycleContext } from './context.ts'
import { nextNumber, openLedger, type Ledger, type LedgerWriter } from './ledger.ts'
import { canaryDefaults } from './canary-plan.ts'
import { canaryOf, isOfShares } from './canary-state.ts'
import { shares, trafficSwitchedAt } from './live.ts'
import type { CanaryPlan, ReleaseRecord } from './records.ts'
import { appScope, appTitle } from './scope.ts'
import { recordedAppState } from './status.ts'

/** One operation on one scope while it holds the lease. */
export interface Session {
  readonly context: LifecycleContext
  readonly scope: ScopeStore
  readonly lease: Lease
  readonly engine: Engine
}

export interface AppSession extends Session {
  readonly app: AppIdentity
  readonly write: LedgerWriter
  ledger(): Promise<Ledger>
  state(): Promise<State | undefined>
}

/**
 * Runs `work` as the owner of the scope. Throws HELD when another owner has it, MANAGED_BY_SERVER when another program
 * manages it. The lease is released whatever happens; losing it aborts the engine's signal.
 */
export async function withScope<T>(context: LifecycleContext, { scope: name, title, app }: { scope: ScopeName; title: string; app?: AppIdentity }, work: (session: Session) => Promise<T>): Promise<T> {
  throwIfCancelled(context.signal)
  const scope = context.store.scope(name)
  refuseForeignManager(context, { scope: name, managedBy: (await scope.readState())?.managedBy })
  const lease = await acquireLease({ store: scope, title, waitMs: context.waitForLeaseMs ?? 0, signal: context.signal })
  try {
    const engine = createEngine({
      kinds: context.provider.kinds,
      scope,
      lease,
      platformId: context.platform.id,
      secrets: context.secrets,
      emit: app ? (event) => context.emit(event.type === 'resource' ? { ...event, app: app.app } : event) : context.emit,
      log: context.log,
      signal: AbortSignal.any([context.signal, lease.signal]),
      managedBy: context.managedBy,
    })
    // What a crash left in the journal only, so that readers of the state see it.
    await engine.recover()
    return await work({ context, scope, lease, engine })
  } finally {
    await lease.release()
  }
}

/**
 * Runs an action on an app as the owner of its scope. Throws NOT_ALLOWED_NOW where the table of actions says no. An attempt
 * that goes on with an interrupted operation first asks `resume` whether the earlier one has done it; undefined: it has not.
 */
export async function withApp<T>(
  context: LifecycleContext,
  { app, action, staged = false, unwritten, resume }: { app: AppIdentity; action: AppAction; /** Nothing that runs changes. */ staged?: boolean; unwritten?: UnwrittenRelease; resume?: (session: AppSession) => Promise<T | undefined> },
  work: (session: AppSession) => Promise<T>,
): Promise<T> {
  const title = `${action} of ${appTitle(app)} by ${context.by}`
  return withScope(context, { scope: appScope(app), title, app }, async (session) => {
    const { read: ledger, write } = openLedger(session.scope, session.lease.fence)
    const appSession: AppSession = { ...session, app, write, ledger, state: () => session.engine.state() }
    await recordUnwrittenRelease(appSession, unwritten)
    const done = context.resumesSince === undefined ? undefined : await resume?.(appSession)
    if (done !== undefined) return done
    const [state, records] = [await appSession.state(), await ledger()]
    const canary = canaryOf(state, records)
    const isOwn = canary?.release !== undefined && context.resumesSince !== undefined && canary.release.at >= context.resumesSince
    refuseUnlessAllowed({ app, action, state: recordedAppState(state, records), canary: canary !== undefined && !staged && !isOwn })
    return work(appSession)
  })
}

/**
 * Traffic was switched and the process died before the release was written down: write it now, as of then. So an operation
 * that is resumed can tell a release of its own from that of one before it.
 */
async function recordUnwrittenRelease({ context, app, write, ledger, state }: AppSession, { plan, because }: UnwrittenRelease = {}): Promise<void> {
  const parts = shares(await state())
  const { releases, deployments } = await ledger()
  const newest = releases.at(-1)
  const canary = canaryOf(await state(), await ledger())
  const live = canary?.deployment.id ?? parts[0]?.deployment
  if (live === undefined || (newest && isOfShares(newest, parts)) || !deployments.some(({ id }) => id === live)) return
  const at = trafficSwitchedAt(await state()) ?? new Date().toISOString()
  const own = context.resumesSince !== undefined && at >= context.resumesSince
  const isAborted = canary === undefined && newest?.canary?.stable === live
  const release: ReleaseRecord = {
    number: nextNumber(releases),
    app,
    deployment: live,
    kind: isAborted ? 'rollback' : 'release',
    ...(canary ? { canary: { ...((own ? plan : undefined) ?? planBefore(newest)), percent: canary.percent, stable: canary.stable.id } } : {}),
    ...(isAborted ? { aborted: { deployment: newest.deployment, ...(own && because !== undefined ? { because } : {}) } } : {}),
    ...(newest ? { previous: newest.deployment } : {}),
    at,
    by: context.by,
  }
  await write.release(release)
}

/** What an attempt that goes on with an operation knows of the release that an earlier one has switched to and not written down. */
export interface UnwrittenRelease {
  /** Of a step of a canary. */
  readonly plan?: CanaryPlan
  /** Why it ended one. */
  readonly because?: string
}

/** A canary goes on as it did; one that nobody knows the plan of waits for a person, who sees it in `status`. */
function planBefore(newest: ReleaseRecord | undefined): CanaryPlan {
  if (newest?.canary === undefined) return { maxErrors: canaryDefaults.maxErrors, minRequests: canaryDefaults.minRequests }
  const { steps, everyMs, maxErrors, minRequests } = newest.canary
  return { ...(steps === undefined ? {} : { steps }), ...(everyMs === undefined ? {} : { everyMs }), maxErrors, minRequests }
}

/** Throws MANAGED_BY_SERVER when the state says that another program manages the scope. */
export function refuseForeignManager(context: LifecycleContext, { scope, managedBy }: { readonly scope: ScopeName; readonly managedBy: string | undefined }): void {
  if (managedBy === undefined || managedBy === context.managedBy) return
  throw new PilotError('MANAGED_BY_SERVER', `${scope} is managed by ${managedBy}`, {
    reason: `This program acts as ${context.managedBy}.`,
    suggestion: managedBy === 'script' ? 'Deploy it with the same script, or destroy it there first.' : 'Use the `pilot` command, which goes through that server.',
    details: { managedBy },
  })
}

export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw cancelReason(signal)
}

/** For good: nobody goes on with it. */
export const isCancelled = ({ signal, goesOnLater }: Pick<LifecycleContext, 'signal' | 'goesOnLater'>): boolean => signal.aborted && goesOnLater?.() !== true

export const cancelReason = ({ reason }: AbortSignal): PilotError => (isPilotError(reason) ? reason : new PilotError('CANCELLED', 'The operation was cancelled'))
