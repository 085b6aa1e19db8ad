import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { currentSecrets, effectiveConfiguration } from './configuration.ts'
import type { LifecycleContext } from './context.ts'
import { writeConfiguration, writeDeployment } from './deploy.ts'
import { newestConfiguration, readLedger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ConfigureInput, ConfigureResult, SetSecretInput } from './phases.ts'
import type { ConfigurationRecord } from './records.ts'
import { refuseWithoutArtifact } from './release.ts'
import { appScope, appTitle, linkVariable, secretPrefix } from './scope.ts'
import { withApp, type AppSession } from './session.ts'
import { makeLive } from './stage.ts'

/** `env set` and `env unset`: the next configuration, released at once without a build unless staged. */
export const configure = (context: LifecycleContext, { app, set, unset, stage = false }: ConfigureInput): Promise<ConfigureResult> =>
  withApp(context, { app, action: 'env' }, async (session) => {
    Object.keys(set).forEach(refuseBadName)
    const newest = newestConfiguration(await session.ledger())
    const unknown = unset.filter((name) => !(name in (newest?.set ?? {})))
    if (unknown.length > 0) throw new PilotError('NOT_FOUND', `${unknown.join(', ')} of ${appTitle(app)} was not set with \`env set\``, { suggestion: 'See `env list` for where each value comes from.' })
    const values = { ...newest?.set, ...set }
    for (const name of unset) delete values[name]
    const secrets = await currentSecrets(context.secrets, app)
    return apply(session, await writeConfiguration(session, { manifest: newest?.manifest ?? {}, set: values, secrets }), stage)
  })

/** `secret set` and `secret unset`: the value goes to the secret store first, then the configuration that refers to it. */
export const setSecret = (context: LifecycleContext, { app, name, value, stage = false }: SetSecretInput): Promise<ConfigureResult> =>
  withApp(context, { app, action: 'secret' }, async (session) => {
    refuseBadName(name)
    const before = await currentSecrets(context.secrets, app)
    if (value === undefined && !(name in before)) throw new PilotError('NOT_FOUND', `${appTitle(app)} has no secret ${name}`)
    if (value === undefined) await context.secrets.remove(`${secretPrefix(app)}${name}`)
    else if (!before[name] || (await context.secrets.get(before[name])) !== value) await context.secrets.put(`${secretPrefix(app)}${name}`, value)
    const newest = newestConfiguration(await session.ledger())
    const secrets = await currentSecrets(context.secrets, app)
    return apply(session, await writeConfiguration(session, { manifest: newest?.manifest ?? {}, set: newest?.set ?? {}, secrets }), stage)
  })

/** What `env list` shows: every variable, where its value comes from, and what it hides; values of secrets stay out. */
export async function listConfiguration({ store, secrets }: LifecycleContext, { app }: { readonly app: AppIdentity }): Promise<readonly ConfigurationLine[]> {
  const scope = store.scope(appScope(app))
  const ledger = await readLedger(scope)
  const live = liveDeployment(await scope.readState(), ledger)
  const newest = newestConfiguration(ledger)
  const layers = { manifest: newest?.manifest ?? {}, set: newest?.set ?? {}, secrets: await currentSecrets(secrets, app) }
  const platform = Object.fromEntries([...(live?.run.database ? ['DATABASE_URL'] : []), ...(live?.run.uses ?? []).map(linkVariable)].map((name) => [name, '']))
  return Object.entries(effectiveConfiguration(layers, platform))
    .map(([name, { value, source, hides }]) => ({ name, source, hides, ...(typeof value === 'string' && source !== 'platform' ? { value } : {}) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

export interface ConfigurationLine {
  readonly name: string
  readonly source: ReturnType<typeof effectiveConfiguration>[string]['source']
  readonly hides: readonly string[]
  /** Absent for secrets and values of the platform. */
  readonly value?: string
}

async function apply(session: AppSession, configuration: ConfigurationRecord, stage: boolean): Promise<ConfigureResult> {
  const current = liveDeployment(await session.state(), await session.ledger())
  if (stage || !current || current.configuration === configuration.version) return { configuration }
  await refuseWithoutArtifact(session, current)
  const { artifact, build, source, run, target } = current
  const deployment = await writeDeployment(session, { build: { id: build, artifact, source }, configuration: configuration.version, run, target, force: false })
  return { configuration, release: await makeLive(session, { deployment, kind: 'configuration' }) }
}

/** POSIX names, as shells take them. */
function refuseBadName(name: string): void {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return
  throw new PilotError('USAGE', `${JSON.stringify(name)} is not a name for a variable`, { suggestion: 'Use letters, digits and underscores, not beginning with a digit.' })
}
