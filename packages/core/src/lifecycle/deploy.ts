import { PilotError } from '../errors/pilot-error.ts'
import { isEqual } from '../graph/canonical.ts'
import type { AppDefinition } from './app-definition.ts'
import { currentSecrets, sameLayers, type ConfigurationLayers } from './configuration.ts'
import type { LifecycleContext } from './context.ts'
import { desire } from './desire.ts'
import { afterPhase, beforePhase, refuseHooks } from './hooks.ts'
import { contentId, newestConfiguration, nextNumber } from './ledger.ts'
import { liveDeployments } from './live.ts'
import { runPhase } from './phase.ts'
import type { DeployInput, StagedDeployment } from './phases.ts'
import type { BuildRecord, ConfigurationRecord, DeploymentRecord, RunSpec } from './records.ts'
import { currentScale, runWithScale } from './scale-carried.ts'
import { appTitle } from './scope.ts'
import { withApp, type AppSession } from './session.ts'
import { endOtherWriters, otherWriters, refuseVolumes, waitsForLive } from './single-writer.ts'
import { stage } from './stage.ts'
import { reportStaged, type Deployed } from './staged-address.ts'

/** Stages an artifact with the configuration of this moment: healthy, at an address of its own, without public traffic. */
export const deploy = (context: LifecycleContext, input: DeployInput): Promise<StagedDeployment> =>
  withApp(context, { app: input.app.app, action: 'deploy' }, async (session) => {
    const deployed = await deployIn(session, input)
    return { ...deployed.deployment, ...(await reportStaged(session, deployed)) }
  })

/** `check` sees what is about to be staged, and may throw. */
export async function deployIn(session: AppSession, { app, build, force = false }: DeployInput, check?: (deployment: DeploymentRecord) => Promise<void>): Promise<Deployed> {
  await refuseMissingSecrets(session.context, app)
  refuseHooks(session.context, app)
  const configuration = await writeConfiguration(session, await layersFromManifest(session, app))
  const run = runWithScale({ artifact: build.artifact, run: runSpec(app) }, build.target === 'static' ? {} : await currentScale(session))
  reportScale(session, run)
  refuseVolumes(session, { app: app.app, artifact: build.artifact, run, target: build.target }, await session.state())
  const deployment = await writeDeployment(session, { build, configuration: configuration.version, run, target: build.target, force })
  await check?.(deployment)
  return stageDeployment(session, deployment)
}

/** Stages unless it is live already, or cannot be there beside what is live. */
async function stageDeployment(session: AppSession, deployment: DeploymentRecord): Promise<Deployed> {
  if (await waitsForLive(session, deployment)) return { deployment, desired: await desire(session, deployment), live: false, waits: true }
  return runPhase<Deployed>(session.context, { app: session.app, phase: 'deploy', detail: `v${deployment.number}` }, async () => {
    if (liveDeployments(await session.state()).includes(deployment.id)) {
      return { result: { deployment, desired: await desire(session, deployment), live: true }, outcome: 'unchanged' }
    }
    await beforePhase(session, 'deploy', deployment)
    await endOtherWriters(session, { others: await otherWriters(session, deployment) })
    const desired = await stage(session, deployment)
    await afterPhase(session, 'deploy', deployment)
    return { result: { deployment, desired, live: false } }
  })
}

/**
 * The record of what is about to be staged. The same content is the same deployment, so that a repeated `up` neither counts
 * nor stages it twice; `force` raises the nonce, once however often the operation is attempted.
 */
export async function writeDeployment(
  session: AppSession,
  { build, configuration, run, target, force }: { build: Pick<BuildRecord, 'id' | 'artifact' | 'source'>; configuration: number; run: RunSpec; target: BuildRecord['target']; force: boolean },
): Promise<DeploymentRecord> {
  const { app, context, write, ledger, state } = session
  const { deployments } = await ledger()
  const content = { artifact: build.artifact.digest, configuration, run, target }
  const same = deployments.filter(({ artifact, configuration, run, target }) => isEqual({ artifact: artifact.digest, configuration, run, target }, content))
  const newest = same.at(-1)
  const unfinished = newest !== undefined && !liveDeployments(await state()).includes(newest.id) && newest.id === deployments.at(-1)?.id
  const isForcedAlready = newest !== undefined && context.resumesSince !== undefined && newest.createdAt >= context.resumesSince
  if (newest && (!force || unfinished || isForcedAlready)) return newest
  const nonce = newest ? newest.nonce + 1 : 0
  return write.deployment({
    id: contentId({ ...content, nonce }, 10),
    number: nextNumber(deployments),
    app,
    source: build.source,
    build: build.id,
    artifact: build.artifact,
    target,
    configuration,
    run,
    nonce,
    createdAt: new Date().toISOString(),
    by: context.by,
  })
}

