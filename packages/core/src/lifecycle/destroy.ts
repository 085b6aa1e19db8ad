import { PilotError } from '../errors/pilot-error.ts'
import type { Foreign } from '../graph/sweep.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { ResourceState, ScopeName, State } from '../store/store.ts'
import { removeArtifacts } from './artifacts.ts'
import type { LifecycleContext } from './context.ts'
import { usersOfDatabase } from './deployed-apps.ts'
import { recordedData } from './desired.ts'
import { holdApps } from './hold-apps.ts'
import { afterPhase, beforePhase } from './hooks.ts'
import { liveDeployment } from './live.ts'
import { runPhase } from './phase.ts'
import type { DestroyInput, DestroyPlatformInput, DestroyResult } from './phases.ts'
import { appScope, appTitle, generatedSecretPrefix, platformScope, secretPrefix } from './scope.ts'
import { throwIfCancelled, withApp, withScope } from './session.ts'
import { withoutUnusedEngines } from './unused-engines.ts'

/**
 * Removes an app from its environment. Data (what is protected: databases, volumes) stays unless `deleteData`; then the
 * scope stays too, so that the next `up` finds its data again.
 */
export const destroyApp = (context: LifecycleContext, { app, deleteData, hooks = true }: DestroyInput): Promise<DestroyResult> =>
  withApp(withoutUnusedEngines(context, appScope(app)), { app, action: 'destroy' }, (session) =>
    runPhase(context, { app, phase: 'destroy' }, async () => {
      const { engine, scope, lease } = session
      if (deleteData) await refuseWhileShared(context, app)
      const state = await session.state()
      const ledger = await session.ledger()
      const last = liveDeployment(state, ledger) ?? ledger.deployments.at(-1)
      if (last && hooks) await beforePhase(session, 'destroy', last)
      const isData = dataKeys(context, state)
      const destroyed = await engine.destroy({ keep: ({ key }) => !deleteData && isData.has(key), confirmProtected: [...isData] })
      const artifacts = await removeArtifacts(session, ledger.builds)
      const keptState = await session.state()
      if ((keptState?.resources.length ?? 0) === 0) {
        await context.secrets.purge(secretPrefix(app))
        await context.secrets.purge(generatedSecretPrefix(app))
        await scope.remove(lease.fence)
      }
      if (last && hooks) await afterPhase(session, 'destroy', last)
      const kept = (keptState?.resources ?? []).map((resource) => keptResource(context, resource))
      return { result: { deleted: [...destroyed.deleted, ...artifacts], kept, foreign: tellForeign(context, destroyed.foreign) } }
    }),
  )

/**
 * Removes the platform itself. Throws HELD while an operation on an app of it runs, BLOCKED while apps still have resources on
 * it, naming them. While something is left that Pilot has no record of, the platform stays known, to be destroyed again.
 */
export const destroyPlatform = (context: LifecycleContext, { deleteData, whenGone }: DestroyPlatformInput): Promise<DestroyResult> => {
  const { platform } = context
  const title = `destroy of ${platform.name} by ${context.by}`
  return withScope(withoutUnusedEngines(context, platformScope), { scope: platformScope, title }, async ({ engine: unwatched, scope, lease }) => {
    await using apps = holdApps(context, title)
    const signal = AbortSignal.any([context.signal, lease.signal, apps.signal])
    const engine = unwatched.withSignal(signal)
    await apps.hold()
    refuseOccupied(platform.name, await apps.resources())
    const isData = dataKeys(context, await scope.readState())
    const destroyed = await engine.destroy({ keep: ({ key }) => !deleteData && isData.has(key), confirmProtected: [...isData] })
    await apps.hold()
    refuseOccupied(platform.name, await apps.resources())
    throwIfCancelled(signal)
    const rest = (await scope.readState())?.resources ?? []
    const foreign = tellForeign(context, destroyed.foreign)
    if (destroyed.foreign.some(({ retained }) => retained !== true)) {
      context.emit({ type: 'notice', level: 'warning', text: `Pilot does not delete what it has no record of. Delete it with the tools of ${platform.provider}, then run \`destroy --platform ${platform.name}\` again.` })
    } else if (rest.length === 0) {
      await scope.remove(lease.fence)
      await whenGone?.()
    }
    return { deleted: destroyed.deleted, kept: rest.map((resource) => keptResource(context, resource)), foreign }
  })
}

function refuseOccupied(platform: string, resources: ReadonlyMap<ScopeName, number>): void {
  const occupied = [...resources].filter(([, count]) => count > 0).map(([name, count]) => `${name} (${count} resources)`)
  if (occupied.length === 0) return
  throw new PilotError('BLOCKED', `${platform} still holds ${occupied.join(', ')}`, { suggestion: 'Destroy these apps first, with --delete-data if their data may go.' })
}

function tellForeign({ emit }: LifecycleContext, foreign: readonly Foreign[]): DestroyResult['foreign'] {
  for (const { title, kind, reason } of foreign) emit({ type: 'notice', level: 'warning', text: `Left alone: ${title} (${kind}): ${reason}` })
  return foreign.map(({ id, kind, title, reason }) => ({ id, kind, title, reason }))
}

const dataKeys = ({ provider }: LifecycleContext, state: State | undefined): ReadonlySet<string> => new Set(recordedData(state, provider.kinds).map(({ key }) => key))

/** Throws BLOCKED before anything is deleted. */
async function refuseWhileShared(context: LifecycleContext, app: AppIdentity): Promise<void> {
  const users = (await usersOfDatabase(context, app)).map(appTitle).join(', ')
  if (users === '') return
  throw new PilotError('BLOCKED', `The database of ${appTitle(app)} is used by ${users}`, { suggestion: `Destroy ${users} first, give it another database with \`up\`, or keep the data: leave out \`--delete-data\`.` })
}

function keptResource({ provider }: LifecycleContext, { key, kind: name, id, inputs, outputs }: ResourceState): DestroyResult['kept'][number] {
  const cost = provider.kinds.find(({ kind }) => kind === name)?.cost(inputs)
  return { key, kind: name, title: typeof outputs?.['folder'] === 'string' ? outputs['folder'] : id, ...(cost && 'monthly' in cost ? { monthlyCost: cost.monthly } : {}) }
}
