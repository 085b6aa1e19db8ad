import { PilotError } from '../errors/pilot-error.ts'
import type { Graph } from '../provider/graph.ts'
import type { State } from '../store/store.ts'
import { stopReason, throwIfStopped } from './calls.ts'
import { readyOutputs, recordedState, type EngineContext } from './context.ts'
import { execute, type ExecuteResult } from './execute.ts'
import type { Journal } from './journal.ts'
import { planDifferences, type Plan, type PlanStep } from './plan.ts'
import { preparePlan } from './prepare.ts'
import { isFatal } from './retry.ts'

export interface ApplyOptions {
  /** What this engine has made or looked at so shortly ago is not looked at again, milliseconds; default 0. */
  readonly lookedWithinMs?: number
  /** Apply exactly this plan, or throw PLAN_STALE. */
  readonly approved?: Plan
  /** Whether replacements are fine that nobody approved; default true. Protected resources always need `confirmProtected`. */
  readonly allowReplace?: boolean
  /** Keys whose data may go: typed by a person. */
  readonly confirmProtected?: readonly string[]
}

export interface ApplyResult {
  readonly outputs: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  /** As it is now, also when nothing had to be written. */
  readonly state: State | undefined
  /** What was done, `keep` included. */
  readonly steps: readonly PlanStep[]
}

/** A replacement that only shows while applying is planned anew; each round makes progress, so this is only a backstop. */
const maxRounds = 10

export async function applyGraph(context: EngineContext, desired: Graph, { approved, allowReplace = true, confirmProtected = [], lookedWithinMs = 0 }: ApplyOptions): Promise<ApplyResult> {
  const done: PlanStep[] = []
  for (let round = 1; ; round++) {
    throwIfStopped(context.signal)
    const since = context.looked.at === undefined ? Infinity : context.clock.monotonicMs() - context.looked.at
    const { plan, graph, live, secretHash } = await preparePlan(context, { desired, refresh: round > 1 || since > lookedWithinMs, adopt: true })
    context.looked.at = undefined
    if (round === 1 && approved !== undefined) refuseOther(approved, plan)
    if (round === 1 || approved === undefined) refuseUnapproved(plan, { isApproved: approved !== undefined, allowReplace, confirmProtected })
    const result = await execute({ ...context, graph, live, secretHash }, plan)
    await writeDown(context.journal, result)
    throwFailures(context, result)
    done.push(...plan.steps.filter((step) => !result.skipped.includes(step.key) && step.key !== result.surprise?.key))
    if (result.surprise === undefined) break
    if (approved !== undefined || !allowReplace) throw replaceAppeared(result.surprise)
    if (round === maxRounds) throw new PilotError('INTERNAL', `${result.surprise.key} needs a replacement again and again`, { reason: result.surprise.reason })
  }
  const { recorded } = context
  context.looked.at = context.clock.monotonicMs()
  return { outputs: readyOutputs(recorded), state: recordedState(context), steps: lastPerKey(done) }
}

/** The state is written whatever happened; only an owner that lost the lease writes nothing more. */
export async function writeDown(journal: Journal, { failures }: Pick<ExecuteResult, 'failures'>): Promise<void> {
  const fatal = failures.find(({ error }) => isFatal(error))
  if (fatal !== undefined) throw fatal.error
  await journal.close()
}

export function throwFailures({ signal }: EngineContext, { failures, skipped, surprise }: ExecuteResult): void {
  const real = failures.filter(({ error }) => error.code !== 'CANCELLED')
  const others = (rest: typeof failures) => ({ failures: rest.map(({ key, error }) => ({ key, ...error.toJSON() })), skipped })
  const [first, ...rest] = real
  if (first !== undefined) {
    const { code, message, reason, suggestion, details, cause } = first.error
    throw new PilotError(code, message, { suggestion, ...(reason === undefined ? {} : { reason }), cause, details: { ...details, key: first.key, ...others(rest) } })
  }
  if (signal.aborted && (failures.length > 0 || (skipped.length > 0 && surprise === undefined))) {
    const reason = stopReason(signal)
    throw new PilotError(reason.code, reason.message, { cause: reason, details: others(failures) })
  }
}

export function refuseUnapproved({ steps }: Pick<Plan, 'steps'>, { isApproved, allowReplace, confirmProtected }: { isApproved: boolean; allowReplace: boolean; confirmProtected: readonly string[] }): void {
  const unconfirmed = steps.filter((step) => step.protected === true && !confirmProtected.includes(step.key))
  if (unconfirmed.length > 0) {
    const list = unconfirmed.map(({ key, action, reason }) => `${key} would be ${action}d (${reason})`).join('; ')
    throw new PilotError('PROTECTED', list, { details: { keys: unconfirmed.map(({ key }) => key) } })
  }
  const replaced = isApproved || allowReplace ? undefined : steps.find(({ action }) => action === 'replace')
  if (replaced !== undefined) throw replaceAppeared(replaced)
}

function refuseOther(approved: Plan, plan: Plan): void {
  if (approved.hash === plan.hash) return
  const differences = planDifferences(approved, plan)
  const reason = differences.length > 0 ? differences.join('; ') : `it was made from version ${approved.stateVersion} of the state, which is ${plan.stateVersion} now, or from other inputs`
  throw new PilotError('PLAN_STALE', 'The approved plan no longer fits what exists; nothing was done', { reason, details: { plan } })
}

function replaceAppeared({ key, reason }: { key: string; reason: string }): PilotError {
  return new PilotError('PLAN_STALE', `${key} would have to be replaced, which was not approved`, { reason, details: { key } })
}

/** A step that a second round found done is what the first round did. */
function lastPerKey(steps: readonly PlanStep[]): readonly PlanStep[] {
  const kept = new Map<string, PlanStep>()
  for (const step of steps) {
    const id = step.action === 'delete' ? `${step.key}#${step.generation}` : step.key
    if (step.action !== 'keep' || !kept.has(id)) kept.set(id, step)
  }
  return [...kept.values()]
}
