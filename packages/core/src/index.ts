export { catalogue, type ErrorCode, type ErrorEntry } from './errors/catalogue.ts'
export { errorBody, errorFromBody, isPilotError, PilotError, toPilotError, type ErrorBody, type PilotErrorOptions } from './errors/pilot-error.ts'
export type { Emit, EventBody, Phase, PilotEvent, ResourceAction } from './events/event.ts'
export type { LifecycleContext } from './lifecycle/context.ts'
export type * from './lifecycle/records.ts'
export { hookPhases, type HookCall, type HookName, type HookPhase, type HookRunner } from './provider/hooks.ts'
export type { BuildCall, Builder, BuildpackChoice, SourceFacts } from './provider/builder.ts'
export type { LogCall, LogLine } from './provider/app-logs.ts'
export type { Compute, InstanceStatus } from './provider/compute.ts'
export type { AppSpec, ArtifactReference, CommandSpec, DeploymentSpec, HealthCheck, LinkSpec, TaskSpec, TrafficSpec, Volumes, VolumeSpec, WorkerSpec } from './provider/compute-specs.ts'
export type { ConsumerSpec, FunctionError, FunctionSpec, InvokeCall, InvokeResult, QueueAdministration, QueueCall, QueueState } from './provider/functions.ts'
export type { CommandTerminal, ExecCall, OneOffSpec, RunCall, TerminalSize } from './provider/one-off.ts'
export { emptyBlueprint, type Blueprint, type Graph, type Resource } from './provider/graph.ts'
export {
  defineKind,
  type Accepted,
  type AnyKind,
  type Call,
  type Cost,
  type CreateCall,
  type Created,
  type DeleteCall,
  type Deleted,
  type Exposure,
  type Kind,
  type ListCall,
  type Listed,
  type Ownership,
  type ReadCall,
  type Reading,
  type SettleCall,
  type Settled,
  type UpdateCall,
} from './provider/kind.ts'
export type { AppIdentity, Target } from './provider/app-identity.ts'
export {
  contractVersion,
  defineProvider,
  type AnyProvider,
  type Capabilities,
  type CheckContext,
  type CloudProvider,
  type ConnectContext,
  type DatabaseCapability,
  type DatabaseSpec,
  type Finding,
  type PlatformSpec,
  type RegistryCapability,
  type DiskUse,
} from './provider/provider.ts'
export type { CertificateAuthority, CertificateCapability, CertificateStatus } from './provider/certificates.ts'
export type { Backup, BackupNote, DatabaseAdministration, DatabaseCall, DatabaseInfo, DatabaseLogin, DatabaseOperation, DatabaseUser, Restored } from './provider/databases.ts'
export { problemOf } from './provider/findings.ts'
export { isRef, isSecretRef, isTemplate, ref, secretRef, template, type Input, type Json, type Ref, type SecretRef, type Template } from './provider/value.ts'
export { createFileSecretStore, type FileSecretStoreOptions } from './secrets/file-secret-store.ts'
export { loadOrCreateKey } from './secrets/key-file.ts'
export { redactValue } from './secrets/redact-value.ts'
export { createRedactor, redactedText, type RedactingStream, type Redactor } from './secrets/redactor.ts'
export { keyedHash, seal, unseal, type SealedBox, type SealKey } from './secrets/seal.ts'
export type { SecretStore } from './secrets/secret-store.ts'
export { stateFormat, type Fence, type JournalEntry, type LeaseHolder, type LeaseRecord, type LeaseStore, type RecordType, type ResourceState, type ScopeName, type ScopeStore, type State, type Store } from './store/store.ts'
export type { AppDefinition, PackedSource } from './lifecycle/app-definition.ts'
export type * from './lifecycle/phases.ts'
export { runPhase, type PhaseEnd } from './lifecycle/phase.ts'
export { actionTable, allowedActions, type ActionVerdict, type AppAction } from './lifecycle/actions.ts'
export { backupDatabase, deleteBackup, restoreDatabase, type BackupInput, type RestoreInput } from './lifecycle/backup.ts'
export { databaseBackups, databaseInfo, databaseLogin, databaseUsers, type DatabaseView } from './lifecycle/databases.ts'
export { build } from './lifecycle/build.ts'
export { effectiveConfiguration, type EffectiveValue } from './lifecycle/configuration.ts'
export { listSecrets, removeSecret, setSecret, storeSecrets, type SecretLine, type StoredSecret } from './lifecycle/app-secrets.ts'
export { configure } from './lifecycle/configure.ts'
export { refuseLargeEnvironment } from './lifecycle/variables.ts'
export { listConfiguration, type ConfigurationLine, type ConfigurationListing, type PendingConfiguration } from './lifecycle/configuration-listing.ts'
export { configurationHistory, diffConfigurations, type ConfigurationChoice, type ConfigurationDiff, type ConfigurationVersion } from './lifecycle/configuration-history.ts'
export type { ConfigurationChange, ConfigurationSide } from './lifecycle/configuration-diff.ts'
export { deploy, refuseMissingSecrets } from './lifecycle/deploy.ts'
export { deployedApps } from './lifecycle/deployed-apps.ts'
export { destroyApp, destroyPlatform } from './lifecycle/destroy.ts'
export { findBuild, readLedger, type Ledger } from './lifecycle/ledger.ts'
export { invokeFunction } from './lifecycle/invoke-live.ts'
export { purgeQueue, queueState, retryQueue } from './lifecycle/queue.ts'
export { readLiveDeployment, runCronJob, runCronJobOf, unknownCronJob, type CronInput } from './lifecycle/cron.ts'
export { execInInstance, runOneOff, type OneOffInput } from './lifecycle/one-off.ts'
export { push } from './lifecycle/push.ts'
export { release, rollback } from './lifecycle/release.ts'
export { canaryDefaults, canaryPlan, type CanaryInput } from './lifecycle/canary-plan.ts'
export { nextPercent } from './lifecycle/canary-state.ts'
export { judgeCanary, type CanaryDecision, type CanaryLook, type CanaryMemory } from './lifecycle/canary-verdict.ts'
export { isCanaryOn, lookAtCanary } from './lifecycle/canary-look.ts'
export { canaryFailed, canaryLookMs, nextOf, releaseInSteps, type CanaryOptions } from './lifecycle/canary-watch.ts'
export { restart, start, stop } from './lifecycle/run-state.ts'
export { scale } from './lifecycle/scale.ts'
export { deleteVolume, listVolumes, type VolumeStatus } from './lifecycle/volumes.ts'
export { appOfScope, appScope, appTitle, deploymentKeyPrefix, hostLabel, linkVariable, platformScope, queueVariable, secretPrefix, taskKey, volumeKeyPrefix, volumeVariable, workersKeyPrefix } from './lifecycle/scope.ts'
export { planSetup, setup } from './lifecycle/setup.ts'
export { forgetResource, readRecordedState, restoreState, type StateChange } from './lifecycle/state-repair.ts'
export { runningDeployments, type Running } from './lifecycle/running.ts'
export { lastTime, nextTime, scheduleProblem, isTimeZone, type CronTimes } from './schedule/cron-expression.ts'
export type { TrafficCounters } from './provider/counters.ts'
export { appStatus, listApps, listAppsWithSecrets, listReleases } from './lifecycle/status.ts'
export { up } from './lifecycle/up.ts'
export { systemClock, type Clock } from './store/clock.ts'
export { createFileStore, type FileStoreOptions } from './store/file-store.ts'
export { acquireLease, type AcquireLeaseOptions, type Lease } from './store/lease.ts'
export { hostIdentity, isProcessAlive, livenessOf, processIdentity, type HostIdentity, type Liveness, type ProcessIdentity } from './store/process-identity.ts'
export { openPlatform, type OpenPlatform, type OpenPlatformOptions, type OperationOptions } from './platform/open-platform.ts'
export { parsePlatformFile, writePlatformFile, type PlatformFile, type SettingProblem } from './platform/platform-file.ts'
export { changePlatformSettings, findPlatform, forgetPlatform, listPlatforms, newPlatformId, platformDir, platformNamed, readPlatforms, registerPlatform, type BrokenPlatform, type PlatformRecord } from './platform/registry.ts'
export { commandWords } from './manifest/command-words.ts'
export { detect, detectApps, detectProgram, detectSite, packageManagerOf, type Detection } from './manifest/detect.ts'
export { type DatabaseEvidence } from './manifest/detect-database.ts'
export { pilotSchema, pilotSchemaText } from './manifest/json-schema.ts'
export { loadProject, manifestName, nearestManifest, projectOf, type AppSource, type Project, type ProjectApp } from './manifest/load-project.ts'
export { parsePackageJson, scriptOf, type PackageJson } from './manifest/package-json.ts'
export { parseManifest, type ParsedManifest } from './manifest/parse-manifest.ts'
export { parseProcfile, type Procfile } from './manifest/procfile.ts'
export { nameFrom, propose, proposeManifest, writeEditorSchema, writeProposal, type Proposal, type ProposeOptions } from './manifest/propose-manifest.ts'
export { defaults as manifestDefaults, environmentSettings, resolveApps, type ResolveOptions } from './manifest/resolve-apps.ts'
export type { Manifest, ManifestApp } from './manifest/schema.ts'
export { keysNotAppliedYet, unappliedKeys, type Unapplied, type UnappliedKey } from './manifest/unapplied.ts'
export { formatBytes, parseDuration, parseSize } from './manifest/units.ts'
export { buildpackRule } from './manifest/schema.ts'
export { writeManifest } from './manifest/write-manifest.ts'
export { similar } from './manifest/schema-problems.ts'
export { readYaml, type YamlDocument } from './manifest/yaml-document.ts'
export { readSourceFacts } from './source/facts.ts'
export { gitFacts } from './source/git.ts'
export { listSource, type ListOptions, type SourceEntry, type SourceListing } from './source/list-source.ts'
export { openPackedSource, type OpenOptions } from './source/open-packed-source.ts'
export { imageSource } from './source/image-source.ts'
export { packSource, type LocalSource } from './source/pack-source.ts'
export { imageRule, parseImageReference, type ImageReference } from './manifest/image-reference.ts'
export {
  createEngine,
  currentResources,
  planGraph,
  resolveValue,
  resourceName,
  resourceToken,
  type ApplyOptions,
  type ApplyResult,
  type Change,
  type DestroyOptions,
  type DestroyScopeResult,
  type Engine,
  type EngineLease,
  type EngineOptions,
  type Foreign,
  type Outputs,
  type Plan,
  type PlanInput,
  type PlanStep,
  type RetryPolicy,
} from './graph/index.ts'
