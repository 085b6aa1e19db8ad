import { PilotError, type DeleteCall, type Ownership } from '@pilot/core'
import type { ContainerCreateOptions, ContainerInspectInfo } from 'dockerode'
import type { Home } from '@pilot/host'
import { containerLines } from '../compute/container-lines.ts'
import { processOf } from '../compute/container-status.ts'
import { keepContainerLog, logLimitsOf } from '../compute/ended-logs.ts'
import type { Engine } from '../engine/engine.ts'
import { engineError, engineText, isAbsent, isConflict, isUnchanged, orAbsent } from '../engine/errors.ts'
import { linesOf } from '../engine/log-stream.ts'
import type { Exit } from '../health/judge.ts'
import { labels, ownerLabels } from '../ownership.ts'
import { mountsOf, type MountedVolumes } from './container-volumes.ts'
import { hurriedMs } from './service-parts.ts'

/** What every container of an app has in common: that of the app itself, its workers, its release command, one-off commands. */
export interface AppContainer {
  readonly app: { readonly project: string; readonly app: string; readonly environment: string }
  readonly image: string
  readonly network: string
  readonly extraHosts: readonly string[]
  readonly memoryBytes: number
  readonly cpu: number
  readonly volumes?: MountedVolumes
  readonly logShare?: number | undefined
}

/**
 * What ordinary images need of root's powers when they start: to hand files and sockets to another user, to become that user,
 * to signal the children they left there, and to listen below port 1024 (nginx, postgres, redis, php-apache). All else is
 * dropped, among it raw sockets, device nodes, chroot and file capabilities; new privileges cannot be gained.
 */
const keptCapabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID']

/** How long a container may take to end after SIGTERM, seconds. The edge has drained it before. */
const stopSeconds = 10
const processLimit = 512
/** The oldest of them goes when the newest is full. */
const logFiles = 5

export function hostConfig({ network, extraHosts, memoryBytes, cpu, volumes, logShare }: AppContainer, { cpus, hasInit }: Pick<Engine, 'cpus' | 'hasInit'>): NonNullable<ContainerCreateOptions['HostConfig']> {
  return {
    NetworkMode: network,
    ExtraHosts: [...extraHosts],
    Init: hasInit,
    CapDrop: ['ALL'],
    CapAdd: keptCapabilities,
    SecurityOpt: ['no-new-privileges'],
    Memory: memoryBytes,
    MemorySwap: memoryBytes,
    NanoCpus: Math.round(Math.min(cpu, cpus) * 1e9),
    PidsLimit: processLimit,
    ...mountsOf(volumes),
    LogConfig: { Type: 'json-file', Config: { 'max-size': `${Math.floor(logLimitsOf(logShare).bytes / logFiles)}`, 'max-file': `${logFiles}` } },
  }
}

export const envList = (env: Readonly<Record<string, string>>): string[] => Object.entries(env).map(([key, value]) => `${key}=${value}`)

export const appLabels = ({ app, owner }: Pick<AppContainer, 'app'> & { readonly owner: Ownership }): Record<string, string> => ({
  ...ownerLabels(owner),
  [labels.project]: app.project,
  [labels.app]: app.app,
  [labels.environment]: app.environment,
})

/** Starting fails for the app's own reasons too (no such command): Docker records them and `settle` tells them. */
export async function startContainer({ docker }: Engine, id: string): Promise<'started' | 'port taken' | 'refused'> {
  try {
    await docker.getContainer(id).start()
    return 'started'
  } catch (error) {
    if (isUnchanged(error)) return 'started'
    const text = engineText(error)
    if (/port is already allocated|address already in use|failed to bind host port/i.test(text)) return 'port taken'
    if (/OCI runtime|executable file not found|permission denied|no such file or directory|exec format error/i.test(text)) return 'refused'
    throw engineError(error, `The container ${id.slice(0, 12)}`)
  }
}

