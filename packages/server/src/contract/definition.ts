import * as z from 'zod'
import { buildpackRule, hookPhases, imageRule } from '@pilot/core'
import type { AppDefinition, CanaryInput, CanaryPlan, CronJob, HealthCheck, SourceRecord } from '@pilot/core'
import { appIdentitySchema, as, digestSchema, nameSchema } from './shared.ts'

const healthCheckSchema = as<HealthCheck>()(
  z.object({ path: z.string(), acceptBelow: z.number().int(), intervalMs: z.number(), timeoutMs: z.number(), graceMs: z.number() }),
)

const timesSchema = {
  schedule: z.string().max(1000),
  timeZone: z.string().max(100),
}
const cronJobSchema = as<CronJob>()(
  z.object({ ...timesSchema, command: z.array(z.string()), overlap: z.enum(['skip', 'allow', 'replace']), missed: z.enum(['skip', 'once']), timeoutMs: z.number().positive() }),
)

const targetSchema = z.enum(['container', 'process', 'function', 'static', 'vm'])

/** Shares and limits are checked by core, which says what is wrong. */
const canaryPlanSchema = as<CanaryPlan>()(z.object({ steps: z.array(z.number()).max(20).optional(), everyMs: z.number().optional(), maxErrors: z.number(), minRequests: z.number() }))

/** As it is asked for: what is left out has its default. */
export const canaryInputSchema = as<CanaryInput>()(z.object({ percent: z.number().optional(), steps: z.array(z.number()).max(20).optional(), everyMs: z.number().optional(), maxErrors: z.number().optional(), minRequests: z.number().optional() })).describe('A share of the traffic only: `percent` from 1 to 99 (default: the first of `steps`); with `steps` the next one follows after `everyMs` by itself, and all of the traffic after the last. More than `maxErrors` (0 to 1) of at least `minRequests` requests end it.')

export const appDefinitionSchema = as<AppDefinition>()(
  z.object({
    app: appIdentitySchema,
    target: targetSchema.optional(),
    image: z.string().optional(),
    build: z.string().optional(),
    buildpacks: z.object({ builder: z.string().regex(imageRule).optional(), buildpacks: z.array(z.string().regex(buildpackRule)).max(50).optional() }).optional(),
    static: z.object({ output: z.string().optional(), command: z.string().optional() }).optional(),
    buildArgs: z.record(z.string(), z.string()),
    command: z.array(z.string()).optional(),
    port: z.number().int().min(1).max(65535).optional(),
    health: healthCheckSchema,
    drainMs: z.number().positive().max(3_600_000).optional(),
    memoryBytes: z.number().int().positive(),
    cpu: z.number().positive(),
    instances: z.number().int().min(0),
    processes: z.record(nameSchema, z.array(z.string()).min(1)).optional(),
    release: z.array(z.string()).min(1).optional(),
    cron: z.record(nameSchema, cronJobSchema).optional(),
    database: z.union([z.object({ own: z.literal(true), backup: z.object({ ...timesSchema, keep: z.number().int().min(1).max(1000) }).optional() }), z.object({ from: nameSchema })]).optional(),
    volumes: z.record(nameSchema, z.object({ path: z.string().regex(/^\//).optional(), shared: z.literal(true).optional() })).optional(),
    hooks: z.partialRecord(z.templateLiteral([z.enum(['before', 'after']), '-', z.enum(hookPhases)]), z.array(z.string()).min(1)).optional(),
    uses: z.array(nameSchema),
    env: z.record(z.string(), z.string()),
    secrets: z.array(z.string()),
    domains: z.array(z.string()),
    route: z.string().regex(/^\//).optional(),
    spa: z.boolean().optional(),
    canary: canaryPlanSchema.optional(),
    function: z.object({ handler: z.string(), timeoutMs: z.number().int().positive(), http: z.boolean(), queue: z.object({ batch: z.number().int(), retries: z.number().int() }).optional() }).optional(),
    queues: z.array(nameSchema).optional(),
    trusted: z.boolean(),
  }),
).meta({ id: 'AppDefinition' })

export const sourceRecordSchema = as<SourceRecord>()(
  z.object({
    digest: digestSchema,
    commit: z.string().optional(),
    message: z.string().optional(),
    author: z.string().optional(),
    dirty: z.boolean().optional(),
  }),
).meta({ id: 'SourceRecord' })

/** An app with the source that was uploaded for it under its digest. */
export const appWithSourceSchema = z.object({ definition: appDefinitionSchema, source: sourceRecordSchema })
export type AppWithSource = z.infer<typeof appWithSourceSchema>

export const sourceHeldSchema = z.object({ digest: digestSchema, bytes: z.number().int().describe('Of the gzipped tar.') })
export type SourceHeld = z.infer<typeof sourceHeldSchema>
