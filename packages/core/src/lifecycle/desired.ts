import type { Compute } from '../provider/compute.ts'
import type { CommandSpec } from '../provider/compute-specs.ts'
import type { Blueprint, Graph, Resource } from '../provider/graph.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { Input, SecretRef } from '../provider/value.ts'
import { PilotError } from '../errors/pilot-error.ts'
import { currentResources } from '../graph/recorded.ts'
import type { AppIdentity, Target } from '../provider/app-identity.ts'
import type { Capabilities } from '../provider/provider.ts'
import { isTimeZone, scheduleProblem } from '../schedule/cron-expression.ts'
import type { State } from '../store/store.ts'
import { effectiveConfiguration, environmentOf } from './configuration.ts'
import { formationOf, type Formation } from './formation.ts'
import type { ConfigurationRecord, DeploymentRecord } from './records.ts'
import { appTitle, deploymentKeyPrefix, deploymentsKeyPrefix, hostLabel, linkVariable, queueVariable, sharedHostLabel, taskKey, volumeKeyPrefix, volumeVariable, workersKeyPrefix } from './scope.ts'

/**
 * From records to graphs, purely: what a deployment needs to exist, and what points traffic at it.
 * What is already there is taken as it was recorded (`recordedGraph`), so that a newer Pilot or provider never touches a
 * deployment that runs.
 */
export interface DesiredDeployment {
  /** App, database, links, volumes and the deployment itself; without traffic, workers and the release command. */
  readonly resources: Graph
  /** They run from right before the release until right after the next one. */
  readonly workers: Graph
  /** The release command, or nothing. */
  readonly releaseTask: Graph
  readonly deploymentOutputs: Readonly<Record<string, Input<unknown>>>
  readonly appOutputs: Readonly<Record<string, Input<unknown>>>
  /** What every command of it has in common. */
  readonly commands: Omit<CommandSpec, 'command'>
  /** Values that the platform gives: DATABASE_URL, other apps' URLs, where volumes are. */
  readonly platformValues: Readonly<Record<string, Input<string>>>
}

export function desiredDeployment({
  provider,
  deployment,
  configuration,
  databasePassword,
}: {
  provider: Capabilities
  deployment: DeploymentRecord
  configuration: ConfigurationRecord
  databasePassword: SecretRef | undefined
}): DesiredDeployment {
  const { app, run, target } = deployment
  const compute = computeFor(provider, target)
  const appBlueprint = compute.app({ app, hostLabel: hostLabel(app), ...(run.function?.queue ? { queue: true as const } : {}) })
  const appOutputs = appBlueprint.outputs
  const database = run.database && databasePassword ? databaseBlueprint({ provider, deployment, appOutputs, password: databasePassword }) : undefined
  const volumes = Object.entries(run.volumes ?? {}).map(([volume, { path }]) => ({ volume, blueprint: volumeBlueprint({ compute, deployment, volume, path, appOutputs }) }))
  const volumeOutputs = volumes.length === 0 ? {} : { volumes: Object.fromEntries(volumes.map(({ volume, blueprint }) => [volume, blueprint.outputs])) }
  const links = run.uses.map((name) => linkBlueprint({ compute, from: app, to: { ...app, app: name }, appOutputs }))
  const queueLinks = (run.queues ?? []).map((name) => linkBlueprint({ compute, from: app, to: { ...app, app: name }, queue: true, appOutputs }))

  const platformValues: Record<string, Input<string>> = {
    ...(database ? { DATABASE_URL: database.outputs['url'] as Input<string> } : {}),
    ...Object.fromEntries(links.map(({ to, blueprint }) => [linkVariable(to.app), blueprint.outputs['url'] as Input<string>])),
    ...Object.fromEntries(queueLinks.map(({ to, blueprint }) => [queueVariable(to.app), blueprint.outputs['url'] as Input<string>])),
    ...Object.fromEntries(volumes.map(({ volume, blueprint }) => [volumeVariable(volume), blueprint.outputs['path'] as Input<string>])),
  }
  const env = environmentOf(effectiveConfiguration(configuration, platformValues))
  const formation = formationOf(deployment)
  const staged = compute.deployment({
    app,
    deployment: deployment.id,
    artifact: deployment.artifact,
    ...(run.command ? { command: run.command } : {}),
    env,
    ...(run.port === undefined ? {} : { port: run.port }),
    health: run.health,
    memoryBytes: run.memoryBytes,
    cpu: run.cpu,
    instances: formation.instances,
    logShare: logShareOf(formation),
    ...(run.spa ? { spa: run.spa } : {}),
    ...volumeOutputs,
    ...(run.function ? { function: run.function } : {}),
    appOutputs,
  })
  assertDeploymentKeys(staged, deployment)
  const commands = { app, deployment: deployment.id, artifact: deployment.artifact, env, memoryBytes: run.memoryBytes, cpu: run.cpu, ...volumeOutputs, appOutputs }
  refuseUnusableCron({ compute, deployment })
  return {
    resources: mergeGraphs(appBlueprint.resources, database?.resources ?? [], ...[...links, ...queueLinks].map(({ blueprint }) => blueprint.resources), ...volumes.map(({ blueprint }) => blueprint.resources), staged.resources),
    workers: [...workerGraph({ compute, deployment, formation, commands }), ...consumerGraph({ compute, deployment, appOutputs })],
    releaseTask: releaseGraph({ compute, deployment, formation, commands }),
    commands,
    deploymentOutputs: staged.outputs,
    appOutputs,
    platformValues,
  }
}

