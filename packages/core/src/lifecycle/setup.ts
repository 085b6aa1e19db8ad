import type { Plan } from '../graph/plan.ts'
import type { LifecycleContext } from './context.ts'
import { platformScope } from './scope.ts'
import { withScope } from './session.ts'

/** What `setup` would do: the plan with its reasons, cost and exposure. Creates nothing. */
export const planSetup = (context: LifecycleContext): Promise<Plan> =>
  withScope(context, { scope: platformScope, title: `plan of ${context.platform.name} by ${context.by}` }, async ({ engine }) => {
    const plan = await engine.plan(platformGraph(context))
    // Looking may find out what a crash left open. That is a newer state, and the plan that is approved must be one of it.
    const state = await engine.recover()
    return (state?.version ?? 0) === plan.stateVersion ? plan : engine.plan(platformGraph(context))
  })

/**
 * Creates the platform, or brings it to what the provider's blueprint says today. Resumes after any interruption. With
 * `approved`, refuses to do anything else than that plan (PLAN_STALE).
 */
export const setup = (context: LifecycleContext, { approved }: { readonly approved?: Plan } = {}): Promise<{ readonly changed: boolean }> =>
  withScope(context, { scope: platformScope, title: `setup of ${context.platform.name} by ${context.by}` }, async ({ engine }) => {
    const { steps } = await engine.apply(platformGraph(context), approved ? { approved } : {})
    return { changed: steps.some(({ action }) => action !== 'keep') }
  })

const platformGraph = ({ provider, platform }: LifecycleContext) => provider.platform({ platformId: platform.id, name: platform.name }).resources
