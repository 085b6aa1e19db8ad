import { PilotError } from '../errors/pilot-error.ts'
import { beyondApproved } from '../graph/beyond.ts'
import type { Plan } from '../graph/plan.ts'
import type { LifecycleContext } from './context.ts'
import type { ApprovalRecord } from './records.ts'
import { platformScope } from './scope.ts'
import { withScope, type Session } from './session.ts'

/** What `setup` would do: the plan with its reasons, cost and exposure. Creates nothing. */
export const planSetup = (context: LifecycleContext): Promise<Plan> =>
  withScope(context, { scope: platformScope, title: `plan of ${context.platform.name} by ${context.by}` }, planIn)

/**
 * Creates the platform, or brings it to what the provider's blueprint says today. Resumes after any interruption. With
 * `approved` (a plan, or its hash alone), refuses to do anything else than that plan (PLAN_STALE); an attempt that resumes does
 * what is left of it.
 */
export const setup = (context: LifecycleContext, { approved }: { readonly approved?: Pick<Plan, 'hash'> } = {}): Promise<{ readonly changed: boolean }> =>
  withScope(context, { scope: platformScope, title: `setup of ${context.platform.name} by ${context.by}` }, async (session) => {
    const { engine } = session
    if (approved === undefined) return { changed: isChange(await engine.apply(platformGraph(context))) }
    const { whole, rest } = await approvedPlan(session, approved)
    await engine.apply(platformGraph(context), { approved: rest })
    return { changed: isChange(whole) }
  })

/** What was approved, and what is left of it. Written down before anything is done of it. */
async function approvedPlan({ context, engine, scope, lease }: Session, { hash }: Pick<Plan, 'hash'>): Promise<{ readonly whole: Plan; readonly rest: Plan }> {
  const rest = await planIn({ context, engine })
  const known = await scope.getRecord<ApprovalRecord>('approval', hash)
  if (rest.hash === hash) {
    const record: ApprovalRecord = { plan: rest, at: new Date().toISOString(), by: context.by }
    if (known === undefined) await scope.putRecord('approval', hash, record, lease.fence)
    return { whole: rest, rest }
  }
  const beyond = context.resumesSince === undefined || known === undefined ? undefined : beyondApproved(known.plan, rest)
  if (known !== undefined && beyond?.length === 0) return { whole: known.plan, rest }
  throw new PilotError('PLAN_STALE', `What setup of ${context.platform.name} would do is no longer what was approved`, {
    ...(beyond === undefined ? {} : { reason: `Not approved: ${beyond.join('; ')}.` }),
    details: { steps: rest.steps.map(({ key, action }) => ({ key, action })) },
  })
}

async function planIn({ context, engine }: Pick<Session, 'context' | 'engine'>): Promise<Plan> {
  const plan = await engine.plan(platformGraph(context))
  // Looking may find out what a crash left open. That is a newer state, and the plan that is approved must be one of it.
  const state = await engine.recover()
  return (state?.version ?? 0) === plan.stateVersion ? plan : engine.plan(platformGraph(context))
}

const isChange = ({ steps }: Pick<Plan, 'steps'>): boolean => steps.some(({ action }) => action !== 'keep')

const platformGraph = ({ provider, platform }: LifecycleContext) => provider.platform({ platformId: platform.id, name: platform.name }).resources
