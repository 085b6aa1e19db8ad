import { isProcessAlive, processIdentity } from '@pilot/core/process-identity'
import { hasErrno } from '../home/files.ts'
import type { Home } from '../home/home.ts'
import { ifHomeIsThere } from '../home/presence.ts'
import { createLogKeeper, type LogKeeper } from '../logs/keep-log.ts'
import { adopt, startChild, stopRunning, sweep, type Running } from './child.ts'
import { findMarked } from './find-marked.ts'
import { heldSockets, type HeldMessage, type ServiceMessage } from './held-sockets.ts'
import { removeLimits } from './limits.ts'
import { rotateLog } from './log-files.ts'
import { afterExit } from './restart.ts'
import type { StoredSpec } from './spec.ts'
import { readStatus, removeStatus, writeStatus, type ServiceExit, type ServiceStatus } from './status.ts'

/** Keeps one service as its specification says. All that it does happens in `settle`, one step at a time. */
export interface Service {
  readonly name: string
  /** Undefined: it shall not exist. Returns at once; the status tells when it is done. */
  want(spec: StoredSpec | undefined): void
  /** Stops it without forgetting it, for a shutdown of everything; resolves when it is gone. */
  shutDown(): Promise<void>
  /** Routine work, now and then: rotate the log. */
  tend(): void
  /** Once a second: note how far a kept log has grown. */
  lookAtLog(seen: { readonly now: number; readonly diskIsFull: boolean }): Promise<void>
  order(): number
}

/** How long a successor may take to say that it is ready before it is given up. */
const successorMs = 20_000

