import type { Plan, PlanStep } from './plan.ts'
import { slot } from './recorded.ts'

/**
 * What a plan would do that is not the rest of an approved one, one line each. Empty: it goes on with what was approved, some
 * of which is done (`keep`). Pure. Nothing that holds data goes unless its going was approved.
 */
export function beyondApproved(approved: Plan, now: Plan): readonly string[] {
  if (approved.desired !== now.desired) return ['what is wanted is not what was approved']
  const deletes = new Set(approved.steps.filter(({ action }) => action === 'delete').map(slot))
  const wanted = new Map(approved.steps.filter(({ action }) => action !== 'delete').map((step) => [step.key, step]))
  return now.steps.flatMap((step) => {
    const before = wanted.get(step.key)
    const isRest = step.action === 'delete' ? deletes.has(slot(step)) : before !== undefined && isRestOf(before, step)
    return isRest ? [] : [`${step.key}: ${step.action} (${step.reason})`]
  })
}

function isRestOf(approved: PlanStep, now: PlanStep): boolean {
  return isActionRest(approved, now) && areRemovalsApproved(approved, now) && !costsMore(approved, now)
}

function isActionRest(approved: PlanStep, now: PlanStep): boolean {
  switch (now.action) {
    case 'keep':
      return true
    case 'update':
      return makes(approved) || (approved.action === 'update' && now.changes.every(({ field }) => approved.changes.some((change) => change.field === field)))
    default:
      // What was to be replaced may be gone already, and a creation that was approved may have failed.
      return makes(approved)
  }
}

/** Each generation that goes was to go, or was made since by a creation that failed: one that could be taken for good is not thrown away. */
function areRemovalsApproved(approved: PlanStep, now: PlanStep): boolean {
  const replacesWhatIsThere = now.action === 'replace' && now.changes.length > 0
  return (now.removes ?? []).every((generation) => approved.removes?.includes(generation) === true || (!replacesWhatIsThere && makes(approved) && generation >= approved.generation))
}

const makes = ({ action }: PlanStep): boolean => action === 'create' || action === 'replace'

const costsMore = ({ cost: before }: PlanStep, { cost: now }: PlanStep): boolean => 'monthly' in before && 'monthly' in now && now.monthly > before.monthly
