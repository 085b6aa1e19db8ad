import * as z from 'zod'
import { errorBodySchema, findingSchema, nameSchema, timeSchema } from './shared.ts'

export const platformSchema = z
  .object({
    id: z.string().describe('Random, 128 bits: the identity. The name is for people.'),
    name: nameSchema,
    provider: z.string(),
    state: z.enum(['setting-up', 'ready', 'destroying', 'unusable']),
    createdAt: timeSchema,
    settings: z.record(z.string(), z.unknown()),
    managedBy: z.string().optional(),
    problem: z.string().optional().describe('Why it is unusable, for example that its provider is not installed.'),
  })
  .meta({ id: 'Platform' })
export type Platform = z.infer<typeof platformSchema>

export const setupInputSchema = z.object({
  provider: nameSchema,
  name: nameSchema.optional().describe('Default: the name of the provider.'),
  settings: z.record(z.string(), z.unknown()).default({}),
})

export const planChangeSchema = z.object({
  key: z.string(),
  kind: z.string(),
  action: z.enum(['create', 'update', 'replace', 'delete', 'keep']),
  reason: z.string().optional(),
  monthly: z.number().optional().describe('USD'),
  unpriced: z.string().optional().describe('Why there is no price.'),
  exposure: z.array(z.object({ what: z.string(), to: z.string() })).optional(),
})
export type PlanChange = z.infer<typeof planChangeSchema>

export const platformPlanSchema = z
  .object({
    platform: z.object({ id: z.string().optional(), name: z.string(), provider: z.string(), exists: z.boolean() }),
    settings: z.record(z.string(), z.unknown()).describe('With every default filled in.'),
    changedSettings: z.array(z.object({ name: z.string(), from: z.unknown(), to: z.unknown() })).optional().describe('Settings of an existing platform that setup would change.'),
    changes: z.array(planChangeSchema),
    monthly: z.number().describe('USD, of what has a price.'),
    findings: z.array(findingSchema),
    problem: errorBodySchema.optional().describe('What setup would stop with, before it changes anything: the first finding that is a problem.'),
    hash: z.string().optional().describe('Pass it to `setup` as `plan`: another plan is refused with PLAN_STALE.'),
  })
  .meta({ id: 'PlatformPlan' })
export type PlatformPlan = z.infer<typeof platformPlanSchema>
