import * as z from 'zod'
import type { AppStatus, DeploymentRecord, ErrorBody, InstanceStatus, LogLine, ReleaseRecord } from '@pilot/core'
import { jobSchema, type Job } from './operations.ts'
import { platformSchema, type Platform } from './platforms.ts'
import { scheduledRunSchema, type ScheduledRunView } from './schedules.ts'
import { appIdentitySchema, errorBodySchema, timeSchema } from './shared.ts'

/** Records come out of the store as they were written: their shape is core's, and newer fields pass through. */
const recordOf = <T>(shape: Record<string, unknown>, id: string): z.ZodType<T> => z.looseObject(shape as Record<string, z.ZodType>).meta({ id }) as unknown as z.ZodType<T>

export const releaseRecordSchema = recordOf<ReleaseRecord>(
  { number: z.number().int(), app: appIdentitySchema, deployment: z.string(), kind: z.string(), previous: z.string().optional(), at: timeSchema, by: z.string(), url: z.string().optional(), canary: z.looseObject({ percent: z.number(), stable: z.string() }).optional().describe('A step of a canary: the deployment got this part of the traffic, `stable` the rest.'), aborted: z.looseObject({ deployment: z.string(), because: z.string().optional() }).optional().describe('It ended a canary by giving the traffic back.') },
  'Release',
)
export const deploymentRecordSchema = recordOf<DeploymentRecord>(
  { id: z.string(), number: z.number().int(), app: appIdentitySchema, build: z.string(), target: z.string(), configuration: z.number().int(), createdAt: timeSchema, by: z.string() },
  'Deployment',
)
const instanceSchema = recordOf<InstanceStatus>({ deployment: z.string(), instance: z.string(), state: z.string() }, 'Instance')
const appStatusSchema = recordOf<AppStatus>(
  {
    app: appIdentitySchema,
    state: z.enum(['absent', 'staged', 'live', 'stopped', 'unhealthy', 'destroyed']),
    release: releaseRecordSchema.optional(),
    deployment: deploymentRecordSchema.optional(),
    url: z.string().optional(),
    fallbackUrl: z.string().optional(),
    scale: z.record(z.string(), z.number().int()).optional().describe('Instances by process that are to run; `web` is the app itself.'),
    instances: z.array(instanceSchema),
    canary: z.looseObject({ deployment: deploymentRecordSchema, percent: z.number(), instances: z.array(instanceSchema) }).optional().describe('While one is on; `deployment`, `release` and `instances` are those of the version that has the rest of the traffic.'),
  },
  'AppStatus',
)

/** From core's table: what may be done now, and why not where not. */
export const allowedActionsSchema = z.record(z.string(), z.object({ allowed: z.boolean(), reason: z.string().optional() }))
export type AllowedActions = z.infer<typeof allowedActionsSchema>

export interface AppView {
  readonly status: AppStatus
  readonly platform: string
  readonly actions: AllowedActions
  /** The job that runs or waits for this app. */
  readonly job?: Job
  /** Why the provider could not be asked: `status` is then what the records say. Where they cannot be read either, no action is allowed. */
  readonly problem?: ErrorBody
}
export const appViewSchema = z
  .object({ status: appStatusSchema, platform: z.string(), actions: allowedActionsSchema, job: jobSchema.optional(), problem: errorBodySchema.optional() })
  .meta({ id: 'App' }) as unknown as z.ZodType<AppView>

export interface StatusView {
  readonly platforms: readonly Platform[]
  readonly apps: readonly AppView[]
  /** Jobs that run or wait. */
  readonly jobs: readonly Job[]
  /** Newest runs of schedules that failed. */
  readonly failing?: readonly ScheduledRunView[]
}
export const statusSchema = z
  .object({ platforms: z.array(platformSchema), apps: z.array(appViewSchema), jobs: z.array(jobSchema), failing: z.array(scheduledRunSchema).optional().describe('Newest runs of schedules that failed.') })
  .meta({ id: 'Status' }) as unknown as z.ZodType<StatusView>

export const releasesSchema = z.object({
  releases: z.array(releaseRecordSchema).describe('Newest first.'),
  deployments: z.array(deploymentRecordSchema).describe('Those that the releases name.'),
  current: z.number().int().optional().describe('Number of the release that has the traffic; while a canary is on, the rest of it.'),
  canary: z.object({ release: z.number().int(), percent: z.number() }).optional().describe('The canary that is on: its newest step.'),
})
export type Releases = z.infer<typeof releasesSchema>