export function createService({ home, name, log, onGone }: { home: Home; name: string; log(line: string): void; onGone(): void }): Service {
  const sockets = heldSockets()
  let wanted: StoredSpec | undefined
  let last: StoredSpec | undefined
  let current: Running | undefined
  let leaving: Running[] = []
  let restarts = 0
  let inARow = 0
  let lastExit: ServiceExit | undefined
  let stopping: NonNullable<ServiceStatus['stop']> = { signal: 'SIGTERM', timeoutMs: 10_000 }
  let notBefore = 0
  let retry: NodeJS.Timeout | undefined
  /** A revision that shall not be started (again): its policy says so, or its successor did not become ready. */
  let doneWith: string | undefined
  let keeper: LogKeeper | undefined
  let looking = false
  let busy = false
  let again = false
  let ending = false
  let unwritten: ServiceStatus | undefined
  let isDiskFull = false

  takeOver()

  function want(spec: StoredSpec | undefined): void {
    writeLate()
    if (spec?.revision !== wanted?.revision) {
      doneWith = undefined
      notBefore = 0
      inARow = 0
    }
    wanted = spec
    last = spec ?? last
    if (spec !== undefined) stopping = { signal: spec.stopSignal ?? 'SIGTERM', timeoutMs: spec.stopTimeoutMs ?? 10_000 }
    void settle()
  }

  async function settle(): Promise<void> {
    again = true
    if (busy) return
    busy = true
    try {
      while (again) {
        again = false
        await step()
      }
    } catch (error) {
      log(`${name}: ${(error as Error).stack}`)
    } finally {
      busy = false
    }
  }

  async function step(): Promise<void> {
    clearTimeout(retry)
    if (wanted === undefined || ending) return await remove()
    if (current !== undefined) {
      if (current.revision === wanted.revision || wanted.revision === doneWith) return
      if (wanted.overlap === true && current.child?.connected !== false) return await succeed(wanted, current)
      await stop(current)
      again = true
      return
    }
    if (wanted.revision === doneWith) return
    const wait = notBefore - performance.now()
    if (wait > 0) {
      retry = setTimeout(() => void settle(), wait)
      return
    }
    await start(wanted)
  }

  async function start(spec: StoredSpec): Promise<Running | undefined> {
    report('starting', { revision: spec.revision })
    if (spec.logKeep === undefined) ifHomeIsThere(home, () => void rotateLog(spec.logFile, spec.logMaxBytes))
    try {
      const running = await startChild(home, spec)
      log(`${name}: started as process ${running.identity.pid}`)
      connect(running)
      current = running
      report('running')
      void running.exited.then((exit) => onExit(running, exit))
      return running
    } catch (error) {
      lastExit = { at: new Date().toISOString(), code: null, signal: null }
      decideRestart(spec, { ranMs: 0, exit: lastExit, problem: `${spec.command} cannot be started: ${(error as Error).message}` })
      return undefined
    }
  }

  /** The successor accepts beside the old one until that one has finished its work: no moment without anybody. */
  async function succeed(spec: StoredSpec, old: Running): Promise<void> {
    const fresh = await startChild(home, spec).catch((error: Error) => void log(`${name}: the successor cannot be started: ${error.message}`))
    if (fresh === undefined) return keepOld(spec)
    log(`${name}: started the successor, process ${fresh.identity.pid}`)
    const ready = readiness(fresh)
    // An adopted one has its sockets for itself alone: it lets go of them once somebody is there to take them.
    connect(fresh, old.child === undefined ? () => makeWay(old) : undefined)
    leaving = [...leaving, fresh]
    report('running')
    const isReady = await ready
    leaving = leaving.filter((running) => running !== fresh)
    if (!isReady) {
      log(`${name}: the successor did not become ready`)
      await stopRunning(fresh, { signal: 'SIGKILL', timeoutMs: 0 })
      return keepOld(spec)
    }
    letGo(old)
    current = fresh
    report('running')
    void fresh.exited.then((exit) => onExit(fresh, exit))
  }

  function makeWay(old: Running): void {
    if (current !== old) return
    letGo(old)
    report('starting')
  }

  /** It finishes its work and ends; nobody waits for that. */
  function letGo(old: Running): void {
    if (leaving.includes(old)) return
    if (current === old) current = undefined
    leaving = [...leaving, old]
    void stopRunning(old, stopping).then(() => {
      leaving = leaving.filter((running) => running !== old)
      log(`${name}: process ${old.identity.pid} has left`)
      if (current !== undefined) report('running')
    })
  }

  /** Unless it died or made way meanwhile: then even a revision that may not become ready is better than none. */
  function keepOld(spec: StoredSpec): void {
    if (current === undefined) {
      again = true
      return
    }
    log(`${name}: the old one stays`)
    doneWith = spec.revision
    report('running', { problem: 'the new revision did not become ready; see its log' })
  }

  async function stop(running: Running): Promise<void> {
    report('stopping')
    // First forget it, so that its exit is not taken for a crash.
    current = undefined
    lastExit = await stopRunning(running, stopping)
    log(`${name}: stopped process ${running.identity.pid}`)
  }

  async function remove(): Promise<void> {
    if (current !== undefined) await stop(current)
    await Promise.all(leaving.map((running) => stopRunning(running, stopping)))
    if (wanted !== undefined && !ending) return
    sockets.releaseAll()
    removeLimits(home, name)
    unwritten = undefined
    ifHomeIsThere(home, () => removeStatus(home.paths, name))
    onGone()
  }

  async function onExit(running: Running, exit: ServiceExit): Promise<void> {
    if (running !== current || last === undefined) return
    current = undefined
    lastExit = exit
    log(`${name}: process ${running.identity.pid} ended (${exit.signal ?? exit.code ?? 'unknown'})`)
    const ranMs = performance.now() - running.startedAt
    await sweep(running, 0)
    decideRestart(last, { ranMs, exit })
    await settle()
  }

  /** What a process that ended by itself means for the next step. */
  function decideRestart(spec: StoredSpec, { ranMs, exit, problem }: { ranMs: number; exit: ServiceExit; problem?: string }): void {
    const decision = afterExit(spec.restart, { inARow, ranMs, failed: exit.code !== 0 })
    if (!decision.restart) {
      doneWith = spec.revision
      report(exit.code === 0 ? 'exited' : 'failed', problem === undefined ? {} : { problem })
      return
    }
    inARow = decision.inARow
    restarts++
    notBefore = performance.now() + decision.waitMs
    report('waiting', problem === undefined ? {} : { problem })
    again = true
  }

  /** Answers a service that asks for sockets; `onTaken`: another process has one of them. */
  function connect({ child }: Running, onTaken?: () => void): void {
    if (child?.channel == null) return
    child.on('message', (message: ServiceMessage) => {
      if (message.pilot === 'release') sockets.release(message.address)
      if (message.pilot !== 'hold') return
      const held = sockets.hold(message.address)
      if ('error' in held && held.error === 'EADDRINUSE') onTaken?.()
      const reply: HeldMessage = { pilot: 'held', address: message.address, ...('error' in held ? { error: held.error } : {}) }
      if (child.connected) child.send(reply, ('handle' in held ? held.handle : undefined) as never)
    })
  }

  /** What an earlier supervisor left running: known by its status, or by its mark when that supervisor died before it wrote it. */
  function takeOver(): void {
    const status = readStatus(home.paths, name)
    if (status === undefined) return
    restarts = status.restarts
    lastExit = status.lastExit
    stopping = status.stop ?? stopping
    for (const identity of status.leaving ?? []) {
      if (!isProcessAlive(identity)) continue
      const running = adopt(home, identity, { revision: status.revision })
      leaving.push(running)
      void stopRunning(running, stopping).then(() => (leaving = leaving.filter((other) => other !== running)))
    }
    const identity = status.process ?? (status.state === 'starting' ? markedProcess(status.revision) : undefined)
    if (identity === undefined || !isProcessAlive(identity)) return
    const running = adopt(home, identity, { revision: status.revision })
    current = running
    log(`${name}: adopted process ${identity.pid}`)
    report('running')
    void running.exited.then((exit) => onExit(running, exit))
  }

  function markedProcess(revision: string): Running['identity'] | undefined {
    const pid = findMarked(home, { name, revision })
    return pid === undefined ? undefined : processIdentity(pid)
  }

  function report(state: ServiceStatus['state'], extra: Partial<ServiceStatus> = {}): void {
    const status: ServiceStatus = {
      name,
      state,
      revision: current?.revision ?? wanted?.revision ?? last?.revision ?? '',
      ...(current === undefined ? {} : { process: current.identity }),
      ...(current?.limits === undefined || Object.keys(current.limits).length === 0 ? {} : { limits: current.limits }),
      since: new Date().toISOString(),
      restarts,
      stop: stopping,
      ...(lastExit === undefined ? {} : { lastExit }),
      ...(leaving.length === 0 ? {} : { leaving: leaving.map((running) => running.identity) }),
      ...extra,
    }
    unwritten = status
    writeLate()
  }

  /** On a full disk the service goes on all the same, and what is known of it is written when there is space again. */
  function writeLate(): void {
    const status = unwritten
    if (status === undefined) return
    ifHomeIsThere(home, () => {
      try {
        writeStatus(home.paths, status)
      } catch (error) {
        if (!hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error
        if (!isDiskFull) log(`${name}: its status cannot be written: ${(error as Error).message}`)
        isDiskFull = true
        return
      }
      isDiskFull = false
      unwritten = undefined
    })
  }

  return {
    name,
    want,
    tend: () => {
      const { logFile, logMaxBytes, logKeep } = last ?? {}
      if (logFile !== undefined && logKeep === undefined) ifHomeIsThere(home, () => void rotateLog(logFile, logMaxBytes))
    },
    async lookAtLog(seen) {
      if (last?.logKeep === undefined || looking) return
      looking = true
      keeper ??= createLogKeeper(last.logFile, last.logKeep)
      await keeper.look(seen).catch((error: Error) => log(`${name}: its log: ${error.message}`))
      looking = false
    },
    order: () => last?.order ?? 50,
    async shutDown() {
      ending = true
      await settle()
      // A step that was under way when `ending` was set finishes first.
      while (busy) await new Promise((resolve) => setTimeout(resolve, 20))
    },
  }
}

function readiness({ child, exited }: Running): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), successorMs)
    const settle = (ready: boolean): void => {
      clearTimeout(timer)
      resolve(ready)
    }
    child?.on('message', (message: ServiceMessage) => message.pilot === 'ready' && settle(true))
    void exited.then(() => settle(false))
  })
}