interface Commands {
  readonly compute: Compute
  readonly deployment: DeploymentRecord
  readonly formation: Formation
  readonly commands: Omit<CommandSpec, 'command'>
}

/** An app of ten instances keeps no more of its logs than one of a single instance. */
const logShareOf = ({ instances, workers }: Formation): number => 1 / Math.max(1, workers.reduce((sum, worker) => sum + worker.instances, instances))

function workerGraph({ compute, deployment, formation, commands }: Commands): Graph {
  return formation.workers.flatMap(({ process, command, instances }) => {
    if (!compute.worker) throw new PilotError('USAGE', `${appTitle(deployment.app)} has the process ${process}, and as ${deployment.target} it runs no processes beside the app`, { suggestion: 'Remove `processes:` from it, or let another app run them.' })
    const { resources } = compute.worker({ ...commands, process, command, instances, logShare: logShareOf(formation) })
    assertKeys({ resources, prefix: `${workersKeyPrefix(deployment.id)}${process}/`, what: 'worker blueprint' })
    return resources
  })
}

function refuseUnusableCron({ compute, deployment: { app, run, target } }: Pick<Commands, 'compute' | 'deployment'>): void {
  const jobs = Object.entries(run.cron ?? {})
  const backup = run.database !== undefined && 'own' in run.database ? run.database.backup : undefined
  for (const [job, { schedule, timeZone }] of [...jobs, ...(backup ? [['database', backup] as const] : [])]) {
    const problem = scheduleProblem(schedule) ?? (isTimeZone(timeZone) ? undefined : `${timeZone} is no time zone`)
    if (problem !== undefined) throw new PilotError('USAGE', `${job} of ${appTitle(app)} has no schedule that could be kept: ${problem}`)
  }
  const job = jobs[0]?.[0]
  if (job === undefined || compute.run) return
  throw new PilotError('USAGE', `${appTitle(app)} has the cron job ${job}, and as ${target} it runs no commands`, { suggestion: 'Remove `cron:` from it, or let another app run it.' })
}

/** Like a worker it takes work only while its version is live. */
function consumerGraph({ compute, deployment, appOutputs }: { compute: Compute; deployment: DeploymentRecord; appOutputs: Blueprint['outputs'] }): Graph {
  if (!deployment.run.function?.queue) return []
  if (!compute.consumer) throw new PilotError('USAGE', `${appTitle(deployment.app)} has a queue, and as ${deployment.target} this platform gives it none`, { suggestion: 'Remove `queue` from its `function:`.' })
  const { resources } = compute.consumer({ app: deployment.app, deployment: deployment.id, appOutputs })
  assertKeys({ resources, prefix: `${workersKeyPrefix(deployment.id)}queue/`, what: 'consumer blueprint' })
  return resources
}

function releaseGraph({ compute, deployment, formation: { release }, commands }: Commands): Graph {
  if (release === undefined) return []
  if (!compute.task) throw new PilotError('USAGE', `${appTitle(deployment.app)} has a release command, and as ${deployment.target} it runs no commands`, { suggestion: 'Remove `release:` from it.' })
  const { resources } = compute.task({ ...commands, task: 'release', command: release })
  assertKeys({ resources, prefix: taskKey(deployment.id, 'release'), what: 'task blueprint' })
  return resources
}

/** The one resource that releases: all traffic to one deployment, but for the share of a canary, or to none, or to one of which nothing runs for a moment. */
export function trafficTo(provider: Capabilities, deployment: DeploymentRecord, desired: DesiredDeployment | 'paused' | undefined, canary?: { readonly deployment: string; readonly percent: number; readonly desired: DesiredDeployment }): Blueprint {
  const isPaused = desired === 'paused'
  const shares = canary ? [{ deployment: canary.deployment, percent: canary.percent, outputs: canary.desired.deploymentOutputs }] : []
  return computeFor(provider, deployment.target).traffic({
    app: deployment.app,
    hostLabel: hostLabel(deployment.app),
    weights: desired ? [{ deployment: deployment.id, percent: 100 - (canary?.percent ?? 0), outputs: isPaused ? {} : desired.deploymentOutputs }, ...shares] : [],
    ...(isPaused ? { paused: true } : {}),
    domains: deployment.run.domains,
    ...(deployment.run.route === undefined ? {} : { shared: { hostLabel: sharedHostLabel(deployment.app), path: deployment.run.route } }),
    appOutputs: desired && !isPaused ? desired.appOutputs : {},
  })
}