export async function inspectContainer({ docker }: Engine, id: string): Promise<ContainerInspectInfo | undefined> {
  try {
    return await orAbsent(docker.getContainer(id).inspect())
  } catch (error) {
    throw engineError(error, `The container ${id.slice(0, 40)}`)
  }
}

/** SIGTERM, some time, then all of it goes. What it has written is kept for a while when it is of a deployment, and a home is given. Absent is success. */
export async function removeContainer({ docker }: Engine, found: ContainerInspectInfo, { home, neverReady }: { readonly home?: Home } & Pick<DeleteCall<unknown>, 'neverReady'> = {}): Promise<void> {
  const container = docker.getContainer(found.Id)
  try {
    if (found.State.Running) await container.stop({ t: neverReady ? hurriedMs / 1000 : stopSeconds })
  } catch (error) {
    if (!isUnchanged(error) && !isAbsent(error)) throw engineError(error, `The container ${found.Name}`)
  }
  if (home !== undefined) await keepLog(docker, found, home)
  try {
    await orAbsent(container.remove({ force: true, v: true }))
  } catch (error) {
    if (!isConflict(error)) throw engineError(error, `The container ${found.Name}`) // 409: being removed already
  }
}

async function keepLog(docker: Engine['docker'], { Id, Name, Config: { Labels } }: ContainerInspectInfo, home: Home): Promise<void> {
  const { [labels.platform]: platformId, [labels.project]: project, [labels.app]: app, [labels.environment]: environment, [labels.deployment]: deployment } = Labels
  if (!platformId || !project || !app || !environment || !deployment) return
  const source = { id: Id, deployment, instance: Name.replace(/^\//, ''), ...processOf(Labels) }
  await keepContainerLog({ home, platformId, app: { project, app, environment } }, source, containerLines(docker, { source }))
}

/** How it ended; undefined while it runs for the first time. */
export async function exitOf(engine: Engine, { Id, Created, State, RestartCount }: ContainerInspectInfo): Promise<Exit | undefined> {
  if (RestartCount > 0 && !State.Restarting) return firstExit(engine, { id: Id, since: Created })
  if (State.Status === 'created') return { code: State.ExitCode, error: State.Error || 'Docker did not start it' }
  if (State.Running && !State.Restarting) return undefined
  return { code: State.ExitCode, ...(State.OOMKilled ? { outOfMemory: true } : {}), ...(State.Error ? { error: State.Error } : {}) }
}

/** It runs again, and tells no longer how it ended: the engine's events do, for a while. */
async function firstExit({ docker }: Engine, { id, since }: { readonly id: string; readonly since: string }): Promise<Exit> {
  const seconds = (ms: number): number => ms / 1000
  try {
    const stream = await docker.getEvents({ since: seconds(Date.parse(since)), until: seconds(Date.now()), filters: { container: [id], event: ['die', 'oom'] }, abortSignal: AbortSignal.timeout(2_000) })
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    const events = text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as { readonly Action?: string; readonly Actor?: { readonly Attributes?: { readonly exitCode?: string } } })
    const code = events.find(({ Action }) => Action === 'die')?.Actor?.Attributes?.exitCode
    return { ...(code === undefined ? {} : { code: Number(code) }), ...(events.some(({ Action }) => Action === 'oom') ? { outOfMemory: true } : {}) }
  } catch {
    return {}
  }
}

export async function lastLines({ docker }: Engine, id: string): Promise<readonly string[]> {
  const log = await docker.getContainer(id).logs({ stdout: true, stderr: true, tail: 20, follow: false })
  return linesOf(Buffer.isBuffer(log) ? log : Buffer.from(log))
}

export const imageGone = ({ image, app }: Pick<AppContainer, 'image' | 'app'>, cause: unknown): PilotError => new PilotError('ARTIFACT_GONE', `The image ${image.slice(0, 19)} of ${app.project}/${app.app} is no longer there`, { cause })
