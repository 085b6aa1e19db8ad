import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { State } from '../store/store.ts'
import type { LifecycleContext } from './context.ts'
import { recordedGraph } from './desired.ts'
import { readLedger, type Ledger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { DeploymentRecord } from './records.ts'
import { appScope, appTitle, volumeKeyPrefix } from './scope.ts'
import { withApp, type AppSession } from './session.ts'

/** A folder that outlives deployments, as it is now. */
export interface VolumeStatus {
  readonly volume: string
  /** What it is in the provider: `local/docker-volume`. */
  readonly kind: string
  /** Where it is: the name of a Docker volume, of a folder. */
  readonly id: string
  /** Where what runs (else ran last) finds it; absent: it does not use it. */
  readonly path?: string
  readonly inUse: boolean
  readonly shared: boolean
  /** Absent: it could not be told soon. */
  readonly bytes?: number
}

export async function listVolumes({ store, provider, signal }: Pick<LifecycleContext, 'store' | 'provider' | 'signal'>, { app }: { readonly app: AppIdentity }): Promise<readonly VolumeStatus[]> {
  const scope = store.scope(appScope(app))
  const [state, ledger] = await Promise.all([scope.readState(), readLedger(scope)])
  const volumes = (state?.resources ?? []).filter(({ key, status }) => key.startsWith(volumeKeyPrefix) && status !== 'deposed')
  if (volumes.length === 0) return []
  const user = userOf(state, ledger)
  const sizes = await Promise.all(Object.values(provider.compute).map(async (compute) => (await compute?.volumeSizes?.({ app, signal }).catch(() => undefined)) ?? {})).then((each): Record<string, number> => Object.assign({}, ...each))
  return volumes.map(({ key, kind, id, outputs }) => {
    const volume = key.slice(volumeKeyPrefix.length)
    const use = user?.run.volumes?.[volume]
    const path = use && (use.path ?? outputs?.['folder'] ?? `/volumes/${volume}`)
    return { volume, kind, id, inUse: use !== undefined, shared: use?.shared === true, ...(typeof path === 'string' ? { path } : {}), ...(sizes[volume] === undefined ? {} : { bytes: sizes[volume] }) }
  })
}

/** Deletes a volume and all that is in it. Throws NOT_ALLOWED_NOW while a version has it that runs or would be started again, NOT_FOUND. */
export const deleteVolume = (context: LifecycleContext, { app, volume }: { readonly app: AppIdentity; readonly volume: string }): Promise<{ readonly deleted: string }> =>
  withApp(context, { app, action: 'volumes', resume: async (session) => ((await recorded(session)).includes(volume) ? undefined : { deleted: volume }) }, async (session) => {
    const names = await recorded(session)
    const state = await session.state()
    if (!names.includes(volume)) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no volume ${volume}`, { suggestion: names.length === 0 ? 'It has none.' : `It has ${names.join(', ')}.` })
    const user = userOf(state, await session.ledger())
    const key = `${volumeKeyPrefix}${volume}`
    const isNeeded = user?.run.volumes !== undefined && Object.hasOwn(user.run.volumes, volume)
    if (isNeeded && recordedGraph(state).some((resource) => resource.key !== key && !resource.key.startsWith(volumeKeyPrefix) && resource.key !== 'user')) {
      throw new PilotError('NOT_ALLOWED_NOW', `v${user.number} of ${appTitle(app)} has the volume ${volume}`, { suggestion: `Take \`${volume}\` out of \`volumes:\` in pilot.yaml and run \`up\`; or \`destroy ${app.app} --delete-data\` deletes the app with it.` })
    }
    await session.engine.apply(recordedGraph(state).filter((resource) => resource.key !== key), { confirmProtected: [key] })
    return { deleted: volume }
  })

/** What a version no longer has is kept, and named with the command that deletes it. */
export async function tellUnusedVolumes(session: AppSession, { run }: DeploymentRecord): Promise<void> {
  const unused = (await recorded(session)).filter((volume) => run.volumes === undefined || !Object.hasOwn(run.volumes, volume))
  const { app, environment } = session.app
  const where = environment === 'production' ? '' : ` -e ${environment}`
  for (const volume of unused) session.context.emit({ type: 'notice', app, level: 'info', text: `The volume ${volume} is no longer in pilot.yaml and is kept, with its data. \`volumes delete ${app} ${volume}${where}\` deletes it.` })
}

async function recorded({ state }: AppSession): Promise<readonly string[]> {
  return recordedGraph(await state()).flatMap(({ key }) => (key.startsWith(volumeKeyPrefix) ? [key.slice(volumeKeyPrefix.length)] : []))
}

/** Whose volumes they are now: of what is live, else of what was released last, which `start` brings back. */
const userOf = (state: State | undefined, ledger: Ledger): DeploymentRecord | undefined => liveDeployment(state, ledger) ?? ledger.deployments.find(({ id }) => id === ledger.releases.at(-1)?.deployment)
