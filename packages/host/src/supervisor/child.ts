import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, fchownSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { isProcessAlive, processIdentity, type ProcessIdentity } from '@pilot/core/process-identity'
import { unseal } from '@pilot/core/seal'
import type { Home } from '../home/home.ts'
import { isHomeThere } from '../home/load.ts'
import { applyLimits } from './limits.ts'
import { serviceKey } from './service-key.ts'
import type { StoredSpec } from './spec.ts'
import type { ServiceExit } from './status.ts'

/** One process of a service: a child of this supervisor, or one that an earlier supervisor left behind. */
export interface Running {
  readonly identity: ProcessIdentity
  readonly revision: string
  readonly startedAt: number
  /** Absent when adopted: then there is no channel and no exit code, and death is found by looking. */
  readonly child?: ChildProcess
  readonly limits?: Readonly<Record<string, string>>
  readonly exited: Promise<ServiceExit>
}

/** Which home and service a process belongs to, for a supervisor that was killed between starting it and writing it down. */
export const serviceMark = 'PILOT_SERVICE'
export const markOf = (home: Home, spec: { readonly name: string; readonly revision: string }): string => `${home.id}/${spec.name}/${spec.revision}`

/** What a sealed environment belongs to: it opens for no other service. */
export const sealContext = (name: string): string => `service/${name}`

/**
 * Starts the process in a session of its own, so that neither the terminal nor the death of the supervisor touches it, with
 * its output appended to the log file: no pipe that could fill or break. Throws when it cannot be started at all.
 */
export async function startChild(home: Home, spec: StoredSpec): Promise<Running> {
  // Opening its log would make folders of a home that was deleted.
  if (!isHomeThere(home)) throw new Error(`${home.dir} is gone`)
  const log = openLog(spec)
  try {
    const child = spawn(spec.command, [...(spec.args ?? [])], {
      cwd: spec.cwd ?? home.dir,
      env: environment(home, spec),
      detached: true,
      stdio: spec.holdsSockets === true ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      ...(spec.user === undefined ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
    })
    const exited = new Promise<ServiceExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ at: new Date().toISOString(), code, signal }))
    })
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', resolve)
    })
    // After 'spawn' an error event is about a signal or a message that did not arrive: the exit tells the rest.
    child.on('error', () => {})
    const identity = processIdentity(child.pid as number) ?? ({ bootId: '', pid: child.pid as number, startTime: '' } as ProcessIdentity)
    return { identity, revision: spec.revision, startedAt: performance.now(), child, limits: applyLimits(home, spec, identity.pid), exited }
  } finally {
    closeSync(log)
  }
}

/** Takes over a process that another supervisor started. */
export function adopt(identity: ProcessIdentity, { revision }: { revision: string }): Running {
  // Elsewhere than on Linux each look starts a program.
  const everyMs = process.platform === 'linux' ? 200 : 2_000
  const exited = new Promise<ServiceExit>((resolve) => {
    const timer = setInterval(() => {
      if (isProcessAlive(identity)) return
      clearInterval(timer)
      resolve({ at: new Date().toISOString(), code: null, signal: null })
    }, everyMs)
  })
  return { identity, revision, startedAt: performance.now(), exited }
}

/** Ends the whole tree: the signal to the process group, then SIGKILL. Resolves when the leader is gone. */
export async function stopRunning(running: Running, { signal, timeoutMs }: { signal: NodeJS.Signals; timeoutMs: number }): Promise<ServiceExit> {
  signalGroup(running.identity, signal)
  const kill = setTimeout(() => signalGroup(running.identity, 'SIGKILL'), timeoutMs)
  const exit = await running.exited
  clearTimeout(kill)
  await sweepGroup(running.identity, 2_000)
  return exit
}

/**
 * What the leader left in its group: given a moment to follow it, then killed, so that a restarted service never meets its
 * own old workers. A group keeps its number taken, so no stranger can be hit.
 */
export async function sweepGroup(identity: ProcessIdentity, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs
  while (groupExists(identity)) {
    if (performance.now() >= deadline) return signalGroup(identity, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

function signalGroup({ pid }: ProcessIdentity, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Gone already.
  }
}

function groupExists({ pid }: ProcessIdentity): boolean {
  try {
    process.kill(-pid, 0)
    return true
  } catch {
    return false
  }
}

function openLog(spec: StoredSpec): number {
  mkdirSync(dirname(spec.logFile), { recursive: true, mode: 0o700 })
  const log = openSync(spec.logFile, 'a', 0o600)
  if (spec.user !== undefined) fchownSync(log, process.getuid?.() ?? 0, spec.user.gid)
  return log
}

function environment(home: Home, spec: StoredSpec): Record<string, string> {
  const inherited = Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
  const secret = spec.sealedEnv === undefined ? {} : (JSON.parse(unseal(serviceKey(home.paths), spec.sealedEnv, sealContext(spec.name))) as Record<string, string>)
  return { ...inherited, ...spec.env, ...secret, [serviceMark]: markOf(home, spec) }
}
