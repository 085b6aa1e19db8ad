import { isDeepStrictEqual } from 'node:util'
import { PilotError } from '../errors/pilot-error.ts'
import { digest } from '../graph/canonical.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { Fence, RecordType, ScopeStore } from '../store/store.ts'
import type { BuildRecord, ConfigurationRecord, DeploymentRecord, ReleaseRecord } from './records.ts'
import { appTitle } from './scope.ts'

/** The records of one app: immutable, so an operation that holds the lease reads them once and appends to them. */
export interface Ledger {
  readonly builds: readonly BuildRecord[]
  readonly configurations: readonly ConfigurationRecord[]
  readonly deployments: readonly DeploymentRecord[]
  readonly releases: readonly ReleaseRecord[]
}

export async function readLedger(scope: ScopeStore): Promise<Ledger> {
  const all = async <T>(type: RecordType): Promise<T[]> => (await scope.listRecords<T>(type)).map(({ record }) => record)
  const [builds, configurations, deployments, releases] = await Promise.all([
    all<BuildRecord>('build'),
    all<ConfigurationRecord>('configuration'),
    all<DeploymentRecord>('deployment'),
    all<ReleaseRecord>('release'),
  ])
  return inOrder({ builds, configurations, deployments, releases })
}

const inOrder = ({ builds, configurations, deployments, releases }: Ledger): Ledger => ({
  builds,
  configurations: configurations.toSorted((a, b) => a.version - b.version),
  deployments: deployments.toSorted((a, b) => a.number - b.number),
  releases: releases.toSorted((a, b) => a.number - b.number),
})

/** The ledger of the owner of the lease. Writing the same record twice is writing it once, so a phase may start twice. */
export interface OpenLedger {
  /** With everything written since. */
  read(): Promise<Ledger>
  readonly write: LedgerWriter
}

export interface LedgerWriter {
  build(record: BuildRecord): Promise<BuildRecord>
  configuration(record: ConfigurationRecord): Promise<ConfigurationRecord>
  deployment(record: DeploymentRecord): Promise<DeploymentRecord>
  release(record: ReleaseRecord): Promise<ReleaseRecord>
  /** Forgets these records, which nothing that stays refers to. */
  forget(records: Ledger): Promise<void>
}

export function openLedger(scope: ScopeStore, fence: Fence): OpenLedger {
  let ledger: Promise<Ledger> | undefined
  const read = (): Promise<Ledger> => (ledger ??= readLedger(scope))
  const write = async <T extends object>({ type, id, list, record }: { type: RecordType; id: string; list: keyof Ledger; record: T }): Promise<T> => {
    await scope.putRecord(type, id, record, fence)
    ledger = ledger?.then((before) => (before[list].some((written) => isDeepStrictEqual(written, record)) ? before : inOrder({ ...before, [list]: [...before[list], record] })))
    return record
  }
  // What refers goes before what it refers to.
  async function forget({ builds, configurations, deployments, releases }: Ledger): Promise<void> {
    const ids: readonly (readonly [RecordType, string])[] = [
      ...releases.map(({ number }) => ['release', counted(number)] as const),
      ...deployments.map(({ id }) => ['deployment', id] as const),
      ...configurations.map(({ version }) => ['configuration', counted(version)] as const),
      ...builds.map(({ id }) => ['build', id] as const),
    ]
    for (const [type, id] of ids) await scope.deleteRecord(type, id, fence)
    const before = await ledger
    ledger = before && Promise.resolve({
      builds: before.builds.filter((record) => !builds.includes(record)),
      configurations: before.configurations.filter((record) => !configurations.includes(record)),
      deployments: before.deployments.filter((record) => !deployments.includes(record)),
      releases: before.releases.filter((record) => !releases.includes(record)),
    })
  }
  return {
    read,
    write: {
      build: (record) => write({ type: 'build', id: record.id, list: 'builds', record }),
      configuration: (record) => write({ type: 'configuration', id: counted(record.version), list: 'configurations', record }),
      deployment: (record) => write({ type: 'deployment', id: record.id, list: 'deployments', record }),
      release: (record) => write({ type: 'release', id: counted(record.number), list: 'releases', record }),
      forget,
    },
  }
}

/** Ids that sort as their numbers do. */
const counted = (number: number): string => String(number).padStart(8, '0')

export const nextNumber = (records: readonly { readonly number: number }[]): number => Math.max(0, ...records.map(({ number }) => number)) + 1

/** What `env set` and `up` go on from: the newest configuration that is not a rollback's. */
export const newestConfiguration = ({ configurations }: Ledger): ConfigurationRecord | undefined => configurations.findLast(({ derivedFrom }) => derivedFrom === undefined)

/** `12`, `v12` or an id. Throws NOT_FOUND with the numbers that exist. */
export function findDeployment(ledger: Ledger, app: AppIdentity, wanted: string | number): DeploymentRecord {
  const number = typeof wanted === 'number' ? wanted : /^v?\d+$/.test(wanted) ? Number(wanted.replace('v', '')) : undefined
  const found = ledger.deployments.find((deployment) => (number === undefined ? deployment.id === wanted : deployment.number === number))
  if (found) return found
  const numbers = ledger.deployments.slice(-10).map((deployment) => `v${deployment.number}`)
  throw new PilotError('NOT_FOUND', `${appTitle(app)} has no deployment ${typeof wanted === 'number' ? `v${wanted}` : wanted}`, {
    reason: numbers.length === 0 ? 'It was never deployed.' : `The newest are ${numbers.join(', ')}.`,
  })
}

/** By id; without one the newest. Throws NOT_FOUND. */
export function findBuild({ builds }: Ledger, app: AppIdentity, id?: string): BuildRecord {
  const found = id === undefined ? builds.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1)).at(-1) : builds.find((build) => build.id === id)
  if (found) return found
  throw new PilotError('NOT_FOUND', id === undefined ? `${appTitle(app)} has no build yet` : `${appTitle(app)} has no build ${id}`, { suggestion: 'Build it with `build`, or use `up`.' })
}

/** Short, stable, [a-z0-9]: the first characters of a SHA-256 over canonical JSON. */
export function contentId(content: unknown, length: number): string {
  return BigInt(`0x${digest(content)}`).toString(36).padStart(50, '0').slice(0, length)
}
