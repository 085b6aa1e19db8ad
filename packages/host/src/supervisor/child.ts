import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, fchownSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { isProcessAlive, processIdentity, type ProcessIdentity } from '@pilot/core/process-identity'
import { unseal } from '@pilot/core/seal'
import { endAll, processesMarked, signal as send } from '../end-processes.ts'
import type { Home } from '../home/home.ts'
import { isHomeThere } from '../home/presence.ts'
import { freeStaleLocks } from '../postgres/stale-lock.ts'
import { applyLimits, limitsGroupOf, processesInGroup, ranOutOfMemory, removeGroup } from './limits.ts'
import { markOfProcess, markText, newMark, serviceMark } from './mark.ts'
import { serviceKey } from './service-key.ts'
import type { StoredSpec } from './spec.ts'
import type { ServiceExit } from './status.ts'

/** One process of a service: a child of this supervisor, or one that an earlier supervisor left behind. */
export interface Running {
  readonly identity: ProcessIdentity
  readonly revision: string
  /** What it and everything that it starts carry in their environment; undefined where an adopted one's cannot be read. */
  readonly mark: string | undefined
  /** Its memory cgroup, in which everything is that it starts. */
  readonly group: string | undefined
  readonly startedAt: number
  /** Absent when adopted: then there is no channel and no exit code, and death is found by looking. */
  readonly child?: ChildProcess
  readonly limits?: Readonly<Record<string, string>>
  readonly exited: Promise<ServiceExit>
}

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
  freeStaleLocks(spec)
  try {
    const mark = newMark(home, spec)
    const child = spawn(spec.command, [...(spec.args ?? [])], {
      cwd: spec.cwd ?? home.dir,
      env: environment(home, { spec, mark }),
      detached: true,
      stdio: spec.holdsSockets === true ? ['ignore', log, log, 'ipc'] : ['ignore', log, log],
      ...(spec.user === undefined ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
    })
    const ended = new Promise<ServiceExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ at: new Date().toISOString(), code, signal }))
    })
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('spawn', resolve)
    })
    // After 'spawn' an error event is about a signal or a message that did not arrive: the exit tells the rest.
    child.on('error', () => {})
    const identity = processIdentity(child.pid as number) ?? ({ bootId: '', pid: child.pid as number, startTime: '' } as ProcessIdentity)
    const limits = applyLimits(home, spec, identity.pid)
    const group = limitsGroupOf(home, identity.pid)
    const exited = ended.then((exit) => (exit.signal === 'SIGKILL' || exit.code === 137 ? { ...exit, ...memoryOf(group) } : exit))
    return { identity, revision: spec.revision, mark, group, startedAt: performance.now(), child, limits, exited }
  } finally {
    closeSync(log)
  }
}

/** Takes over a process that another supervisor started. */
export function adopt(home: Home, identity: ProcessIdentity, { revision }: { revision: string }): Running {
  // Elsewhere than on Linux each look starts a program.
  const everyMs = process.platform === 'linux' ? 200 : 2_000
  const group = limitsGroupOf(home, identity.pid)
  const exited = new Promise<ServiceExit>((resolve) => {
    const timer = setInterval(() => {
      if (isProcessAlive(identity)) return
      clearInterval(timer)
      resolve({ at: new Date().toISOString(), code: null, signal: null, ...memoryOf(group) })
    }, everyMs)
  })
  return { identity, revision, mark: markOfProcess(identity.pid), group, startedAt: performance.now(), exited }
}

const memoryOf = (group: string | undefined): Pick<ServiceExit, 'outOfMemory'> => (group !== undefined && ranOutOfMemory(group) ? { outOfMemory: true } : {})

/** Ends the whole tree: the signal to the process group, then SIGKILL. Resolves when all of it is gone. */
export async function stopRunning(running: Running, { signal, timeoutMs }: { signal: NodeJS.Signals; timeoutMs: number }): Promise<ServiceExit> {
  signalGroup(running.identity, signal)
  const kill = setTimeout(() => signalGroup(running.identity, 'SIGKILL'), timeoutMs)
  const exit = await running.exited
  clearTimeout(kill)
  await sweep(running, 2_000)
  return exit
}

/**
 * What the leader left behind: given a moment to follow it, then killed, so that a restarted service never meets its own old
 * workers. What asked for a session of its own has left the group, and is found by the memory cgroup and by the mark.
 */
export async function sweep({ identity, mark, group }: Running, graceMs: number): Promise<void> {
  const strays = (): readonly number[] => [...new Set([...(group === undefined ? [] : processesInGroup(group)), ...(mark === undefined ? [] : processesMarked(markText(mark)))])]
  const deadline = performance.now() + graceMs
  for (let asked = false; performance.now() < deadline; asked = true) {
    const left = strays()
    if (left.length === 0 && !groupExists(identity)) break
    if (!asked) for (const pid of left) send(pid, 'SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // A group keeps its number taken, so no stranger can be hit.
  signalGroup(identity, 'SIGKILL')
  await endAll(strays)
  if (group !== undefined) removeGroup(group)
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

function environment(home: Home, { spec, mark }: { spec: StoredSpec; mark: string }): Record<string, string> {
  const inherited = Object.fromEntries(['PATH', 'HOME', 'LANG', 'TZ'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
  const secret = spec.sealedEnv === undefined ? {} : (JSON.parse(unseal(serviceKey(home.paths), spec.sealedEnv, sealContext(spec.name))) as Record<string, string>)
  return { ...inherited, ...spec.env, ...secret, [serviceMark]: mark }
}
