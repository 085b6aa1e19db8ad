import { effectiveConfiguration, type ConfigurationLayers, type EffectiveValue } from './configuration.ts'
import type { ConfigurationSource } from './records.ts'

/** One variable as an app has it in one configuration. Of a secret only the version is known here, never the value. */
export interface ConfigurationSide {
  readonly source: ConfigurationSource
  /** Absent for secrets. */
  readonly value?: string
  /** Of a secret. */
  readonly version?: number
}

/** What is different for the app: absent before, absent after, or another value. */
export interface ConfigurationChange {
  readonly name: string
  readonly before?: ConfigurationSide
  readonly after?: ConfigurationSide
}

/**
 * What an app sees differently between two configurations, by name. A value that moved to another layer and stayed the same is a
 * change of its source; what another layer hides in both is none.
 */
export function configurationChanges(before: ConfigurationLayers, after: ConfigurationLayers): readonly ConfigurationChange[] {
  const [old, next] = [effectiveConfiguration(before, {}), effectiveConfiguration(after, {})]
  const names = [...new Set([...Object.keys(old), ...Object.keys(next)])].sort()
  return names.flatMap((name) => {
    const change = { name, ...side('before', old[name]), ...side('after', next[name]) }
    return isSame(change) ? [] : [change]
  })
}

const isSame = ({ before, after }: ConfigurationChange): boolean => before?.source === after?.source && before?.value === after?.value && before?.version === after?.version

function side<K extends 'before' | 'after'>(key: K, effective: EffectiveValue | undefined): { readonly [P in K]?: ConfigurationSide } {
  if (effective === undefined) return {}
  const { source, value } = effective
  const shown: ConfigurationSide = typeof value === 'object' && '$secret' in value ? { source, version: value.$secret.version } : { source, ...(typeof value === 'string' ? { value } : {}) }
  return { [key]: shown } as { readonly [P in K]?: ConfigurationSide }
}
