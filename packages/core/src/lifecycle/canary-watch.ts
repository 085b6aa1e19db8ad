import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError } from '../errors/pilot-error.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import type { CanaryInput } from './canary-plan.ts'
import { lookAtCanary } from './canary-look.ts'
import { judgeCanary, type CanaryDecision, type CanaryMemory } from './canary-verdict.ts'
import type { LifecycleContext } from './context.ts'
import { readLedger } from './ledger.ts'
import type { ReleaseRecord } from './records.ts'
import { release, rollback } from './release.ts'
import { appScope, appTitle } from './scope.ts'

/** How often a canary is looked at. */
export const canaryLookMs = 2_000

export interface CanaryOptions {
  /** Default: every 2 seconds. */
  readonly lookMs?: number
  /** For tests: a clock of their own. */
  readonly clock?: { now(): number; sleep(ms: number, signal: AbortSignal): Promise<unknown> }
}

/**
 * A canary from its first share to its end, without a server: takes each step when it is due, and gives the traffic back when the canary
 * does badly. Resolves to the release that gave it all of the traffic. Throws UNHEALTHY when it ended badly; what another program
 * decides meanwhile counts, and then it resolves to that release. Killed, the canary stays on as it is; the same call goes on with it.
 */
export async function releaseInSteps(context: LifecycleContext, { app, deployment, canary }: { readonly app: AppIdentity; readonly deployment?: string | number; readonly canary: CanaryInput }, { lookMs = canaryLookMs, clock = realClock }: CanaryOptions = {}): Promise<ReleaseRecord> {
  const begun = await lookAtCanary(context, { app })
  const isGoingOn = begun !== undefined && (deployment === undefined || [begun.release.deployment, begun.title, Number(begun.title.slice(1))].includes(deployment))
  let step = isGoingOn ? begun.release : await release(context, { app, ...(deployment === undefined ? {} : { deployment }), canary })
  let unclear = 0
  for (let memory: CanaryMemory | undefined; step.canary !== undefined; ) {
    await clock.sleep(lookMs, context.signal)
    const look = await lookAtCanary(context, { app, atMs: clock.now() })
    if (look === undefined) {
      // Between the switch of the traffic and its record it may be another program's turn.
      const ended = await decidedElsewhere(context, app, ++unclear >= mostUnclear)
      if (ended) return ended
      continue
    }
    unclear = 0
    const judged = judgeCanary(look, memory)
    memory = judged.memory
    step = await carryOut(context, { app, decision: judged.decision, step: look.release })
  }
  return step
}

async function carryOut(context: LifecycleContext, { app, decision, step }: { app: AppIdentity; decision: CanaryDecision; step: ReleaseRecord }): Promise<ReleaseRecord> {
  switch (decision.do) {
    case 'wait':
      return step
    case 'advance':
      return release(context, { app, deployment: step.deployment, after: step.number, ...(decision.percent === 100 ? {} : { canary: nextOf(step, decision.percent) }) })
    case 'abort':
      await rollback(context, { app, because: decision.because, after: step.number })
      throw canaryFailed(app, decision.because)
  }
}

/** The input of the step that follows: the same plan with another share. */
export function nextOf({ canary }: ReleaseRecord, percent: number): CanaryInput {
  const { steps, everyMs, maxErrors, minRequests } = canary!
  return { percent, maxErrors, minRequests, ...(steps === undefined ? {} : { steps }), ...(everyMs === undefined ? {} : { everyMs }) }
}

/** How a canary is said to have ended, wherever somebody waits for it. */
export const canaryFailed = (app: AppIdentity, because: string): PilotError =>
  new PilotError('UNHEALTHY', `The canary of ${appTitle(app)} failed`, { reason: `${because}. All of the traffic is back with the version before.`, suggestion: 'See `logs`; deploy a mended version with `up`.' })

/** So many looks at what nobody has written down are enough. */
const mostUnclear = 30

async function decidedElsewhere({ store }: LifecycleContext, app: AppIdentity, isEnough: boolean): Promise<ReleaseRecord | undefined> {
  const newest = (await readLedger(store.scope(appScope(app)))).releases.at(-1)
  if (newest === undefined) throw new PilotError('NOT_FOUND', `${appTitle(app)} is gone`)
  if (newest.aborted?.because !== undefined) throw canaryFailed(app, newest.aborted.because)
  if (newest.canary === undefined) return newest
  if (!isEnough) return undefined
  throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} was stopped while its canary was on`)
}

const realClock: NonNullable<CanaryOptions['clock']> = { now: Date.now, sleep: (ms, signal) => sleep(ms, undefined, { signal }) }