export const deploymentsSchema = z.object({
  deployments: z.array(deploymentRecordSchema).describe('Newest first.'),
  released: z.string().optional().describe('Id of the deployment that has the traffic.'),
  unreleased: z.array(z.string()).describe('Ids of those that never had it.'),
})
export type Deployments = z.infer<typeof deploymentsSchema>

export const envSchema = z
  .object({
    version: z.number().int().describe('Of the newest configuration; 0: none yet.'),
    released: z.number().int().optional().describe('Version that the running release has.'),
    pending: z
      .object({ why: z.enum(['staged', 'rollback']).describe('`staged`: never released yet; `rollback`: it was, and a rollback went back from it.'), names: z.array(z.string()) })
      .optional()
      .describe('What the running release has otherwise than this list.'),
    values: z.array(
      z.object({
        key: z.string(),
        source: z.enum(['manifest', 'env set', 'secret', 'platform']),
        value: z.string().optional().describe('Never for secrets.'),
        from: z.string().optional().describe('Of platform values: `database`, `port`, or the app whose address it is.'),
        hides: z.array(z.string()).optional().describe('Sources that hold a value of the same name underneath.'),
      }),
    ),
  })
  .meta({ id: 'Env' })
export type Env = z.infer<typeof envSchema>

const sideSchema = z.object({
  source: z.enum(['manifest', 'env set', 'secret', 'platform']),
  value: z.string().optional().describe('Never for secrets.'),
  version: z.number().int().optional().describe('Of a secret.'),
})
const changeSchema = z.object({ name: z.string(), before: sideSchema.optional().describe('Absent: it was not there.'), after: sideSchema.optional().describe('Absent: it is no longer there.') })

export const envHistorySchema = z
  .object({
    versions: z
      .array(
        z.object({
          version: z.number().int(),
          at: timeSchema,
          by: z.string(),
          released: z.boolean().describe('What runs has it.'),
          derivedFrom: z.number().int().optional().describe('Made by a rollback to this version, with the secrets of then.'),
          restoredFrom: z.number().int().optional().describe('Made by `env restore` of this version.'),
          changes: z.array(changeSchema).describe('Against the version that it was made from.'),
        }),
      )
      .describe('Newest first.'),
  })
  .meta({ id: 'EnvHistory' })
export type EnvHistory = z.infer<typeof envHistorySchema>

const choice = z.union([z.literal('next'), z.coerce.number().int().min(1)])
export const envChoiceSchema = choice.describe('A version, or `next`: what the app gets with its next release, apart from changes of the manifest.')
const answeredChoice = z.union([z.literal('next'), z.number().int()])
export const envDiffSchema = z.object({ from: answeredChoice, to: answeredChoice, changes: z.array(changeSchema) }).meta({ id: 'EnvDiff' })
export type EnvDiff = z.infer<typeof envDiffSchema>

export const secretsSchema = z
  .object({
    secrets: z.array(
      z.object({
        name: z.string(),
        version: z.number().int(),
        updatedAt: timeSchema,
        released: z.boolean().optional().describe('Whether the running release has this version.'),
      }),
    ),
  })
  .meta({ id: 'Secrets' })
export type Secrets = z.infer<typeof secretsSchema>

export const secretNameSchema = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'letters, digits and underscores, not beginning with a digit').max(200)
export const putSecretsSchema = z.object({ values: z.record(secretNameSchema, z.string().max(1_000_000)) })
export const secretsPutSchema = z.object({ stored: z.array(z.object({ name: z.string(), version: z.number().int() })) })
export type SecretsPut = z.infer<typeof secretsPutSchema>

/** One line of newline-delimited JSON: what a command writes, in base64 as it comes, or at its end the exit code; `{ error }` when it broke on the server's side. */
export const commandOutputSchema = z
  .union([z.object({ stream: z.enum(['stdout', 'stderr']), data: z.string() }), z.object({ exitCode: z.number().int() })])
  .meta({ id: 'CommandOutput' })
export type CommandOutput = z.infer<typeof commandOutputSchema>

/** One line of newline-delimited JSON; the last line is `{ error }` when the stream broke on the server's side. */
export const logLineSchema = z
  .object({ deployment: z.string(), instance: z.string(), process: z.string().optional(), stream: z.enum(['stdout', 'stderr', 'pilot']), at: timeSchema.optional(), text: z.string(), cursor: z.string() })
  .meta({ id: 'LogLine' }) as unknown as z.ZodType<LogLine>
