/** How each type of the fake cloud behaves, after what real clouds do. */
export interface TypeRules {
  /** Only one at a time may have this name, or hold this slot. */
  readonly unique?: 'name' | 'slot'
  /** Two creates with one token are one; the cloud remembers tokens of what was deleted. */
  readonly token?: boolean
  /** `list` lags behind by `consistencyMs`. */
  readonly eventual?: boolean
  /** Takes `slowMs` to become ready and to go. */
  readonly slow?: boolean
  /** What of two deployments must never need it at the same moment: whoever does writes to it. */
  readonly singleWriter?: boolean
}

export const resourceTypes: Readonly<Record<string, TypeRules>> = {
  network: { unique: 'name' },
  server: { eventual: true },
  database: { token: true, slow: true },
  rule: { unique: 'slot' },
  volume: { unique: 'name', singleWriter: true },
  deployment: { unique: 'name', slow: true },
  worker: { unique: 'name', slow: true },
  task: { unique: 'name', slow: true },
  traffic: { unique: 'slot' },
}
