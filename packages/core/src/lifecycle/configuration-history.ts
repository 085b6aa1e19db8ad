import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { configurationChanges, type ConfigurationChange } from './configuration-diff.ts'
import { currentSecrets, type ConfigurationLayers } from './configuration.ts'
import type { LifecycleContext } from './context.ts'
import { newestConfiguration, readLedger, type Ledger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { ConfigurationRecord } from './records.ts'
import { appScope, appTitle } from './scope.ts'

type ReadContext = Pick<LifecycleContext, 'store' | 'secrets'>

export interface ConfigurationVersion extends Pick<ConfigurationRecord, 'version' | 'at' | 'by' | 'derivedFrom' | 'restoredFrom'> {
  /** What runs has it. */
  readonly released: boolean
  /** Against the version that it was made from. */
  readonly changes: readonly ConfigurationChange[]
}

/** Every version of an app's configuration, newest first. */
export async function configurationHistory({ store }: Pick<LifecycleContext, 'store'>, { app }: { readonly app: AppIdentity }): Promise<readonly ConfigurationVersion[]> {
  const scope = store.scope(appScope(app))
  const [ledger, state] = await Promise.all([readLedger(scope), scope.readState()])
  const released = liveDeployment(state, ledger)?.configuration
  return ledger.configurations
    .map((record): ConfigurationVersion => {
      const { version, at, by, derivedFrom, restoredFrom } = record
      const changes = configurationChanges(madeFrom(ledger, record) ?? nothing, record)
      return { version, at, by, released: version === released, changes, ...(derivedFrom === undefined ? {} : { derivedFrom }), ...(restoredFrom === undefined ? {} : { restoredFrom }) }
    })
    .toReversed()
}

/** `next`: what the app gets with its next release, apart from changes of the manifest. */
export type ConfigurationChoice = number | 'next'

export interface ConfigurationDiff {
  readonly from: ConfigurationChoice
  readonly to: ConfigurationChoice
  readonly changes: readonly ConfigurationChange[]
}

/** What differs between two versions; by default from what runs to what the next release has. Throws NOT_FOUND. */
export async function diffConfigurations({ store, secrets }: ReadContext, { app, from, to = 'next' }: { readonly app: AppIdentity; readonly from?: ConfigurationChoice; readonly to?: ConfigurationChoice }): Promise<ConfigurationDiff> {
  const scope = store.scope(appScope(app))
  const [ledger, state] = await Promise.all([readLedger(scope), scope.readState()])
  const start = from ?? liveDeployment(state, ledger)?.configuration
  if (start === undefined) throw new PilotError('NOT_FOUND', `${appTitle(app)} does not run, so there is nothing to compare with`, { suggestion: 'Name two versions: `env history` lists them.' })
  const layersOf = async (choice: ConfigurationChoice): Promise<ConfigurationLayers> => (choice === 'next' ? { ...layers(newestConfiguration(ledger)), secrets: await currentSecrets(secrets, app) } : findConfiguration(ledger, app, choice))
  return { from: start, to, changes: configurationChanges(await layersOf(start), await layersOf(to)) }
}

/** Throws NOT_FOUND with the versions that there are. */
export function findConfiguration({ configurations }: Ledger, app: AppIdentity, wanted: number): ConfigurationRecord {
  const found = configurations.find(({ version }) => version === wanted)
  if (found) return found
  const [first, last] = [configurations[0], configurations.at(-1)]
  throw new PilotError('NOT_FOUND', `${appTitle(app)} has no version ${wanted} of its configuration`, {
    reason: first && last ? `It has ${first === last ? `version ${first.version} only` : `versions ${first.version} to ${last.version}`}.` : 'It was never configured or deployed.',
    suggestion: 'See `env history`.',
  })
}

export const layers = (record: ConfigurationLayers | undefined): ConfigurationLayers => ({ manifest: record?.manifest ?? {}, set: record?.set ?? {}, secrets: record?.secrets ?? {} })

const nothing: ConfigurationLayers = layers(undefined)

function madeFrom({ configurations }: Ledger, { version, derivedFrom }: ConfigurationRecord): ConfigurationRecord | undefined {
  if (derivedFrom !== undefined) return configurations.find((candidate) => candidate.version === derivedFrom)
  return configurations.findLast((candidate) => candidate.derivedFrom === undefined && candidate.version < version)
}