/** The newest configuration of the same descent if it has the same layers, else the next version. */
export async function writeConfiguration(session: AppSession, layers: ConfigurationLayers, { derivedFrom, restoredFrom }: Pick<ConfigurationRecord, 'derivedFrom' | 'restoredFrom'> = {}): Promise<ConfigurationRecord> {
  const { configurations, deployments } = await session.ledger()
  const newest = configurations.findLast((configuration) => configuration.derivedFrom === derivedFrom)
  if (newest && sameLayers(newest, layers)) return newest
  // Above what deployments name too: a version whose record was lost is not used for other values.
  const version = Math.max(configurations.at(-1)?.version ?? 0, ...deployments.map(({ configuration }) => configuration)) + 1
  return session.write.configuration({ version, at: new Date().toISOString(), by: session.context.by, ...layers, ...(derivedFrom === undefined ? {} : { derivedFrom }), ...(restoredFrom === undefined ? {} : { restoredFrom }) })
}

async function layersFromManifest({ context, ledger }: AppSession, app: AppDefinition): Promise<ConfigurationLayers> {
  const set = newestConfiguration(await ledger())?.set ?? {}
  const hidden = Object.keys(app.env).filter((name) => name in set)
  if (hidden.length > 0) context.emit({ type: 'notice', app: app.app.app, level: 'warning', text: `\`env set\` overrides ${hidden.join(', ')} of the manifest.` })
  return { manifest: app.env, set, secrets: await currentSecrets(context.secrets, app.app) }
}

/** What the manifest says of instances is hidden by `scale`. */
function reportScale({ context, app }: AppSession, { scale }: RunSpec): void {
  if (!scale) return
  const counts = Object.entries(scale).map(([process, count]) => `${process}=${count}`)
  context.emit({ type: 'notice', app: app.app, level: 'info', text: `\`scale\` decides on instances, over the manifest: ${counts.join(' ')}.` })
}

/** All missing secrets at once, of all these apps. `up` asks before it builds. */
export async function refuseMissingSecrets({ secrets }: Pick<LifecycleContext, 'secrets'>, ...definitions: readonly AppDefinition[]): Promise<void> {
  const looked = await Promise.all(definitions.map(async ({ app, secrets: wanted }) => ({ app, there: await currentSecrets(secrets, app), wanted })))
  const missing = looked.flatMap(({ app, there, wanted }) => wanted.filter((name) => !(name in there)).map((name) => ({ app, name })))
  if (missing.length === 0) return
  const apps = [...Map.groupBy(missing, ({ app }) => app.app).values()]
  const needs = apps.map((of) => `${appTitle(of[0]!.app)} needs ${of.length === 1 ? 'the secret' : 'the secrets'} ${of.map(({ name }) => name).join(', ')}`)
  throw new PilotError('SECRETS_MISSING', needs.join('; '), {
    suggestion: `Set ${missing.length === 1 ? 'it' : 'each'} with ${missing.map(({ app, name }) => `\`secret set ${app.app} ${name}${app.environment === 'production' ? '' : ` -e ${app.environment}`}\``).join(', ')}.`,
    details: { missing: missing.map(({ name }) => name), apps: missing.map(({ app }) => app.app) },
  })
}

const runSpec = ({ command, port, health, drainMs, memoryBytes, cpu, instances, processes, release, cron, database, volumes, hooks, uses, domains, route, spa, function: called, queues }: AppDefinition): RunSpec => ({
  ...(command ? { command } : {}),
  ...(port === undefined ? {} : { port }),
  health,
  ...(drainMs === undefined ? {} : { drainMs }),
  memoryBytes,
  cpu,
  instances,
  ...(processes && Object.keys(processes).length > 0 ? { processes } : {}),
  ...(release ? { release } : {}),
  ...(cron && Object.keys(cron).length > 0 ? { cron } : {}),
  ...(database ? { database } : {}),
  ...(hooks && Object.keys(hooks).length > 0 ? { hooks } : {}),
  ...(volumes && Object.keys(volumes).length > 0 ? { volumes } : {}),
  uses,
  domains,
  ...(route === undefined ? {} : { route }),
  ...(spa ? { spa } : {}),
  ...(called ? { function: called } : {}),
  ...(queues && queues.length > 0 ? { queues } : {}),
})
