import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { currentSecrets } from './configuration.ts'
import { applyConfiguration } from './configure.ts'
import type { LifecycleContext } from './context.ts'
import { writeConfiguration } from './deploy.ts'
import { newestConfiguration, readLedger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ConfigureResult, SetSecretInput } from './phases.ts'
import { appScope, appTitle, secretPrefix } from './scope.ts'
import { withApp } from './session.ts'
import { refuseBadVariable } from './variables.ts'

/**
 * The user's secrets of an app. Storing and removing need no lease, so that they work while the app is deployed: each version of
 * a secret is written once, by one writer, and an app keeps the versions that its configuration names.
 */
type SecretsContext = Pick<LifecycleContext, 'store' | 'secrets'>

export interface StoredSecret {
  readonly name: string
  readonly version: number
}

export interface SecretLine extends StoredSecret {
  readonly updatedAt: string
  /** Whether the live deployment has this version; absent when nothing is live. */
  readonly released?: boolean
}

/** Names and versions, never a value. */
export async function listSecrets({ store, secrets }: SecretsContext, { app }: { readonly app: AppIdentity }): Promise<readonly SecretLine[]> {
  const scope = store.scope(appScope(app))
  const prefix = secretPrefix(app)
  const [listed, ledger, state] = await Promise.all([secrets.list(prefix), readLedger(scope), scope.readState()])
  const live = liveDeployment(state, ledger)
  const released = ledger.configurations.find(({ version }) => version === live?.configuration)?.secrets
  return listed.map(({ name: path, version, updatedAt }) => {
    const name = path.slice(prefix.length)
    return { name, version, updatedAt, ...(released === undefined ? {} : { released: released[name]?.$secret.version === version }) }
  })
}

/** The same value again is the same version, so that nothing is released for it. What runs gets them with the next configuration. */
export async function storeSecrets({ secrets }: Pick<LifecycleContext, 'secrets'>, { app, values }: { readonly app: AppIdentity; readonly values: Readonly<Record<string, string>> }): Promise<readonly StoredSecret[]> {
  for (const [name, value] of Object.entries(values)) refuseBadVariable(name, value)
  const before = await currentSecrets(secrets, app)
  const stored: StoredSecret[] = []
  for (const [name, value] of Object.entries(values)) {
    const known = Object.hasOwn(before, name) ? before[name] : undefined
    const isSame = known !== undefined && (await secrets.get(known)) === value
    const { $secret } = isSame ? known : await secrets.put(`${secretPrefix(app)}${name}`, value)
    stored.push({ name, version: $secret.version })
  }
  return stored
}

/** Deployments that refer to it keep it. Throws NOT_FOUND. */
export async function removeSecret({ secrets }: Pick<LifecycleContext, 'secrets'>, { app, name }: { readonly app: AppIdentity; readonly name: string }): Promise<void> {
  if (!Object.hasOwn(await currentSecrets(secrets, app), name)) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no secret ${name}`, { suggestion: 'See `secret list`.' })
  await secrets.remove(`${secretPrefix(app)}${name}`)
}

/** Stores or removes one secret, then releases the configuration that refers to it unless staged. */
export const setSecret = (context: LifecycleContext, { app, name, value, stage = false }: SetSecretInput): Promise<ConfigureResult> =>
  withApp(context, { app, action: 'secret' }, async (session) => {
    if (value === undefined) await removeSecret(context, { app, name })
    else await storeSecrets(context, { app, values: { [name]: value } })
    const newest = newestConfiguration(await session.ledger())
    const secrets = await currentSecrets(context.secrets, app)
    return applyConfiguration(session, await writeConfiguration(session, { manifest: newest?.manifest ?? {}, set: newest?.set ?? {}, secrets }), stage)
  })
