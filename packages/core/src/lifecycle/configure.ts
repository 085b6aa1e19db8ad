import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { currentSecrets, effectiveConfiguration } from './configuration.ts'
import type { LifecycleContext } from './context.ts'
import { writeConfiguration, writeDeployment } from './deploy.ts'
import { newestConfiguration, readLedger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ConfigureInput, ConfigureResult } from './phases.ts'
import type { ConfigurationRecord } from './records.ts'
import { refuseWithoutArtifact } from './release.ts'
import { appScope, appTitle, linkVariable } from './scope.ts'
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
    return applyConfiguration(session, await writeConfiguration(session, { manifest: newest?.manifest ?? {}, set: values, secrets }), stage)
  })

/** What `env list` shows: every variable, where its value comes from, and what it hides; values of secrets stay out. */
export async function listConfiguration({ store, secrets }: Pick<LifecycleContext, 'store' | 'secrets'>, { app }: { readonly app: AppIdentity }): Promise<ConfigurationListing> {
  const scope = store.scope(appScope(app))
  const ledger = await readLedger(scope)
  const live = liveDeployment(await scope.readState(), ledger)
  const newest = newestConfiguration(ledger)
  const layers = { manifest: newest?.manifest ?? {}, set: newest?.set ?? {}, secrets: await currentSecrets(secrets, app) }
  const given = new Map([...(live?.run.database ? [['DATABASE_URL', 'database'] as const] : []), ...(live?.run.uses ?? []).map((name) => [linkVariable(name), name] as const)])
  const platform = Object.fromEntries([...given.keys()].map((name) => [name, '']))
  const lines = Object.entries(effectiveConfiguration(layers, platform)).map(([name, { value, source, hides }]): ConfigurationLine => {
    if (source === 'platform') return { name, source, hides, from: given.get(name)! }
    return { name, source, hides, ...(typeof value === 'string' ? { value } : {}) }
  })
  return { version: newest?.version ?? 0, ...(live === undefined ? {} : { released: live.configuration }), lines: lines.sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

export interface ConfigurationListing {
  /** Of the newest configuration; 0: there is none yet. */
  readonly version: number
  /** The version that the live deployment has; lower when something is staged. */
  readonly released?: number
  /** By name. */
  readonly lines: readonly ConfigurationLine[]
}

export interface ConfigurationLine {
  readonly name: string
  readonly source: ReturnType<typeof effectiveConfiguration>[string]['source']
  readonly hides: readonly string[]
  /** Absent for secrets and values of the platform. */
  readonly value?: string
  /** Of a platform value: `database`, or the app whose address it is. */
  readonly from?: string
}

/** Releases a configuration at once, unless it waits for the next `up` or nothing runs that could have it. */
export async function applyConfiguration(session: AppSession, configuration: ConfigurationRecord, stage: boolean): Promise<ConfigureResult> {
  const current = liveDeployment(await session.state(), await session.ledger())
  if (stage || !current || current.configuration === configuration.version) return { configuration }
  await refuseWithoutArtifact(session, current)
  const { artifact, build, source, run, target } = current
  const deployment = await writeDeployment(session, { build: { id: build, artifact, source }, configuration: configuration.version, run, target, force: false })
  return { configuration, release: await makeLive(session, { deployment, kind: 'configuration' }) }
}

/** POSIX names, as shells take them. */
export function refuseBadName(name: string): void {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return
  throw new PilotError('USAGE', `${JSON.stringify(name)} is not a name for a variable`, { suggestion: 'Use letters, digits and underscores, not beginning with a digit.' })
}
