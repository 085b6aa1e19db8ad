import { template, type Input, type SecretRef } from '../provider/value.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { ConfigurationRecord, ConfigurationSource } from './records.ts'
import { secretPrefix } from './scope.ts'

/** The layers of a configuration without the counters: what decides whether two are the same. */
export type ConfigurationLayers = Pick<ConfigurationRecord, 'manifest' | 'set' | 'secrets'>

export interface EffectiveValue {
  readonly value: Input<string>
  readonly source: ConfigurationSource
  /** Sources that hold a value of the same name underneath. */
  readonly hides: readonly ConfigurationSource[]
}

/**
 * What the app gets. Later layers win: platform (DATABASE_URL, other apps' URLs), manifest, `env set`, secrets.
 * A user who writes DATABASE_URL means it.
 */
export function effectiveConfiguration(layers: ConfigurationLayers, platform: Readonly<Record<string, Input<string>>>): Readonly<Record<string, EffectiveValue>> {
  const ordered: readonly [ConfigurationSource, Readonly<Record<string, Input<string>>>][] = [
    ['platform', platform],
    ['manifest', layers.manifest],
    ['env set', layers.set],
    ['secret', layers.secrets],
  ]
  const result: Record<string, EffectiveValue> = {}
  for (const [source, values] of ordered) {
    for (const [name, value] of Object.entries(values)) {
      const below = result[name]
      result[name] = { value, source, hides: below ? [...below.hides, below.source] : [] }
    }
  }
  return result
}

export function sameLayers(a: ConfigurationLayers, b: ConfigurationLayers): boolean {
  return canonical(a) === canonical(b)
}

/** The newest version of each secret that the user has set for the app, by variable name. */
export async function currentSecrets(secrets: SecretStore, app: AppIdentity): Promise<Record<string, SecretRef>> {
  const prefix = secretPrefix(app)
  const listed = await secrets.list(prefix)
  return Object.fromEntries(listed.map(({ name, version }) => [name.slice(prefix.length), { $secret: { store: secrets.name, name, version } }]))
}

/** Environment values as templates, so that a URL may be joined from parts. */
export const environmentOf = (effective: Readonly<Record<string, EffectiveValue>>): Record<string, Input<string>> =>
  Object.fromEntries(Object.entries(effective).map(([name, { value }]) => [name, typeof value === 'string' ? value : '$template' in value ? value : '$secret' in value ? value : template(value)]))

const canonical = ({ manifest, set, secrets }: ConfigurationLayers): string => JSON.stringify([sorted(manifest), sorted(set), sorted(secrets)])
const sorted = (values: object): unknown => Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))
