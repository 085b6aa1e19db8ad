import { PilotError } from '../errors/pilot-error.ts'
import { resolveValue, type Outputs } from '../graph/resolve.ts'
import type { Compute } from '../provider/compute.ts'
import type { OneOffSpec, RunCall } from '../provider/one-off.ts'
import type { AppIdentity } from '../provider/app-identity.ts'
import { desiredDeployment } from './desired.ts'
import type { LifecycleContext } from './context.ts'
import { readLedger } from './ledger.ts'
import { liveDeployment } from './live.ts'
import type { DeploymentRecord } from './records.ts'
import { appScope, appTitle, databasePasswordName } from './scope.ts'

export interface OneOffInput extends Pick<RunCall, 'input' | 'tty' | 'output'> {
  readonly app: AppIdentity
  readonly command: readonly string[]
  /** Id of another deployment than the live one. */
  readonly deployment?: string
}

/** `run`: a command in the artifact of the live deployment (else the newest one) with its environment. Takes no lease, so that a long one keeps nobody from deploying. Resolves to its exit code. */
export async function runOneOff(context: LifecycleContext, { app, command, deployment, ...streams }: OneOffInput): Promise<{ readonly exitCode: number }> {
  const { compute, spec } = await specOf(context, app, deployment)
  if (!compute.run) throw new PilotError('NOT_ALLOWED_NOW', `Nothing of ${appTitle(app)} can run a command`, { reason: 'It is a site: it consists of files.' })
  await using _use = await context.useDeployment?.(app, spec.deployment)
  return await compute.run({ ...spec, command, ...streams, signal: context.signal })
}

/** `exec`: a command inside a running instance; of the app itself by default, else of the named process. */
export async function execInInstance(context: LifecycleContext, { app, command, process, instance: wanted, deployment: _, ...streams }: OneOffInput & { readonly process?: string; readonly instance?: string }): Promise<{ readonly exitCode: number }> {
  const { compute, spec } = await specOf(context, app)
  if (!compute.exec) throw new PilotError('NOT_ALLOWED_NOW', `Nothing of ${appTitle(app)} can run a command`, { reason: 'It is a site: it consists of files.' })
  const instances = (await compute.status({ app, signal: context.signal })).filter(({ deployment }) => deployment === spec.deployment)
  const running = instances.filter(({ state }) => state === 'running')
  const ofProcess = process === undefined ? (running.filter((one) => one.process === undefined)[0] ?? running[0]) : running.find((one) => one.process === process)
  const found = wanted === undefined ? ofProcess : running.find(({ instance }) => instance === wanted)
  if (found) return compute.exec({ ...spec, instance: found.instance, command, ...streams, signal: context.signal })
  const names = [...new Set(instances.map((one) => one.process ?? 'the app itself'))]
  const what = wanted === undefined ? (process === undefined ? 'instance' : `instance of the process ${process}`) : `instance ${wanted}`
  throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no running ${what}`, {
    reason: names.length === 0 ? 'Nothing of it runs.' : `There is ${names.join(', ')}.`,
    suggestion: '`status` shows what runs; `run` starts a process of its own for a command.',
  })
}

/** References and secrets opened, for this one call. */
async function specOf(context: LifecycleContext, app: AppIdentity, wanted?: string): Promise<{ readonly compute: Compute; readonly spec: OneOffSpec }> {
  const { provider, store, secrets } = context
  const scope = store.scope(appScope(app))
  const [state, ledger] = await Promise.all([scope.readState(), readLedger(scope)])
  const deployment = wanted === undefined ? (liveDeployment(state, ledger) ?? ledger.deployments.at(-1)) : ledger.deployments.find(({ id }) => id === wanted)
  const compute = deployment && provider.compute[deployment.target]
  const configuration = ledger.configurations.find(({ version }) => version === deployment?.configuration)
  if (!deployment || !compute || !configuration || !state) throw neverDeployed(app)
  const databasePassword = deployment.run.database ? await newestSecret(context, databasePasswordName(app)) : undefined
  const { commands } = desiredDeployment({ provider, deployment, configuration, databasePassword })
  const outputs: Outputs = new Map(state.resources.filter(({ status }) => status === 'ready').map(({ key, outputs }) => [key, outputs]))
  try {
    const resolved = await resolveValue<Pick<OneOffSpec, 'env' | 'appOutputs' | 'volumes'>>({ env: commands.env, appOutputs: commands.appOutputs, ...(commands.volumes ? { volumes: commands.volumes } : {}) }, outputs, secrets)
    await refuseGone(context, { deployment, builder: ledger.builds.find(({ id }) => id === deployment.build)?.builder })
    return { compute, spec: { ...commands, ...resolved } }
  } catch (error) {
    // What the deployment refers to is not there: it was destroyed, or its first deployment failed.
    throw (error as PilotError).code === 'INTERNAL' ? neverDeployed(app) : error
  }
}

async function newestSecret({ secrets }: LifecycleContext, name: string) {
  const found = (await secrets.list(name)).find((each) => each.name === name)
  return found && { $secret: { store: secrets.name, name, version: found.version } }
}

async function refuseGone({ provider, signal }: LifecycleContext, { deployment, builder: name }: { deployment: DeploymentRecord; builder: string | undefined }): Promise<void> {
  const builder = provider.builders.find((each) => each.name === name)
  if (!builder || (await builder.exists(deployment.artifact, signal))) return
  throw new PilotError('ARTIFACT_GONE', `The artifact of v${deployment.number} of ${appTitle(deployment.app)} no longer exists`)
}

const neverDeployed = (app: AppIdentity): PilotError => new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} is not deployed`, { suggestion: 'Deploy it with `up`.' })
