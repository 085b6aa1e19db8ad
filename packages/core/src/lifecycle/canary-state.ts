import { isEqual } from '../graph/canonical.ts'
import type { State } from '../store/store.ts'
import type { Ledger } from './ledger.ts'
import { liveDeployment, shares, type Share } from './live.ts'
import type { DeploymentRecord, ReleaseRecord } from './records.ts'

/** A canary that is on: two versions share the traffic. */
export interface Canary {
  readonly deployment: DeploymentRecord
  readonly percent: number
  /** Has the rest. */
  readonly stable: DeploymentRecord
  /** The step that is on; absent when a process died between switching the traffic and writing it down. */
  readonly release?: ReleaseRecord
}

/** The truth is what the traffic resource says; the records tell which of both is the new one. */
export function canaryOf(state: State | undefined, ledger: Ledger): Canary | undefined {
  const parts = shares(state)
  if (parts.length < 2) return undefined
  const stable = liveDeployment(state, ledger)
  const part = parts.find(({ deployment }) => deployment !== stable?.id)
  const deployment = ledger.deployments.find(({ id }) => id === part?.deployment)
  if (stable === undefined || part === undefined || deployment === undefined) return undefined
  const newest = ledger.releases.at(-1)
  return { deployment, percent: part.percent, stable, ...(newest && isOfShares(newest, parts) ? { release: newest } : {}) }
}

/** Whether a release gave the traffic these parts. */
export function isOfShares({ deployment, canary }: ReleaseRecord, parts: readonly Share[]): boolean {
  const expected = canary === undefined ? [{ deployment, percent: 100 }] : [{ deployment: canary.stable, percent: 100 - canary.percent }, { deployment, percent: canary.percent }]
  return isEqual(sorted(expected), sorted(parts))
}

const sorted = (parts: readonly Share[]): readonly Share[] => parts.toSorted((a, b) => (a.deployment < b.deployment ? -1 : 1))

/** The share after this one, of the plan of the step: 100 after the last, undefined when steps are taken by hand. */
export const nextPercent = ({ percent, steps }: { readonly percent: number; readonly steps?: readonly number[] }): number | undefined => (steps === undefined ? undefined : (steps.find((step) => step > percent) ?? 100))

/** When the next step is due, ISO 8601. */
export function nextStep({ canary, at }: ReleaseRecord): { readonly percent: number; readonly at: string } | undefined {
  const percent = canary && nextPercent(canary)
  return percent === undefined ? undefined : { percent, at: new Date(Date.parse(at) + (canary?.everyMs ?? 0)).toISOString() }
}
