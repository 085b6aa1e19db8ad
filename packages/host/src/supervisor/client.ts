import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PilotError } from '@pilot/core/errors'
import { seal } from '@pilot/core/seal'
import { processesMarked, signal } from '../end-processes.ts'
import { hasErrno, readJson, readJsonSync, removeFile, replaceJson } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { fileLockOwner } from '../home/lock.ts'
import { hostProgram } from '../programs.ts'
import { sealContext } from './child.ts'
import { markText } from './mark.ts'
import { revisionOf, serviceKey } from './service-key.ts'
import { problemOfSpec, type ServiceSpec, type StoredSpec } from './spec.ts'
import { startSupervisor } from './start.ts'
import { readStatus, type ServiceStatus } from './status.ts'

/** The supervisor's pid when one is alive. */
export async function supervisorPid(home: Home): Promise<number | undefined> {
  return (await fileLockOwner(home.paths.supervisorLock))?.pid
}

/** Whether one is alive whose program is not the one that lies here today. */
export async function isSupervisorOutdated(home: Home): Promise<boolean> {
  if ((await supervisorPid(home)) === undefined) return false
  const running = await readJson<{ build?: string }>(join(home.paths.run, 'supervisor.json')).catch(() => undefined)
  return running !== undefined && running.build !== hostProgram('supervisor').env['PILOT_BUILD']
}

/** Starts the supervisor unless one is alive; any number of callers at once end up with one. Returns its pid. */
export async function ensureSupervisor(home: Home, { timeoutMs = 15_000 }: { timeoutMs?: number } = {}): Promise<number> {
  const deadline = performance.now() + timeoutMs
  let startedAt = Number.NEGATIVE_INFINITY
  for (let wait = 5; ; wait = Math.min(wait * 1.5, 100)) {
    const pid = await readySupervisor(home)
    if (pid !== undefined) return pid
    // Again after a while: one that met a supervisor on its way out has ended too.
    if (performance.now() - startedAt > 1_000 && (await supervisorPid(home)) === undefined) {
      startSupervisor(home)
      startedAt = performance.now()
    }
    await sleep(wait)
    if (performance.now() > deadline) {
      throw new PilotError('TIMED_OUT', `The supervisor of ${home.dir} did not start within ${timeoutMs} ms.`, { details: { log: tailOf(join(home.paths.logs, 'supervisor.log')) } })
    }
  }
}

/** Ends the supervisor; its services run on unless `services` says stop. Returns when it is gone. */
export async function stopSupervisor(home: Home, { services = 'keep', timeoutMs = 60_000 }: { services?: 'keep' | 'stop'; timeoutMs?: number } = {}): Promise<void> {
  if (services === 'stop') await ensureSupervisor(home)
  const pid = await supervisorPid(home)
  if (pid === undefined) return
  process.kill(pid, services === 'stop' ? 'SIGINT' : 'SIGTERM')
  const deadline = performance.now() + timeoutMs
  while ((await supervisorPid(home)) === pid) {
    if (performance.now() > deadline) throw new PilotError('TIMED_OUT', `The supervisor ${pid} did not end within ${timeoutMs} ms.`)
    await sleep(15)
  }
}

/**
 * Says what should run, and makes sure that a supervisor looks after it. The same specification again changes nothing;
 * another one restarts the service. Returns the revision: `waitForService` waits for it.
 */
export async function putService(home: Home, spec: ServiceSpec): Promise<string> {
  const problem = problemOfSpec(spec)
  if (problem !== undefined) throw new PilotError('INTERNAL', `The service ${spec.name} cannot run: ${problem}.`)
  const key = serviceKey(home.paths)
  const { secretEnv, ...open } = spec
  const revision = revisionOf(key, spec)
  const path = specPath(home, spec.name)
  if ((await readJson<StoredSpec>(path).catch(() => undefined))?.revision !== revision) {
    const stored: StoredSpec = { ...open, ...(secretEnv === undefined ? {} : { sealedEnv: seal(key, JSON.stringify(secretEnv), sealContext(spec.name)) }), revision }
    replaceJson(path, stored, { durable: true })
  }
  await ensureSupervisor(home)
  return revision
}

/** Stops the service with all its processes and forgets it; returns when it is gone. Absent is success. `killAfterMs`: sooner than its specification says. */
export async function removeService(home: Home, name: string, { timeoutMs = 60_000, killAfterMs }: { timeoutMs?: number; killAfterMs?: number } = {}): Promise<void> {
  removeFile(specPath(home, name))
  if (serviceStatus(home, name) === undefined) return
  await ensureSupervisor(home)
  const deadline = performance.now() + timeoutMs
  let killAt = performance.now() + (killAfterMs ?? Infinity)
  while (serviceStatus(home, name) !== undefined) {
    if (performance.now() > killAt) {
      // With all that it started, also in sessions of its own. The supervisor sees that they are gone.
      for (const pid of processesMarked(markText(`${home.id}/${name}/`))) signal(pid, 'SIGKILL')
      killAt = performance.now() + 200
    }
    if (performance.now() > deadline) throw new PilotError('TIMED_OUT', `The service ${name} was not gone within ${timeoutMs} ms.`)
    await sleep(15)
    await lookAfterSupervisor(home)
  }
}

/** Stops and starts a service whose specification stays as it is. */
export async function restartService(home: Home, name: string): Promise<string> {
  const stored = await readJson<StoredSpec>(specPath(home, name))
  if (stored === undefined) throw new PilotError('NOT_FOUND', `There is no service ${name}.`)
  const key = serviceKey(home.paths)
  const next = { ...stored, generation: (stored.generation ?? 0) + 1 }
  const revision = revisionOf(key, { ...next, revision: stored.revision })
  replaceJson(specPath(home, name), { ...next, revision }, { durable: true })
  await ensureSupervisor(home)
  return revision
}

