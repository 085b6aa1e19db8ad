import * as z from 'zod'
import { appViewSchema, commandOutputSchema, deploymentsSchema, envChoiceSchema, envDiffSchema, envHistorySchema, envSchema, logLineSchema, putSecretsSchema, releasesSchema, secretNameSchema, secretsPutSchema, secretsSchema, statusSchema } from './apps.ts'
import { backupSchema, databaseLoginSchema, databaseSchema, databaseUserSchema, volumeSchema } from './databases.ts'
import { authoritySchema, domainNameSchema, domainSchema } from './domains.ts'
import { invokedSchema, queueChangedSchema, queueStateSchema } from './functions.ts'
import { sourceHeldSchema } from './definition.ts'
import { activitySchema, streamEventSchema } from './events.ts'
import { historyEntrySchema } from './history.ts'
import { metricsSchema } from './metrics.ts'
import { channelInputSchema, channelListSchema, channelPutSchema } from './notifications.ts'
import { jobSchema, jobStateSchema, operationAcceptedSchema, operationRequestSchema, operationSchema } from './operations.ts'
import { platformPlanSchema, platformSchema, setupInputSchema } from './platforms.ts'
import type { Body, Params, Query, Response, RouteName } from './routes.ts'
import { doctorSchema, infoSchema, providerAddedSchema, providerSchema, shutdownRequestSchema } from './server.ts'
import { appIdentitySchema, digestSchema, doneSchema, nameSchema } from './shared.ts'
import { scheduledRunSchema, scheduleSchema } from './schedules.ts'
import { scopeSchema, stateChangedSchema, stateHistorySchema } from './state.ts'

const flag = z.union([z.boolean(), z.enum(['true', 'false', '1', '0', '']).transform((text) => text !== 'false' && text !== '0')])
const count = z.coerce.number().int().min(0)
const id = z.object({ id: z.string().max(100) })
const scope = z.object({ scope: z.string().max(300) })
const onPlatform = { platform: nameSchema.optional() }
const text = z.string()
const channelName = z.object({ name: nameSchema })
const moment = z.iso.datetime({ offset: true }).describe('ISO 8601')
const command = z.array(z.string().max(100_000)).min(1).max(1000)

