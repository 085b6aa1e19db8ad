import type { AppIdentity } from '../provider/app-identity.ts'
import type { InstanceStatus } from '../provider/compute.ts'
import { canaryOf, nextStep, type Canary } from './canary-state.ts'
import { judgeCanary, type CanaryLook } from './canary-verdict.ts'
import type { LifecycleContext } from './context.ts'
import { formationOf } from './formation.ts'
import { readLedger } from './ledger.ts'
import { shares } from './live.ts'
import type { CanaryStatus, ReleaseRecord } from './records.ts'
import { appScope } from './scope.ts'

type Reader = Pick<LifecycleContext, 'store' | 'provider' | 'signal'>

/** Whether one is on, from the state alone. */
export async function isCanaryOn({ store }: Pick<Reader, 'store'>, { app }: { readonly app: AppIdentity }): Promise<boolean> {
  return shares(await store.scope(appScope(app)).readState()).length > 1
}

/** One look at a canary that is on, for `judgeCanary`: takes no lease and changes nothing. Undefined: none is on. */
export async function lookAtCanary({ store, provider, signal }: Reader, { app, atMs = Date.now() }: { readonly app: AppIdentity; readonly atMs?: number }): Promise<CanaryLook | undefined> {
  const scope = store.scope(appScope(app))
  const [state, ledger] = await Promise.all([scope.readState(), readLedger(scope)])
  const canary = canaryOf(state, ledger)
  if (canary?.release === undefined) return undefined
  const compute = provider.compute[canary.deployment.target]
  const instances = ((await compute?.status({ app, signal })) ?? []).filter(({ deployment }) => deployment === canary.deployment.id)
  return lookOf({ provider, signal }, { canary, release: canary.release, instances, atMs })
}

/** With the counters read. */
async function lookOf({ provider, signal }: Omit<Reader, 'store'>, { canary: { deployment }, release, instances, atMs }: { canary: Canary; release: ReleaseRecord; instances: readonly InstanceStatus[]; atMs: number }): Promise<CanaryLook> {
  const { app, target, number } = deployment
  const counted = (await provider.compute[target]?.counters?.({ app, signal })) ?? []
  // A site is files: whether they are there is all that can be seen.
  const wanted = target === 'static' ? 1 : formationOf(deployment).instances
  return { atMs, release, title: `v${number}`, wanted, instances, counted: counted.map(({ deployment, life, requests, errors }) => ({ deployment, life, requests, errors })) }
}

/** For `status`. */
export async function canaryStatus(reader: Omit<Reader, 'store'>, { canary, instances }: { canary: Canary; instances: readonly InstanceStatus[] }): Promise<CanaryStatus> {
  const { deployment, percent, release } = canary
  const next = release && nextStep(release)
  const look = release?.canary?.counted && (await lookOf(reader, { canary, release, instances, atMs: Date.now() }).catch(() => undefined))
  return { deployment, percent, ...(release ? { release } : {}), instances, ...(next ? { next } : {}), ...(look ? { traffic: judgeCanary(look).traffic } : {}) }
}
