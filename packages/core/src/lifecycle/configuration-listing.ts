import type { AppIdentity } from '../provider/app-identity.ts'
import { configurationChanges } from './configuration-diff.ts'
import { currentSecrets, effectiveConfiguration, type ConfigurationLayers } from './configuration.ts'
import { layers } from './configuration-history.ts'
import { formationOf } from './formation.ts'
import type { LifecycleContext } from './context.ts'
import { newestConfiguration, readLedger, type Ledger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ConfigurationSource, DeploymentRecord } from './records.ts'
import { appScope, linkVariable, queueVariable, volumeVariable } from './scope.ts'

export interface ConfigurationListing {
  /** Of the newest configuration; 0: there is none yet. */
  readonly version: number
  /** The version that the live deployment has. */
  readonly released?: number
  /** What the live deployment has otherwise than this list. */
  readonly pending?: PendingConfiguration
  /** By name. */
  readonly lines: readonly ConfigurationLine[]
}

export interface PendingConfiguration {
  /** `staged`: never released yet. `rollback`: it was, and a rollback went back from it. */
  readonly why: 'staged' | 'rollback'
  /** Names whose value differs. */
  readonly names: readonly string[]
}

export interface ConfigurationLine {
  readonly name: string
  readonly source: ConfigurationSource
  readonly hides: readonly ConfigurationSource[]
  /** Absent for secrets and values of the platform. */
  readonly value?: string
  /** Of a platform value: `database`, `port`, `volume data`, or the app whose address it is. */
  readonly from?: string
}

/** What `env list` shows: every variable, where its value comes from, and what it hides; values of secrets stay out. */
export async function listConfiguration({ store, secrets }: Pick<LifecycleContext, 'store' | 'secrets'>, { app }: { readonly app: AppIdentity }): Promise<ConfigurationListing> {
  const scope = store.scope(appScope(app))
  const ledger = await readLedger(scope)
  const live = liveDeployment(await scope.readState(), ledger)
  const newest = newestConfiguration(ledger)
  const next = { ...layers(newest), secrets: await currentSecrets(secrets, app) }
  const pending = live && pendingOf({ ledger, live, next, newest: newest?.version })
  return { version: newest?.version ?? 0, ...(live === undefined ? {} : { released: live.configuration }), ...(pending ? { pending } : {}), lines: linesOf(next, live) }
}

function linesOf(next: ConfigurationLayers, live: DeploymentRecord | undefined): readonly ConfigurationLine[] {
  const given = new Map([...(live?.run.database ? [['DATABASE_URL', 'database'] as const] : []), ...(live?.run.uses ?? []).map((name) => [linkVariable(name), name] as const), ...(live?.run.queues ?? []).map((name) => [queueVariable(name), `the queue of ${name}`] as const), ...Object.keys(live?.run.volumes ?? {}).map((name) => [volumeVariable(name), `volume ${name}`] as const)])
  const platform = Object.fromEntries([...given.keys()].map((name) => [name, '']))
  const lines = Object.entries(effectiveConfiguration(next, platform)).map(([name, { value, source, hides }]): ConfigurationLine => {
    if (source === 'platform') return { name, source, hides, from: given.get(name)! }
    return { name, source, hides, ...(typeof value === 'string' ? { value } : {}) }
  })
  return withPort(lines, live).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The port is the one value that nobody can override: the traffic goes there. */
function withPort(lines: readonly ConfigurationLine[], live: DeploymentRecord | undefined): readonly ConfigurationLine[] {
  if (live === undefined || live.target === 'static' || formationOf(live).instances === 0) return lines
  const written = lines.find(({ name }) => name === 'PORT')
  const port: ConfigurationLine = { name: 'PORT', source: 'platform', from: 'port', hides: written ? [...written.hides, written.source] : [] }
  return [...lines.filter((line) => line !== written), port]
}

function pendingOf({ ledger, live, next, newest }: { ledger: Ledger; live: DeploymentRecord; next: ConfigurationLayers; newest: number | undefined }): PendingConfiguration | undefined {
  const running = ledger.configurations.find(({ version }) => version === live.configuration)
  const names = running ? configurationChanges(running, next).map(({ name }) => name) : []
  if (names.length === 0) return undefined
  const released = new Set(ledger.releases.map(({ deployment }) => deployment))
  const wasReleased = newest !== live.configuration && ledger.deployments.some(({ id, configuration }) => configuration === newest && released.has(id))
  return { why: wasReleased ? 'rollback' : 'staged', names }
}
