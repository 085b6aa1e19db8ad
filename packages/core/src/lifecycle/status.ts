import type { InstanceStatus } from '../provider/compute.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { ScopeStore, State } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'
import { readLedger, type Ledger } from './ledger.ts'
import { countsOf, formationOf } from './formation.ts'
import { canaryStatus } from './canary-look.ts'
import { canaryOf } from './canary-state.ts'
import { hasTraffic, lastFullRelease, liveDeployment, liveDeployments, urlsOf } from './live.ts'
import type { AppState, AppStatus, DeploymentRecord, ReleaseRecord } from './records.ts'
import { appOfScope, appScope, secretPrefix } from './scope.ts'

/** Every app that something is recorded of, in any environment; filtered by whatever is given. */
export async function listApps({ store }: Pick<LifecycleContext, 'store'>, filter: Partial<AppIdentity> = {}): Promise<readonly AppIdentity[]> {
  const { project, app } = filter
  return (await store.scopes(project === undefined ? 'app/' : app === undefined ? `app/${project}/` : `app/${project}/${app}/`)).map(appOfScope).filter((app) => app !== undefined && isMatch(app, filter)) as AppIdentity[]
}

/** Besides, those that have no more than secrets, stored before their first deployment: what a destroy has to know. */
export async function listAppsWithSecrets({ store, secrets }: Pick<LifecycleContext, 'store' | 'secrets'>, filter: Partial<AppIdentity> = {}): Promise<readonly AppIdentity[]> {
  const recorded = await listApps({ store }, filter)
  const { project, app, environment } = filter
  const prefix = project === undefined ? 'app/' : app === undefined || environment === undefined ? `app/${project}/` : secretPrefix({ project, app, environment })
  const named = (await secrets.list(prefix)).map(({ name }) => appOfScope(name.split('/').slice(0, 4).join('/')))
  const all = [...recorded, ...named.filter((each) => each !== undefined && isMatch(each, filter)) as AppIdentity[]]
  return [...new Map(all.map((each) => [appScope(each), each])).values()]
}

const isMatch = (app: AppIdentity, filter: Partial<AppIdentity>): boolean => (Object.keys(filter) as (keyof AppIdentity)[]).every((key) => filter[key] === undefined || filter[key] === app[key])

/** What runs, from records and a live reading. Takes no lease and changes nothing, so it may be asked at any time. */
export async function appStatus({ store, provider, signal }: Pick<LifecycleContext, 'store' | 'provider' | 'signal'>, { app }: { readonly app: AppIdentity }): Promise<AppStatus> {
  const scope = store.scope(appScope(app))
  const state = await scope.readState()
  const ledger = await recordsOfLive(scope, state)
  const deployment = liveDeployment(state, ledger)
  const release = deployment ? ledger.releases.findLast((candidate) => candidate.deployment === deployment.id && candidate.canary === undefined) : (lastFullRelease(ledger) ?? ledger.releases.at(-1))
  const canary = canaryOf(state, ledger)
  const [instances, ofCanary] = await Promise.all([deployment, canary?.deployment].map(async (each) => (each ? await instancesOf({ provider, signal }, each) : [])))
  return {
    app,
    state: stateOf({ state, deployment, release, deployments: ledger.deployments, instances: instances! }),
    ...(release ? { release } : {}),
    ...(deployment ? { deployment, ...urlsOf(state, deployment), ...(deployment.target === 'static' ? {} : { scale: countsOf(deployment) }) } : {}),
    instances: instances!,
    ...(canary ? { canary: await canaryStatus({ provider, signal }, { canary, instances: ofCanary! }) } : {}),
  }
}

export async function listReleases({ store }: Pick<LifecycleContext, 'store'>, { app }: { readonly app: AppIdentity }): Promise<{ readonly releases: readonly ReleaseRecord[]; readonly deployments: readonly DeploymentRecord[]; readonly live?: string; readonly canary?: { readonly deployment: string; readonly percent: number } }> {
  const scope = store.scope(appScope(app))
  const [state, ledger] = await Promise.all([scope.readState(), readLedger(scope)])
  const live = liveDeployment(state, ledger)
  const canary = canaryOf(state, ledger)
  return { releases: ledger.releases, deployments: ledger.deployments, ...(live ? { live: live.id } : {}), ...(canary ? { canary: { deployment: canary.deployment.id, percent: canary.percent } } : {}) }
}

/** As much of the ledger as the status of an app with one live version needs: somebody who asks about hundreds of apps does not want the history of each to be read. */
async function recordsOfLive(scope: ScopeStore, state: State | undefined): Promise<Ledger> {
  const [live, ...others] = liveDeployments(state)
  if (live === undefined || others.length > 0 || scope.findLastRecord === undefined) return readLedger(scope)
  const [deployment, release] = await Promise.all([
    scope.getRecord<DeploymentRecord>('deployment', live),
    scope.findLastRecord<ReleaseRecord>('release', ({ deployment, canary }) => deployment === live && canary === undefined),
  ])
  return deployment === undefined || release === undefined ? readLedger(scope) : { builds: [], configurations: [], deployments: [deployment], releases: [release] }
}

async function instancesOf({ provider, signal }: Pick<LifecycleContext, 'provider' | 'signal'>, { app, id, target }: DeploymentRecord): Promise<readonly InstanceStatus[]> {
  const all = (await provider.compute[target]?.status({ app, signal })) ?? []
  return all.filter(({ deployment }) => deployment === id)
}

/** The state as far as records tell: whether what has traffic is healthy is not asked. */
export function recordedAppState(state: State | undefined, ledger: Ledger): AppState {
  const deployment = liveDeployment(state, ledger)
  return deployment ? 'live' : stateOf({ state, deployment, release: ledger.releases.at(-1), deployments: ledger.deployments, instances: [] })
}

function stateOf({ state, deployment, release, deployments, instances }: { state: State | undefined; deployment: DeploymentRecord | undefined; release: ReleaseRecord | undefined; deployments: readonly DeploymentRecord[]; instances: readonly InstanceStatus[] }): AppState {
  if (!deployment) return release ? (hasTraffic(state) ? 'stopped' : 'destroyed') : deployments.length > 0 ? 'staged' : 'absent'
  // A worker that is down does not keep the app from answering; each shows its own state.
  const own = formationOf(deployment).instances > 0 ? instances.filter(({ process }) => process === undefined) : instances
  return own.some((instance) => instance.state === 'running' || instance.state === 'starting') ? 'live' : 'unhealthy'
}
