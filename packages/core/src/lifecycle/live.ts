import type { State } from '../store/store.ts'
import { hasAddress } from './formation.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'
import type { Ledger } from './ledger.ts'

/** The key of the one traffic resource of an app, on every target. */
const trafficKey = 'traffic'

/**
 * Which deployments have traffic now. The truth is the traffic resource as recorded, not the newest release: between
 * switching traffic and writing the release a process may die.
 */
export const liveDeployments = (state: State | undefined): readonly string[] => shares(state).map(({ deployment }) => deployment)

/** The same with their parts, in percent. */
export function shares(state: State | undefined): readonly Share[] {
  const weights = trafficOf(state)?.inputs['weights']
  if (!Array.isArray(weights)) return []
  return (weights as Share[]).filter(({ percent }) => percent > 0).map(({ deployment, percent }) => ({ deployment, percent }))
}

export interface Share {
  readonly deployment: string
  readonly percent: number
}

/** When the traffic was switched last; undefined where the state was written by a Pilot that did not record it. */
export const trafficSwitchedAt = (state: State | undefined): string | undefined => trafficOf(state)?.changedAt

/** The deployment that answers: the one with traffic; while a canary is on the one that it is measured by. */
export function liveDeployment(state: State | undefined, ledger: Ledger): DeploymentRecord | undefined {
  const live = liveDeployments(state)
  const stable = live.length > 1 ? lastFullRelease(ledger, live)?.deployment : undefined
  return ledger.deployments.findLast(({ id }) => (stable === undefined ? live.includes(id) : id === stable))
}

/** The newest release that gave all of the traffic to its deployment: what `start` brings back. `among`: to one of these. */
export const lastFullRelease = ({ releases }: Pick<Ledger, 'releases'>, among?: readonly string[]): ReleaseRecord | undefined =>
  releases.findLast(({ deployment, canary }) => canary === undefined && (among?.includes(deployment) ?? true))

/** Outputs of the traffic resource as recorded: `url`, `fallbackUrl`. */
export function trafficUrls(state: State | undefined): { url?: string; fallbackUrl?: string } {
  const outputs = state?.resources.find(({ key, status }) => key === trafficKey && status === 'ready')?.outputs ?? {}
  const text = (name: string): Record<string, string> => (typeof outputs[name] === 'string' ? { [name]: outputs[name] } : {})
  return { ...text('url'), ...text('fallbackUrl') }
}

/** Where people open a deployment that has the traffic: nowhere when it consists of workers. */
export const urlsOf = (state: State | undefined, deployment: DeploymentRecord): ReturnType<typeof trafficUrls> => (hasAddress(deployment) ? trafficUrls(state) : {})

/** Whether the app has its place in the traffic, be it stopped: after a destroy that kept data it has none. */
export const hasTraffic = (state: State | undefined): boolean => trafficOf(state) !== undefined

const trafficOf = (state: State | undefined) => state?.resources.find(({ key, status }) => key === trafficKey && status !== 'deposed')