/** Of the specification as it is written down; undefined when there is none. */
export const wantedRevision = (home: Home, name: string): string | undefined => readJsonSync<StoredSpec>(specPath(home, name))?.revision

/** Undefined when there is no such service. */
export function serviceStatus(home: Home, name: string): ServiceStatus | undefined {
  return readStatus(home.paths, name)
}

export interface ListedService extends Pick<ServiceSpec, 'name' | 'app' | 'process'> {
  readonly status: ServiceStatus | undefined
}

/** Every service that is wanted or runs. */
export function listServices(home: Home): readonly ListedService[] {
  const names = new Set([...readdirSync(home.paths.services), ...readdirSync(home.paths.serviceStatus)].flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : [])))
  return [...names].sort().map((name) => ({ name, ...ownerOf(home, name), status: serviceStatus(home, name) }))
}

export interface WaitOptions {
  /** Asked again and again while the process runs; default: it runs. */
  readonly ready?: (status: ServiceStatus) => Promise<boolean> | boolean
  /** As returned by putService and restartService; default: the wanted one. */
  readonly revision?: string
  readonly timeoutMs?: number
  /** Restarts since the call after which it is given up; default 3. */
  readonly maxRestarts?: number
  readonly signal?: AbortSignal
}

/** Waits until the service runs in its wanted revision and is ready. Throws RESOURCE_FAILED with the last log lines when it keeps ending. */
export async function waitForService(home: Home, name: string, { ready = () => true, revision, timeoutMs = 30_000, maxRestarts = 3, signal }: WaitOptions = {}): Promise<ServiceStatus> {
  const spec = await readJson<StoredSpec>(specPath(home, name))
  if (spec === undefined) throw new PilotError('NOT_FOUND', `There is no service ${name}.`)
  const wanted = revision ?? spec.revision
  const deadline = performance.now() + timeoutMs
  let restartsBefore: number | undefined
  for (;;) {
    signal?.throwIfAborted()
    const status = serviceStatus(home, name)
    if (status?.revision === wanted) {
      restartsBefore ??= status.restarts
      if (status.state === 'running' && (await ready(status))) return status
      if (status.state === 'exited' || status.state === 'failed' || status.restarts - restartsBefore > maxRestarts) throw ended(spec, status)
    }
    if (performance.now() > deadline) throw new PilotError('TIMED_OUT', `The service ${name} was not ready within ${timeoutMs} ms.`, { details: { log: tailOf(spec.logFile), state: status?.state } })
    await sleep(15)
    await lookAfterSupervisor(home)
  }
}

/** One that was alive when the wait began may have been about to die; nobody else would do what is waited for. */
async function lookAfterSupervisor(home: Home): Promise<void> {
  const now = performance.now()
  if (now - (lookedAfter.get(home.dir) ?? 0) < 500) return
  lookedAfter.set(home.dir, now)
  if ((await supervisorPid(home)) === undefined) startSupervisor(home)
}

const lookedAfter = new Map<string, number>()

function ended(spec: StoredSpec, status: ServiceStatus): PilotError {
  const { lastExit, problem } = status
  const how = problem ?? (lastExit?.signal ? `ended by ${lastExit.signal}` : `exit code ${lastExit?.code ?? 'unknown'}`)
  return new PilotError('RESOURCE_FAILED', `The service ${spec.name} does not keep running.`, { reason: how, suggestion: `See its log: ${spec.logFile}`, details: { lastExit, restarts: status.restarts, log: tailOf(spec.logFile) } })
}

/** A log may be large, and has a hole where its beginning was. */
const tailBytes = 64 * 1024

/** The last lines of a log, for errors. */
export function tailOf(file: string, lines = 20): readonly string[] {
  try {
    const descriptor = openSync(file, 'r')
    try {
      const { size } = fstatSync(descriptor)
      const buffer = Buffer.alloc(Math.min(size, tailBytes))
      const read = readSync(descriptor, buffer, 0, buffer.length, size - buffer.length)
      return buffer.subarray(0, read).toString('utf8').replace(/^\0+/, '').trimEnd().split('\n').slice(-lines)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return []
    throw error
  }
}

/** A specification that is damaged, or going just now, says nothing. */
function ownerOf(home: Home, name: string): Pick<ServiceSpec, 'app' | 'process'> {
  try {
    const { app, process } = readJsonSync<StoredSpec>(specPath(home, name)) ?? {}
    return { ...(app === undefined ? {} : { app }), ...(process === undefined ? {} : { process }) }
  } catch {
    return {}
  }
}

const specPath = (home: Home, name: string): string => join(home.paths.services, `${name}.json`)

async function readySupervisor(home: Home): Promise<number | undefined> {
  const [pid, status] = [await supervisorPid(home), await readJson<{ pid: number }>(join(home.paths.run, 'supervisor.json')).catch(() => undefined)]
  return pid !== undefined && status?.pid === pid && !isDoomed(pid) ? pid : undefined
}

/**
 * Killed, but not dead yet, which takes a while on a busy machine: it looks after nothing any more. Only Linux tells (the
 * pending signals of the process, of which the ninth is SIGKILL).
 */
function isDoomed(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    const pending = /^ShdPnd:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
    return (Number.parseInt(pending.slice(-3), 16) & 0x100) !== 0
  } catch {
    return true
  }
}
