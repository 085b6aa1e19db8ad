import type { InstanceStatus } from '../provider/compute.ts'
import { appItself } from './formation.ts'
import { nextStep } from './canary-state.ts'
import type { CanaryCount, CanaryTraffic, ReleaseRecord } from './records.ts'

/**
 * When a canary goes on and when it ends, purely. It is looked at every few seconds; what a look alone does not tell (whether it was
 * unhealthy before too, what another life of the edge had counted) stands in a memory that is rebuilt from the release after a restart.
 *
 * - An instance that is down or unhealthy at two looks in a row, or that was started again by itself, ends it.
 * - So do errors: of at least `minRequests` requests since the step began more than `maxErrors` and at least 3, unless the version that
 *   has the rest fares nearly as badly in the same time (what fails both, a database for one, is not the canary's fault, and going back mends nothing).
 * - Else the next step comes when its time has.
 */
export type CanaryDecision =
  | { readonly do: 'wait' }
  | { readonly do: 'advance'; /** 100: all of the traffic. */ readonly percent: number }
  | { readonly do: 'abort'; readonly because: string }

/** One look. */
export interface CanaryLook {
  readonly atMs: number
  readonly release: ReleaseRecord
  /** As the history says: `v12`. */
  readonly title: string
  /** Instances that it is to have. */
  readonly wanted: number
  readonly instances: readonly InstanceStatus[]
  /** Of both. */
  readonly counted: readonly CanaryCount[]
}

export interface CanaryMemory {
  readonly release: number
  readonly last: readonly CanaryCount[]
  readonly traffic: Readonly<Record<string, CanaryTraffic>>
  /** When the step began. */
  readonly restarts: number
  readonly unwell: string | undefined
}

export function judgeCanary(look: CanaryLook, before?: CanaryMemory): { readonly decision: CanaryDecision; readonly memory: CanaryMemory; readonly traffic: { readonly canary: CanaryTraffic; readonly stable: CanaryTraffic } } {
  const { release, counted, atMs } = look
  const begun = before?.release === release.number ? before : undefined
  // A step whose beginning nobody counted is counted from the first look.
  const last = begun?.last ?? release.canary?.counted ?? counted
  const restarts = restartsOf(look)
  const unwell = unwellness(look)
  const memory: CanaryMemory = { release: release.number, last: counted, traffic: addUp(begun?.traffic ?? {}, last, counted), restarts: begun?.restarts ?? release.canary?.restarts ?? restarts, unwell }
  const traffic = { canary: memory.traffic[release.deployment] ?? none, stable: memory.traffic[release.canary?.stable ?? ''] ?? none }
  const because =
    (unwell !== undefined && begun?.unwell !== undefined ? unwell : undefined) ??
    (restarts > memory.restarts ? `${look.title} stopped and was started again` : undefined) ??
    tooManyErrors({ ...traffic, title: look.title, release })
  const next = nextStep(release)
  const decision: CanaryDecision = because !== undefined ? { do: 'abort', because } : unwell === undefined && next !== undefined && atMs >= Date.parse(next.at) ? { do: 'advance', percent: next.percent } : { do: 'wait' }
  return { decision, memory, traffic }
}

const none: CanaryTraffic = { requests: 0, errors: 0 }
const leastErrors = 3
/** How much more often than the other version it has to fail. */
const muchWorse = 1.5

function tooManyErrors({ canary, stable, title, release }: { canary: CanaryTraffic; stable: CanaryTraffic; title: string; release: ReleaseRecord }): string | undefined {
  const { maxErrors = 0, minRequests = 1, percent } = release.canary ?? {}
  if (canary.requests < minRequests || canary.errors < leastErrors || rate(canary) <= maxErrors) return undefined
  const isComparable = stable.requests >= minRequests
  if (isComparable && rate(canary) <= rate(stable) * muchWorse) return undefined
  const other = isComparable ? `, the version before ${stable.errors} of ${stable.requests} (${inPercent(rate(stable))})` : ''
  return `${title} failed ${canary.errors} of ${canary.requests} requests (${inPercent(rate(canary))}) with ${percent} % of the traffic${other}; ${inPercent(maxErrors)} is allowed`
}

const rate = ({ requests, errors }: CanaryTraffic): number => (requests === 0 ? 0 : errors / requests)
const inPercent = (part: number): string => `${Number((part * 100).toFixed(1))} %`

/** Counts that began anew (an edge that was killed) add to what was counted before. */
function addUp(traffic: CanaryMemory['traffic'], last: readonly CanaryCount[], now: readonly CanaryCount[]): CanaryMemory['traffic'] {
  const sums = { ...traffic }
  for (const { deployment, life, requests, errors } of now) {
    const from = last.find((count) => count.deployment === deployment && count.life === life) ?? none
    const sum = sums[deployment] ?? none
    sums[deployment] = { requests: sum.requests + Math.max(0, requests - from.requests), errors: sum.errors + Math.max(0, errors - from.errors) }
  }
  return sums
}

const own = ({ instances }: Pick<CanaryLook, 'instances'>): readonly InstanceStatus[] => instances.filter(({ process = appItself }) => process === appItself)

/** Of the app itself: its workers do not run yet. */
export const restartsOf = (look: Pick<CanaryLook, 'instances'>): number => own(look).reduce((sum, { restarts = 0 }) => sum + restarts, 0)

function unwellness(look: CanaryLook): string | undefined {
  const { title, wanted } = look
  const instances = own(look)
  const down = instances.find(({ state }) => state === 'unhealthy' || state === 'exited' || state === 'stopped')
  if (down !== undefined) return `${title} is ${down.state === 'unhealthy' ? 'unhealthy' : `not running${down.exitCode === undefined ? '' : ` (exit code ${down.exitCode})`}`}`
  return instances.length < wanted ? `Of ${title} ${instances.length} of ${wanted} instances are there` : undefined
}
