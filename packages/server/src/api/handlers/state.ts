import { acquireLease, listPlatforms, PilotError, type LifecycleContext, type ScopeStore, type State } from '@pilot/core'
import type { Scope } from '../../contract/state.ts'
import { activityStream, appendEvents } from '../../events/streams.ts'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'

/** The recorded state itself, for when something went wrong with it. Changes records only, never a resource. */
export function stateHandlers({ db, home, platforms }: Services) {
  return {
    async scopes({ query: { platform }, signal }) {
      const names = platform === undefined ? (await listPlatforms(home.dir)).map(({ name }) => name) : [platform]
      return { scopes: (await Promise.all(names.map((name) => scopesOf(name, signal)))).flat() }
    },

    async stateHistory({ params: { scope: name }, query: { platform }, signal }) {
      const scope = await knownScope(name, platform, signal)
      const [versions, state] = await Promise.all([scope.stateHistory(), scope.readState()])
      return {
        scope: name,
        versions: versions.map((version) => ({ ...version })),
        resources: (state?.resources ?? []).map(({ key, kind, id, status, generation }) => ({ key, kind, id, status, generation })),
      }
    },

    async restoreState({ params: { scope: name }, query: { platform }, body: { version }, by, signal }) {
      const scope = await knownScope(name, platform, signal)
      if (!(await scope.stateHistory()).some((kept) => kept.version === version)) throw new PilotError('NOT_FOUND', `The state of ${name} has no version ${version}`, { suggestion: `See \`state history ${name}\`.` })
      const restored = await scope.readStateVersion(version)
      const changed = await writeNext(scope, { title: `state restore by ${by}`, signal, change: () => restored.resources })
      await report({ what: 'state.restored', by, text: `restored version ${version} of the state of ${name}` })
      return { scope: name, version: changed }
    },

    async forgetResource({ params: { scope: name }, query: { platform }, body: { key }, by, signal }) {
      const scope = await knownScope(name, platform, signal)
      const changed = await writeNext(scope, {
        title: `state forget by ${by}`,
        signal,
        change(resources) {
          if (resources.some((resource) => resource.key === key)) return resources.filter((resource) => resource.key !== key)
          throw new PilotError('NOT_FOUND', `The state of ${name} holds no resource ${key}`, { reason: `It holds ${resources.map((resource) => resource.key).join(', ') || 'nothing'}.` })
        },
      })
      await report({ what: 'state.forgotten', by, text: `forgot ${key} of ${name}` })
      return { scope: name, version: changed }
    },
  } satisfies Partial<Handlers>

  async function scopesOf(platform: string, signal: AbortSignal): Promise<Scope[]> {
    const { context } = await platforms.reader(platform, signal)
    const names = await context.store.scopes()
    return Promise.all(
      names.map(async (name) => {
        const scope = context.store.scope(name)
        const [state, lease] = await Promise.all([scope.readState(), scope.lease.read()])
        return {
          scope: name,
          platform,
          resources: state?.resources.length ?? 0,
          ...(state === undefined ? {} : { version: state.version, at: state.at }),
          ...(state?.managedBy === undefined ? {} : { managedBy: state.managedBy }),
          ...(lease?.holder === undefined ? {} : { heldBy: lease.holder.title }),
        }
      }),
    )
  }

  async function knownScope(name: string, platform: string | undefined, signal: AbortSignal): Promise<ScopeStore> {
    const { context } = await platforms.reader(platform, signal)
    if (!(await context.store.scopes()).includes(name)) throw await unknownScope(context, name)
    return context.store.scope(name)
  }

  async function report(activity: { what: string; by: string; text: string }): Promise<void> {
    await db.transaction().execute((tx) => appendEvents(tx, activityStream, [{ body: activity }]))
  }
}

/** Under the scope's lease, so no operation runs meanwhile. */
async function writeNext(scope: ScopeStore, { title, signal, change }: { title: string; signal: AbortSignal; change: (resources: State['resources']) => State['resources'] }): Promise<number> {
  await using lease = await acquireLease({ store: scope, title, signal, waitMs: 5000 })
  const newest = await scope.readState()
  if (newest === undefined) throw new PilotError('NOT_FOUND', `${scope.name} has no state`)
  const next: State = { ...newest, version: newest.version + 1, at: new Date().toISOString(), resources: change(newest.resources) }
  await scope.writeState(next, lease.fence)
  return next.version
}

async function unknownScope({ store }: LifecycleContext, name: string): Promise<PilotError> {
  return new PilotError('NOT_FOUND', `There is no scope ${name}`, { reason: `There is ${(await store.scopes()).join(', ') || 'none yet'}.` })
}
