import { randomUUID } from 'node:crypto'
import type { FunctionConfig } from './config.ts'
import { logLine } from './log.ts'
import type { Failure, FunctionError, Outcome } from './outcome.ts'
import type { Worker } from './worker.ts'

/** Events and the workers that handle them: one event at a time each, as many workers as there is work, at most `atOnce`. */
export interface Pool {
  /** Resolves whatever happens. When `signal` fires before a worker has taken it, nobody will. */
  invoke(event: Buffer | string, signal?: AbortSignal): Promise<Outcome>
  /** Loads the handler once, so that it is known whether that works. */
  warm(): void
  state(): PoolState
  /** Takes no more, lets what is under way end, then ends the workers. */
  close(graceMs: number): Promise<void>
  /** What workers ask through the runtime API; undefined: there is no such worker. */
  readonly workers: WorkerCalls
}

export interface PoolState {
  /** `loading` until the first worker has loaded the handler. */
  readonly state: 'loading' | 'ready' | 'failed'
  readonly error?: FunctionError
  readonly busy: number
  readonly waiting: number
}

export interface WorkerCalls {
  /** Resolves when there is something to do; `undefined` when the worker is unknown. */
  next(token: string): Promise<Task> | undefined
  done(token: string, requestId: string, payload: Buffer): boolean
  failed(token: string, requestId: string, error: FunctionError): boolean
  initFailed(token: string, error: FunctionError): boolean
}

export interface Task {
  readonly requestId: string
  readonly event: Buffer | string
  /** Milliseconds since 1970. */
  readonly deadline: number
}

interface Waiting {
  readonly requestId: string
  readonly event: Buffer | string
  readonly resolve: (outcome: Outcome) => void
  readonly timer: NodeJS.Timeout
}

interface Member {
  readonly worker: Worker
  state: 'loading' | 'idle' | 'busy' | 'ending'
  /** Of an idle one: how it gets its next task. */
  deliver?: (task: Task) => void
  /** Of a busy one. */
  current?: { readonly requestId: string; readonly resolve: (outcome: Outcome) => void }
  timer?: NodeJS.Timeout
  initError?: FunctionError
}

const longestQueue = 1_000
const longestWaitMs = 60_000
const memoryLookMs = 250
/** Between asking an idle worker to end and ending it. */
const retireMs = 2_000
/** What waits lies in the memory of the host: this much and one more. */
const mostWaitingBytes = 32 * 1024 ** 2