/** What the server checks each request with, and what the OpenAPI document says. */
export const routeSchemas = {
  info: { response: infoSchema },
  shutdown: { body: shutdownRequestSchema, response: doneSchema },
  doctor: { response: doctorSchema },
  providers: { query: z.object({ check: flag.optional() }), response: z.object({ providers: z.array(providerSchema) }) },
  addProvider: { body: z.object({ package: z.string().min(1).max(1000).describe('PACKAGE@VERSION, or the absolute path of a folder or tarball.') }), response: providerAddedSchema },

  platforms: { response: z.object({ platforms: z.array(platformSchema) }) },
  planPlatform: { body: setupInputSchema, response: platformPlanSchema },

  sourceHeld: { params: z.object({ digest: digestSchema }) },
  putSource: { params: z.object({ digest: digestSchema }), response: sourceHeldSchema },

  startOperation: { body: operationRequestSchema, response: operationAcceptedSchema },
  operation: { params: id, response: operationSchema },
  operationEvents: { params: id, query: z.object({ after: count.optional() }), response: streamEventSchema },
  operationLog: { params: id, query: z.object({ offset: count.optional(), follow: flag.optional() }), response: text },
  cancelOperation: { params: id, response: operationSchema },
  jobs: {
    query: z.object({ limit: count.max(1000).optional(), state: jobStateSchema.optional(), project: nameSchema.optional(), environment: nameSchema.optional(), app: nameSchema.optional() }),
    response: z.object({ jobs: z.array(jobSchema) }),
  },

  status: { query: z.object({ project: nameSchema.optional(), environment: nameSchema.optional(), platform: nameSchema.optional() }), response: statusSchema },
  app: { params: appIdentitySchema, query: z.object(onPlatform), response: appViewSchema },
  releases: { params: appIdentitySchema, query: z.object({ ...onPlatform, limit: count.optional() }), response: releasesSchema },
  deployments: { params: appIdentitySchema, query: z.object({ ...onPlatform, limit: count.optional() }), response: deploymentsSchema },
  env: { params: appIdentitySchema, query: z.object(onPlatform), response: envSchema },
  envHistory: { params: appIdentitySchema, query: z.object(onPlatform), response: envHistorySchema },
  envDiff: { params: appIdentitySchema, query: z.object({ ...onPlatform, from: envChoiceSchema.optional(), to: envChoiceSchema.optional() }), response: envDiffSchema },
  secrets: { params: appIdentitySchema, query: z.object(onPlatform), response: secretsSchema },
  putSecrets: { params: appIdentitySchema, query: z.object(onPlatform), body: putSecretsSchema, response: secretsPutSchema },
  removeSecret: { params: appIdentitySchema.extend({ name: secretNameSchema }), query: z.object(onPlatform), response: doneSchema },
  metrics: { params: appIdentitySchema, query: z.object({ ...onPlatform, seconds: count.min(1).max(8 * 24 * 3600).optional() }), response: metricsSchema },
  database: { params: appIdentitySchema, query: z.object(onPlatform), response: databaseSchema },
  databaseUsers: { params: appIdentitySchema, query: z.object(onPlatform), response: z.object({ users: z.array(databaseUserSchema) }) },
  databaseLogin: { params: appIdentitySchema, query: z.object(onPlatform), response: databaseLoginSchema },
  volumes: { params: appIdentitySchema, query: z.object(onPlatform), response: z.object({ volumes: z.array(volumeSchema) }) },
  backups: { params: appIdentitySchema, query: z.object(onPlatform), response: z.object({ backups: z.array(backupSchema) }) },
  deleteBackup: { params: appIdentitySchema.extend({ backup: text.max(60) }), query: z.object(onPlatform), response: doneSchema },
  logs: {
    params: appIdentitySchema,
    query: z.object({ ...onPlatform, follow: flag.optional(), tail: count.max(10_000).optional(), cursor: text.optional(), since: moment.optional(), until: moment.optional(), deployment: text.optional() }),
    response: logLineSchema,
  },

  run: { params: appIdentitySchema, query: z.object(onPlatform), body: z.object({ command }), response: commandOutputSchema },
  exec: { params: appIdentitySchema, query: z.object(onPlatform), body: z.object({ command, process: nameSchema.optional(), instance: text.max(200).optional() }), response: commandOutputSchema },
  runSession: { params: appIdentitySchema, query: z.object(onPlatform) },
  execSession: { params: appIdentitySchema, query: z.object({ ...onPlatform, process: nameSchema.optional(), instance: text.max(200).optional() }) },

  invoke: { params: appIdentitySchema, query: z.object(onPlatform), body: z.object({ event: z.string().max(6 * 1024 * 1024) }), response: invokedSchema },
  queue: { params: appIdentitySchema, query: z.object(onPlatform), response: queueStateSchema },
  retryQueue: { params: appIdentitySchema, query: z.object(onPlatform), response: queueChangedSchema },
  purgeQueue: { params: appIdentitySchema, query: z.object(onPlatform), body: z.object({ which: z.enum(['dead', 'all']) }), response: queueChangedSchema },

  schedules: { query: z.object({ project: nameSchema.optional(), environment: nameSchema.optional(), app: nameSchema.optional(), ...onPlatform }), response: z.object({ schedules: z.array(scheduleSchema) }) },
  runs: { params: appIdentitySchema, query: z.object({ ...onPlatform, type: text.max(40).optional(), name: text.max(100).optional(), limit: count.min(1).max(1000).optional() }), response: z.object({ runs: z.array(scheduledRunSchema) }) },
  runLog: { params: appIdentitySchema.extend({ run: text.max(40) }), query: z.object({ offset: count.optional(), follow: flag.optional() }), response: text },
  runCron: { params: appIdentitySchema.extend({ name: nameSchema }), query: z.object(onPlatform), body: z.object({}), response: commandOutputSchema },

  domains: { query: z.object({ ...onPlatform, project: nameSchema.optional(), environment: nameSchema.optional(), app: nameSchema.optional() }), response: z.object({ domains: z.array(domainSchema) }) },
  renewCertificate: { params: z.object({ domain: domainNameSchema }), query: z.object(onPlatform), response: z.object({ domain: domainSchema, log: z.array(text) }) },
  certificateAuthority: { query: z.object(onPlatform), response: authoritySchema },
  noteTrust: { body: z.object({ trusted: z.boolean() }), response: doneSchema },

  scopes: { query: z.object(onPlatform), response: z.object({ scopes: z.array(scopeSchema) }) },
  stateHistory: { params: scope, query: z.object(onPlatform), response: stateHistorySchema },
  restoreState: { params: scope, query: z.object(onPlatform), body: z.object({ version: z.number().int() }), response: stateChangedSchema },
  forgetResource: { params: scope, query: z.object(onPlatform), body: z.object({ key: text }), response: stateChangedSchema },

  notificationChannels: { query: z.object(onPlatform), response: channelListSchema },
  putNotificationChannel: { params: channelName, query: z.object(onPlatform), body: channelInputSchema, response: channelPutSchema },
  testNotificationChannel: { params: channelName, query: z.object(onPlatform), response: doneSchema },
  removeNotificationChannel: { params: channelName, query: z.object(onPlatform), response: doneSchema },

  history: { query: z.object({ limit: count.max(1000).optional(), project: nameSchema.optional(), environment: nameSchema.optional(), app: nameSchema.optional() }), response: z.object({ entries: z.array(historyEntrySchema) }) },
  events: { query: z.object({ after: count.optional() }), response: activitySchema },
}

type Schemas = typeof routeSchemas
/** What a handler receives, after checks and defaults. */
export type Checked<N extends RouteName, K extends 'params' | 'query' | 'body'> = Schemas[N] extends { readonly [P in K]: { readonly _output: infer Output } } ? Output : undefined

/** The compiler's comparison of `routes.ts` with the schemas above: bodies as clients send them, the rest as the server gives and takes it. */
type Input<N extends RouteName, K extends string> = Schemas[N] extends { readonly [P in K]: { readonly _input: infer I } } ? I : undefined
type Output<N extends RouteName, K extends string> = Schemas[N] extends { readonly [P in K]: { readonly _output: infer O } } ? O : undefined
type Fits<A, B> = [A] extends [B] ? true : false
type Differences = {
  [N in RouteName]: [Fits<Output<N, 'params'>, Params<N>>, Fits<Output<N, 'query'>, Query<N>>, Fits<Body<N>, Input<N, 'body'>>, Fits<Output<N, 'response'>, Response<N>>] extends [true, true, true, true] ? never : N
}[RouteName]
const _compared: [Differences] extends [never] ? true : Differences = true
void _compared
