import * as z from 'zod'
import { appDefinitionSchema, appWithSourceSchema, canaryInputSchema } from './definition.ts'
import { setupInputSchema } from './platforms.ts'
import { appIdentitySchema, errorBodySchema, nameSchema, timeSchema } from './shared.ts'

/**
 * What a client asks for. One operation has one job per app (setup and destroy of a platform: one job). Jobs of one operation
 * run in the order of `uses` and `database.from`; apps that do not depend on each other run at the same time.
 */
const common = {
  requestId: z.string().min(8).max(100).optional().describe('Idempotency key: the same id again returns the operation that the first request made.'),
  platform: nameSchema.optional().describe('Name of the platform; default: the only one, else ANSWER_NEEDED.'),
}
const project = { project: nameSchema, environment: nameSchema }
const hooksSchema = z.boolean().default(true).describe('false: hooks around destroy are left out.')
const onApp = { app: appIdentitySchema }

export const operationRequestSchema = z
  .discriminatedUnion('action', [
    z.object({ action: z.literal('setup'), ...common, ...setupInputSchema.shape, plan: z.string().optional().describe('Hash of the approved plan.') }),
    z.object({ action: z.literal('up'), ...common, ...project, apps: z.array(appWithSourceSchema).min(1), release: z.boolean().default(true), canary: z.union([canaryInputSchema, z.literal(false)]).optional().describe('In place of what the definitions say; `false`: all of the traffic at once.'), force: z.boolean().default(false) }),
    z.object({ action: z.literal('build'), ...common, ...project, apps: z.array(appWithSourceSchema).min(1), force: z.boolean().default(false) }),
    z.object({
      action: z.literal('deploy'),
      ...common,
      ...project,
      apps: z
        .array(z.object({ definition: appDefinitionSchema, build: z.string().optional().describe('Id of a build; default: the newest.') }))
        .min(1),
    }),
    z.object({ action: z.literal('release'), ...common, ...onApp, deployment: z.union([z.string(), z.number().int()]).optional().describe('Id or number; default: the canary that is on, else the newest.'), canary: canaryInputSchema.optional(), after: z.number().int().optional().describe('Only while the release of this number is the newest.') }),
    z.object({ action: z.literal('rollback'), ...common, ...onApp, to: z.number().int().optional().describe('Number of a deployment; default: the one released before; while a canary is on, the one that has the rest of the traffic.'), because: z.string().max(500).optional().describe('Of a canary that it ends: why.'), after: z.number().int().optional().describe('Only while the release of this number is the newest.') }),
    z.object({ action: z.literal('restart'), ...common, ...onApp }),
    z.object({ action: z.literal('stop'), ...common, ...onApp }),
    z.object({ action: z.literal('start'), ...common, ...onApp }),
    z.object({ action: z.literal('scale'), ...common, ...onApp, counts: z.record(nameSchema, z.number().int().min(0).max(100)).refine((counts) => Object.keys(counts).length > 0, 'Name at least one process.').describe('Instances by process; `web` is the app itself. Others stay as they are.') }),
    z.object({ action: z.literal('configure'), ...common, ...onApp, set: z.record(z.string(), z.string()).default({}), unset: z.array(z.string()).default([]), restore: z.number().int().optional().describe('Begin with the values of this version instead of the newest; secrets stay as they are today.'), stage: z.boolean().default(false) }),
    z.object({ action: z.literal('secret'), ...common, ...onApp, stage: z.boolean().default(false) }).describe('Releases again with the newest versions of the secrets; values are stored before with PUT secrets.'),
    z.object({ action: z.literal('backup'), ...common, ...onApp, keep: z.number().int().min(1).max(1000).optional().describe('It counts as a scheduled one: of these only the newest so many stay.') }).describe('Backs up the database of the app, or the one that it shares.'),
    z.object({
      action: z.literal('restore'),
      ...common,
      ...onApp,
      backup: z.union([z.string().max(60), z.object({ undo: z.literal(true) })]).describe('Id of a backup, or `undo`: what the last restore replaced comes back.'),
      dropOld: z.boolean().default(false).describe('Keep no copy of what is there now; else it stays until the next backup.'),
    }),
    z.object({ action: z.literal('delete-volume'), ...common, ...onApp, volume: nameSchema }).describe('Deletes a volume that no version has any more, with all that is in it.'),
    z.object({ action: z.literal('destroy-app'), ...common, ...onApp, deleteData: z.boolean().default(false), hooks: hooksSchema }),
    z.object({ action: z.literal('destroy-project'), ...common, project: nameSchema, environment: nameSchema.optional().describe('Default: all environments.'), deleteData: z.boolean().default(false), hooks: hooksSchema }),
    z.object({ action: z.literal('destroy-platform'), ...common, platform: nameSchema, deleteData: z.boolean().default(false), hooks: hooksSchema }),
  ])
  .meta({ id: 'OperationRequest' })
/** As a client sends it: what has a default may be left out. */
export type OperationRequest = z.input<typeof operationRequestSchema>
/** As the server works with it. */
export type OperationInput = z.output<typeof operationRequestSchema>
export type Action = OperationInput['action']

export const jobStateSchema = z.enum(['queued', 'running', 'done', 'failed', 'cancelled', 'skipped'])
export type JobState = z.infer<typeof jobStateSchema>

export const jobSchema = z
  .object({
    id: z.string(),
    operation: z.string(),
    action: z.string(),
    scope: z.string().describe('`platform`, or `app/<project>/<app>/<environment>`'),
    platform: z.string().describe('Name of the platform.'),
    app: appIdentitySchema.optional(),
    state: jobStateSchema,
    attempt: z.number().int().describe('Raised whenever a runner takes it; more than 1 after a runner died.'),
    after: z.array(z.string()).describe('Jobs that must be done before this one starts.'),
    waitsFor: z.string().optional().describe('Why a queued job does not run yet, for people: `waits for restart of shop/api by ada`.'),
    by: z.string(),
    createdAt: timeSchema,
    startedAt: timeSchema.optional(),
    finishedAt: timeSchema.optional(),
    cancelRequested: z.boolean(),
    result: z.record(z.string(), z.unknown()).optional(),
    error: errorBodySchema.optional(),
  })
  .meta({ id: 'Job' })
export type Job = z.infer<typeof jobSchema>

export const operationSchema = z
  .object({
    id: z.string(),
    action: z.string(),
    platform: z.string(),
    project: z.string().optional(),
    environment: z.string().optional(),
    apps: z.array(z.string()),
    state: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']),
    by: z.string(),
    createdAt: timeSchema,
    startedAt: timeSchema.optional(),
    finishedAt: timeSchema.optional(),
    url: z.string().optional().describe('Of the main app: the one that no other app of the operation uses, the last in order.'),
    error: errorBodySchema.optional().describe('Of the first job that failed.'),
    jobs: z.array(jobSchema),
  })
  .meta({ id: 'Operation' })
export type Operation = z.infer<typeof operationSchema>

/** `created` is false when a request with this `requestId` came before. */
export const operationAcceptedSchema = z.object({ operation: operationSchema, created: z.boolean() })
export type OperationAccepted = z.infer<typeof operationAcceptedSchema>
