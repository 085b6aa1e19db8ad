/**
 * The contract between the server and its clients: schemas, types and the table of routes. No server.
 * A client that cares for its start imports types from here (`import type`) and the routes from `@pilot/server/client`.
 */
export { apiVersion } from './version.ts'
export { pathOf, routes, type Body, type Params, type Query, type Response, type Route, type RouteName, type Routes } from './routes.ts'
export { routeSchemas, type Checked } from './route-schemas.ts'
export {
  allowedActionsSchema,
  appViewSchema,
  deploymentRecordSchema,
  deploymentsSchema,
  envDiffSchema,
  envHistorySchema,
  envSchema,
  logLineSchema,
  putSecretsSchema,
  releaseRecordSchema,
  releasesSchema,
  secretNameSchema,
  secretsPutSchema,
  secretsSchema,
  statusSchema,
  type AllowedActions,
  type AppView,
  type CommandOutput,
  type Deployments,
  type Env,
  type EnvDiff,
  type EnvHistory,
  type Releases,
  type Secrets,
  type SecretsPut,
  type StatusView,
} from './apps.ts'
export { appDefinitionSchema, appWithSourceSchema, sourceHeldSchema, sourceRecordSchema, type AppWithSource, type SourceHeld } from './definition.ts'
export { backupSchema, databaseLoginSchema, databaseSchema, databaseUserSchema, volumeSchema, type Database, type Login } from './databases.ts'
export { authoritySchema, domainNameSchema, domainSchema, type Authority, type Domain } from './domains.ts'
export { activitySchema, streamEventSchema, type Activity, type StreamEvent } from './events.ts'
export {
  jobSchema,
  jobStateSchema,
  operationAcceptedSchema,
  operationRequestSchema,
  operationSchema,
  type Action,
  type Job,
  type JobState,
  type Operation,
  type OperationAccepted,
  type OperationInput,
  type OperationRequest,
} from './operations.ts'
export { historyEntrySchema, type HistoryEntry } from './history.ts'
export { channelInputSchema, channelListSchema, channelPutSchema, channelSchema, topicSchema, type Channel, type ChannelInput, type ChannelList, type ChannelPut, type CheckedChannel, type Topic } from './notifications.ts'
export { metricsSchema, type Metrics } from './metrics.ts'
export { planChangeSchema, platformPlanSchema, platformSchema, setupInputSchema, type PlanChange, type Platform, type PlatformPlan } from './platforms.ts'
export { doctorSchema, infoSchema, providerAddedSchema, providerSchema, shutdownRequestSchema, type Doctor, type Info, type Provider, type ProviderAdded } from './server.ts'
export { appIdentitySchema, digestSchema, doneSchema, errorBodySchema, findingSchema, nameSchema, type Done } from './shared.ts'
export { scheduledRunSchema, scheduleSchema, type ScheduledRunView, type ScheduleView } from './schedules.ts'
export { scopeSchema, stateChangedSchema, stateHistorySchema, type Scope, type StateChanged, type StateHistory } from './state.ts'