export function createPool(config: Pick<FunctionConfig, 'timeoutMs' | 'atOnce' | 'memoryBytes' | 'idleMs' | 'initMs' | 'handler'>, start: () => Worker): Pool {
  const members = new Map<string, Member>()
  const waiting: Waiting[] = []
  let loaded: Pick<PoolState, 'state' | 'error'> = { state: 'loading' }
  let isClosing = false
  const onChange = new Set<() => void>()
  const watch = setInterval(watchMemory, memoryLookMs)
  watch.unref()

  const count = (state: Member['state']): number => [...members.values()].filter((member) => member.state === state).length

  function invoke(event: Buffer | string, signal?: AbortSignal): Promise<Outcome> {
    const requestId = randomUUID()
    if (isClosing) return Promise.resolve(failure(requestId, 'leaving', { type: 'Leaving', message: 'This version is being stopped' }))
    if (waiting.length >= longestQueue || waiting.reduce((sum, entry) => sum + entry.event.length, 0) >= mostWaitingBytes) return Promise.resolve(failure(requestId, 'busy', tooMany))
    return new Promise((resolve) => {
      const entry: Waiting = { requestId, event, resolve, timer: setTimeout(() => leave(entry), longestWaitMs) }
      waiting.push(entry)
      signal?.addEventListener('abort', () => leave(entry), { once: true })
      serve()
    })
  }

  function leave(entry: Waiting): void {
    const at = waiting.indexOf(entry)
    if (at === -1) return
    waiting.splice(at, 1)
    clearTimeout(entry.timer)
    entry.resolve(failure(entry.requestId, 'busy', tooMany))
  }

  /** Gives what waits to those who are idle, and starts workers for the rest. */
  function serve(): void {
    for (const member of members.values()) {
      if (waiting.length === 0) break
      if (member.state === 'idle') take(member)
    }
    for (let needed = Math.min(waiting.length - count('loading'), config.atOnce - members.size); needed > 0; needed--) add()
    for (const changed of onChange) changed()
  }

  function take(member: Member): void {
    const entry = waiting.shift()
    const { deliver } = member
    if (entry === undefined || deliver === undefined) return
    clearTimeout(entry.timer)
    clearTimeout(member.timer)
    member.state = 'busy'
    member.current = { requestId: entry.requestId, resolve: entry.resolve }
    delete member.deliver
    member.timer = setTimeout(() => end(member, 'timeout', { type: 'Sandbox.Timedout', message: `It timed out after ${seconds(config.timeoutMs)}` }), config.timeoutMs)
    deliver({ requestId: entry.requestId, event: entry.event, deadline: Date.now() + config.timeoutMs })
  }

  function add(): void {
    const worker = start()
    const member: Member = { worker, state: 'loading' }
    members.set(worker.token, member)
    member.timer = setTimeout(() => {
      member.initError ??= { type: 'Runtime.InitTimeout', message: `It did not load within ${seconds(config.initMs)}` }
      worker.kill('SIGKILL')
    }, config.initMs)
    void worker.ended.then((how) => gone(member, how))
  }

  function gone(member: Member, how: string): void {
    clearTimeout(member.timer)
    members.delete(member.worker.token)
    // What it started and left.
    member.worker.kill('SIGKILL')
    if (member.state === 'loading') notLoaded(member.initError ?? { type: 'Runtime.ExitError', message: `It ended while it loaded ${config.handler}: ${how}` })
    if (member.current) settle(member, failure(member.current.requestId, 'ended', { type: 'Runtime.ExitError', message: `It ended in the middle of its work: ${how}` }))
    serve()
  }

  /** Whoever has waited longest learns why. */
  function notLoaded(error: FunctionError): void {
    if (loaded.state === 'loading') loaded = { state: 'failed', error }
    logLine('ERROR', text(error), waiting[0]?.requestId)
    const entry = waiting.shift()
    if (entry === undefined) return
    clearTimeout(entry.timer)
    entry.resolve(failure(entry.requestId, 'init', error))
  }

  function settle(member: Member, outcome: Outcome): void {
    clearTimeout(member.timer)
    const { current } = member
    delete member.current
    if ('error' in outcome) logLine('ERROR', text(outcome.error), outcome.requestId)
    current?.resolve(outcome)
  }

  function end(member: Member, why: Failure, error: FunctionError): void {
    if (member.current) settle(member, failure(member.current.requestId, why, error))
    member.state = 'ending'
    member.worker.kill('SIGKILL')
  }

  /** A library may listen to SIGTERM and go on: what stays would hold a place of those that may run at once. */
  function retire(member: Member): void {
    member.state = 'ending'
    delete member.deliver
    member.worker.kill('SIGTERM')
    member.timer = setTimeout(() => member.worker.kill('SIGKILL'), retireMs)
    member.timer.unref()
  }

  function watchMemory(): void {
    for (const member of members.values()) {
      if (member.state !== 'busy') continue
      const bytes = member.worker.memory()
      if (bytes !== undefined && bytes > config.memoryBytes) end(member, 'ended', { type: 'Runtime.OutOfMemory', message: `It needed more than its ${Math.round(config.memoryBytes / 1024 ** 2)} MB: raise \`memory:\`` })
    }
  }

  const workers: WorkerCalls = {
    next(token) {
      const member = members.get(token)
      if (member === undefined || member.state === 'ending') return undefined
      if (member.state === 'loading') loaded = { state: 'ready' }
      clearTimeout(member.timer)
      if (member.current) settle(member, failure(member.current.requestId, 'handler', { type: 'Runtime.NoAnswer', message: 'It asked for the next event before it had answered this one' }))
      member.state = 'idle'
      member.timer = setTimeout(() => retire(member), config.idleMs)
      member.timer.unref()
      const task = new Promise<Task>((resolve) => (member.deliver = resolve))
      serve()
      return task
    },
    done: (token, requestId, payload) => answer(token, requestId, { requestId, payload }),
    failed: (token, requestId, error) => answer(token, requestId, failure(requestId, 'handler', error)),
    initFailed(token, error) {
      const member = members.get(token)
      if (member?.state !== 'loading') return false
      member.initError = error
      return true
    },
  }

  function answer(token: string, requestId: string, outcome: Outcome): boolean {
    const member = members.get(token)
    // Too late: it has timed out, and its worker is being killed.
    if (member?.current?.requestId !== requestId) return false
    settle(member, outcome)
    return true
  }

  return {
    invoke,
    workers,
    warm: () => (members.size === 0 ? add() : undefined),
    state: () => ({ ...loaded, busy: count('busy'), waiting: waiting.length }),
    async close(graceMs) {
      isClosing = true
      const isDone = (): boolean => waiting.length === 0 && count('busy') === 0
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs)
        const look = (): void => {
          if (!isDone()) return
          clearTimeout(timer)
          resolve()
        }
        onChange.add(look)
        look()
      })
      clearInterval(watch)
      for (const entry of waiting.splice(0)) entry.resolve(failure(entry.requestId, 'leaving', { type: 'Leaving', message: 'This version was stopped' }))
      for (const member of members.values()) end(member, 'leaving', { type: 'Leaving', message: 'This version was stopped' })
    },
  }
}

const failure = (requestId: string, why: Failure, error: FunctionError): Outcome => ({ requestId, why, error })
const tooMany: FunctionError = { type: 'TooManyRequests', message: 'All that may run at once are busy' }
const text = ({ type, message, trace = [] }: FunctionError): string => [`${type}: ${message}`, ...trace.filter((line) => !line.includes(message))].join('\n')
const seconds = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`)
