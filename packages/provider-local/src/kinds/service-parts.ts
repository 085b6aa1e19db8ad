import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PilotError, refuseLargeEnvironment, type DeleteCall, type Ownership } from '@pilot/core'
import { besideLog, removeService, type Home, type ServiceSpec, type ServiceStatus } from '@pilot/host'
import * as z from 'zod'
import { keepProcessLog, logLimitsOf } from '../compute/ended-logs.ts'
import type { Exit } from '../health/judge.ts'
import { appPath, nodeFolder } from '../process/programs.ts'
import { markOf, type Marked } from './marks.ts'
import { appIdentity } from './shared.ts'

/** What every process of an app needs: that of the app itself, its workers, its release command, one-off commands. */
export const programInputs = {
  app: appIdentity,
  deployment: z.string(),
  /** The artifact's folder, which no build writes to any more. What its app may do there: `sealTree`. */
  folder: z.string(),
  command: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()),
  account: z.object({ folder: z.string(), uid: z.number().nullable(), gid: z.number().nullable() }),
  memoryBytes: z.number(),
  /** Of what is kept of the app's logs. */
  logShare: z.number().optional(),
}
const program = z.object(programInputs)
export type ProgramInputs = z.output<typeof program>

/** What we read back of the service file of an app's process. */
export interface StoredProgram extends Marked {
  readonly name: string
  readonly app: z.output<typeof appIdentity>
  readonly cwd: string
  readonly args: readonly string[]
  readonly memoryBytes: number
  readonly logFile: string
}

const stopTimeoutMs = 10_000

/** A cancel is felt at once: what never took traffic has little to bring to an end. */
export const hurriedMs = 1_000
export const hurried = ({ neverReady }: Pick<DeleteCall<unknown>, 'neverReady'>): { readonly killAfterMs?: number } => (neverReady ? { killAfterMs: hurriedMs } : {})

/** What an image would set. HOST keeps those that ask for it away from the network; the app's configuration may say otherwise. */
const usual = { NODE_ENV: 'production', PYTHONUNBUFFERED: '1', HOST: '127.0.0.1' }

export const userOf = ({ uid, gid }: ProgramInputs['account']): { uid: number; gid: number } | undefined => (uid === null || gid === null ? undefined : { uid, gid })

/** Our own values, which the app's configuration may replace. */
export async function programEnv(home: Home, { account, folder }: Pick<ProgramInputs, 'account' | 'folder'>): Promise<Record<string, string>> {
  const node = await nodeFolder(home, userOf(account))
  return { ...usual, PATH: appPath(folder, node), HOME: account.folder, TMPDIR: join(account.folder, 'tmp') }
}

export async function programService(home: Home, { name, owner, inputs }: { name: string; owner: Ownership; inputs: ProgramInputs }): Promise<ServiceSpec & StoredProgram> {
  const user = userOf(inputs.account)
  refuseLargeEnvironment(inputs.env, `${inputs.app.project}/${inputs.app.app}`)
  return {
    name,
    // Found on the PATH of the app, not on ours.
    command: '/usr/bin/env',
    args: [...inputs.command],
    cwd: inputs.folder,
    env: await programEnv(home, inputs),
    secretEnv: withoutOurs(inputs.env),
    ...(user ? { user } : {}),
    logFile: join(home.paths.logs, `${name}.log`),
    logKeep: logLimitsOf(inputs.logShare),
    stopTimeoutMs,
    restart: { when: 'always' },
    memoryBytes: inputs.memoryBytes,
    order: 60,
    owner: markOf(owner),
    app: inputs.app,
  }
}

/** PORT is the provider's to say; the rest of our own values may be replaced by the app's configuration. */
export const withoutOurs = ({ PORT: _, ...env }: Readonly<Record<string, string>>): Record<string, string> => env

export async function assertArtifact({ folder, app }: Pick<ProgramInputs, 'folder' | 'app'>): Promise<void> {
  if (!(await stat(folder).catch(() => undefined))) throw new PilotError('ARTIFACT_GONE', `The artifact of ${app.project}/${app.app} is no longer in ${folder}`)
}

/** Ends since this settling began: an earlier one belongs to the time before a restart that somebody asked for. */
export function exitOf(status: ServiceStatus | undefined, elapsedMs: number): Exit | undefined {
  if (status?.problem && status.state !== 'running') return { error: status.problem }
  if (!status?.lastExit || status.state === 'stopping') return undefined
  const { at, code, signal, outOfMemory } = status.lastExit
  if (Date.parse(at) < Date.now() - elapsedMs - 1_000) return undefined
  if (status.state === 'running' && status.restarts === 0) return undefined
  return { ...(code === null ? {} : { code }), ...(signal ? { signal } : {}), ...(outOfMemory ? { outOfMemory } : {}) }
}

/** What is looked at of a service that goes. */
export type RemovedProgram = Pick<StoredProgram, 'logFile' | 'app'> & { readonly deployment?: string; readonly process?: string }

/** Its log is kept for a while when it is of a deployment. Absent is success. */
export async function removeProgram(home: Home, { id, platformId, service, ...patience }: { id: string; platformId: string; service: RemovedProgram | undefined; killAfterMs?: number }): Promise<void> {
  await removeService(home, id, patience)
  const logFile = service?.logFile ?? join(home.paths.logs, `${id}.log`)
  if (service?.deployment !== undefined) await keepProcessLog({ home, platformId, app: service.app }, { deployment: service.deployment, instance: id, process: service.process }, logFile)
  await Promise.all(Object.values({ logFile, ...besideLog(logFile) }).map((file) => rm(file, { force: true })))
}