/** What the state holds, as a desired graph: applying it changes nothing but what drifted. */
export function recordedGraph(state: State | undefined): Graph {
  return currentResources(state)
    .filter(({ status }) => status !== 'deposed')
    .map(({ key, kind, inputs, dependsOn, protect }) => ({ key, kind, inputs: inputs as Resource['inputs'], dependsOn, ...(protect === undefined ? {} : { protect }) }))
}

/**
 * Recorded resources that hold data, and what they depend on. A release keeps them although the manifest no longer asks for
 * them: data goes with `destroy --delete-data` only.
 */
export function recordedData(state: State | undefined, kinds: readonly AnyKind[]): Graph {
  const protectedKinds = new Set(kinds.filter(({ protect }) => protect).map(({ kind }) => kind))
  const recorded = recordedGraph(state)
  const kept = new Set(recorded.filter(({ kind, protect }) => protect ?? protectedKinds.has(kind)).map(({ key }) => key))
  for (let size = -1; size !== kept.size; ) {
    size = kept.size
    for (const { key, dependsOn } of recorded) if (kept.has(key)) dependsOn?.forEach((dependency) => kept.add(dependency))
  }
  return recorded.filter(({ key }) => kept.has(key))
}

/** Later graphs win, key by key. */
export function mergeGraphs(...graphs: readonly Graph[]): Graph {
  return [...new Map(graphs.flat().map((resource) => [resource.key, resource])).values()]
}

export const withoutDeployment = (graph: Graph, deployment: string): Graph => graph.filter(({ key }) => !key.startsWith(deploymentKeyPrefix(deployment)))

export const withoutDeployments = (graph: Graph): Graph => graph.filter(({ key }) => !key.startsWith(deploymentsKeyPrefix))

export function computeFor(provider: Capabilities, target: Target): Compute {
  const compute = provider.compute[target]
  if (compute) return compute
  throw noSuchTarget(provider, target)
}

export const noSuchTarget = (provider: Capabilities, target: Target): PilotError =>
  new PilotError('USAGE', `This platform does not run apps as ${target}`, { reason: `It offers ${Object.keys(provider.compute).join(', ') || 'no target'}.` })

function databaseBlueprint({ provider, deployment, appOutputs, password }: { provider: Capabilities; deployment: DeploymentRecord; appOutputs: Blueprint['outputs']; password: SecretRef }): Blueprint {
  const { app, run, target } = deployment
  if (target === 'static') throw new PilotError('USAGE', `${appTitle(app)} is a site, and files cannot use a database`, { suggestion: 'Remove `database:` from it; an app that it calls can have one.' })
  if (!provider.database) throw new PilotError('USAGE', `${appTitle(app)} asks for a database, and this platform has none`, { suggestion: 'Remove `database:` from the manifest, or use a platform with PostgreSQL.' })
  const from = run.database && 'from' in run.database ? { ...app, app: run.database.from } : undefined
  return provider.database.database({ app, target, ...(from ? { from } : {}), appOutputs, password })
}

function linkBlueprint({ compute, from, to, queue, appOutputs }: { compute: Compute; from: AppIdentity; to: AppIdentity; queue?: true; appOutputs: Blueprint['outputs'] }): { to: AppIdentity; blueprint: Blueprint } {
  if (!compute.link) throw new PilotError('USAGE', `${appTitle(from)} uses ${to.app}, and this target cannot reach other apps`, { suggestion: 'Remove `uses:` from the manifest.' })
  return { to, blueprint: compute.link({ from, to, toHostLabel: hostLabel(to), ...(queue ? { queue } : {}), appOutputs }) }
}

export function volumeBlueprint({ compute, deployment: { app, target }, volume, path, appOutputs }: { compute: Compute; deployment: Pick<DeploymentRecord, 'app' | 'target'>; volume: string; path: string | undefined; appOutputs: Blueprint['outputs'] }): Blueprint {
  if (!compute.volume) throw new PilotError('USAGE', `${appTitle(app)} has the volume ${volume}, and as ${target} it has none`, { suggestion: target === 'static' ? 'Remove `volumes:` from it: a site consists of the files of its build.' : 'Remove `volumes:` from it, or use a platform that has them.' })
  const blueprint = compute.volume({ app, volume, ...(path === undefined ? {} : { path }), appOutputs })
  assertKeys({ resources: blueprint.resources, prefix: `${volumeKeyPrefix}${volume}`, what: 'volume blueprint' })
  return blueprint
}

const assertDeploymentKeys = ({ resources }: Blueprint, { id }: DeploymentRecord): void => assertKeys({ resources, prefix: deploymentKeyPrefix(id), what: 'deployment blueprint' })

function assertKeys({ resources, prefix, what }: { resources: Graph; prefix: string; what: string }): void {
  const stray = resources.find(({ key }) => !key.startsWith(prefix))
  if (stray) throw new PilotError('INTERNAL', `The provider's ${what} made ${stray.key}`, { reason: `Its keys begin with ${prefix}.` })
}
