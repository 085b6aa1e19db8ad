import { errorBody, forgetResource, PilotError, platformScope, readPlatforms, readRecordedState, restoreState, toPilotError, type ErrorBody, type LifecycleContext, type ScopeStore, type State, type StateChange } from '@pilot/core'
import type { Scope } from '../../contract/state.ts'
import { activityStream, appendEvents } from '../../events/streams.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

/** For an operation that ends in a moment. */
const waitForLeaseMs = 5000

/** The recorded state itself, for when something went wrong with it: whatever of it is damaged, the rest is shown and can be gone back to. */
export function stateHandlers({ db, home, platforms }: Services) {
  return {
    async scopes({ query: { platform }, signal }) {
      if (platform !== undefined) return { scopes: [...(await scopesOf(platform, signal))] }
      const { platforms: records, broken } = await readPlatforms(home.dir)
      const found = await Promise.all(records.map(({ name }) => scopesOf(name, signal).catch((error: unknown) => [unknownScopes(name, error)])))
      return { scopes: [...found.flat(), ...broken.map(({ id, error }) => unknownScopes(id, error))] }
    },

    async stateHistory({ params: { scope: name }, query: { platform }, signal }) {
      const { scope } = await known(name, platform, signal)
      const versions = await scope.stateHistory()
      const { state, problem } = await readable(() => readRecordedState(scope))
      return {
        scope: name,
        versions: versions.map((version) => ({ ...version })),
        resources: (state?.resources ?? []).map(({ key, kind, id, status, generation }) => ({ key, kind, id, status, generation })),
        ...(problem === undefined ? {} : { problem }),
      }
    },

    async restoreState({ params: { scope: name }, query: { platform }, body: { version }, by, signal }) {
      const { context } = await known(name, platform, signal)
      const changed = await restoreState({ ...context, by, waitForLeaseMs }, { scope: name, version })
      return reported(changed, { what: 'state.restored', by, text: `restored version ${version} of the state of ${name}` })
    },

    async forgetResource({ params: { scope: name }, query: { platform }, body: { key }, by, signal }) {
      const { context } = await known(name, platform, signal)
      const changed = await forgetResource({ ...context, by, waitForLeaseMs }, { scope: name, key })
      return reported(changed, { what: 'state.forgotten', by, text: `forgot ${key} of ${name}` })
    },
  } satisfies Partial<Handlers>

  async function scopesOf(platform: string, signal: AbortSignal): Promise<readonly Scope[]> {
    const { context } = await platforms.reader(platform, signal)
    return Promise.all((await context.store.scopes()).map((name) => scopeView(context.store.scope(name), platform)))
  }

  async function known(name: string, platform: string | undefined, signal: AbortSignal): Promise<{ readonly context: LifecycleContext; readonly scope: ScopeStore }> {
    const { context } = await platforms.reader(platform, signal)
    const scopes = await context.store.scopes()
    if (scopes.includes(name)) return { context, scope: context.store.scope(name) }
    throw new PilotError('NOT_FOUND', `There is no scope ${name}`, { reason: `There is ${scopes.join(', ') || 'none yet'}.` })
  }

  async function reported({ scope, version }: StateChange, activity: { what: string; by: string; text: string }): Promise<{ scope: string; version: number }> {
    await appendEvents(db, activityStream, [{ body: activity }])
    return { scope, version }
  }
}

/** A platform that cannot be opened. */
const unknownScopes = (platform: string, error: unknown): Scope => ({ scope: platformScope, platform, resources: 0, problem: problemOf(error) })

async function scopeView(scope: ScopeStore, platform: string): Promise<Scope> {
  const { state, problem } = await readable(() => scope.readState())
  const [newest] = problem === undefined ? [] : await scope.stateHistory()
  const lease = await scope.lease.read().catch(() => undefined)
  return {
    scope: scope.name,
    platform,
    resources: state?.resources.length ?? 0,
    ...(state === undefined ? newest : { version: state.version, at: state.at }),
    ...(state?.managedBy === undefined ? {} : { managedBy: state.managedBy }),
    ...(lease?.holder === undefined ? {} : { heldBy: lease.holder.title }),
    ...(problem === undefined ? {} : { problem }),
  }
}

async function readable(read: () => Promise<State | undefined>): Promise<{ readonly state?: State | undefined; readonly problem?: ErrorBody }> {
  try {
    return { state: await read() }
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

const problemOf = (error: unknown): ErrorBody => errorBody(toPilotError(error))
