import { PilotError } from '@pilot/core'
import type { Exit } from './judge.ts'

/** How long a worker has to run until it counts as healthy: nobody can ask it, and what cannot start ends sooner. */
export const steadyMs = 2_000

interface Ended {
  /** "shop/web, process worker (deployment d1)". */
  readonly title: string
  readonly exit: Exit
  readonly elapsedMs: number
  readonly log: readonly string[]
}

export function workerEnded({ title, exit, elapsedMs, log }: Ended): PilotError {
  if (exit.error !== undefined) return new PilotError('UNHEALTHY', `${title} could not be started`, { reason: exit.error, suggestion: checkProcesses, details: { ...facts(exit), log: withoutRepetition(log) } })
  return new PilotError('UNHEALTHY', exit.outOfMemory ? `${title} ran out of memory` : `${title} stopped by itself after ${seconds(elapsedMs)}`, {
    reason: `${how(exit)}.`,
    suggestion: exit.outOfMemory ? 'Raise `memory:` in pilot.yaml.' : exit.code === 0 ? 'A process has to keep running: what ends by itself is a job for `cron:` or `run`.' : checkProcesses,
    details: { ...facts(exit), log: withoutRepetition(log) },
  })
}

/** A worker that ends at once has been started again by the time that somebody looks, and has said all of it once more. */
export function withoutRepetition(log: readonly string[]): readonly string[] {
  const period = log.findIndex((_, index) => index > 0 && index <= log.length / 2 && log.every((line, at) => at < index || line === log[at - index]))
  return period === -1 ? log : log.slice(-period)
}

export function taskEnded({ title, exit, log }: Omit<Ended, 'elapsedMs'>): PilotError {
  if (exit.error !== undefined) return new PilotError('RELEASE_COMMAND_FAILED', `${title} could not be started`, { reason: exit.error, details: { ...facts(exit), log } })
  return new PilotError('RELEASE_COMMAND_FAILED', `${title} ${exit.outOfMemory ? 'ran out of memory' : 'failed'}`, {
    reason: `${how(exit)}.`,
    ...(exit.outOfMemory ? { suggestion: 'Raise `memory:` in pilot.yaml.' } : {}),
    details: { ...facts(exit), log },
  })
}

const checkProcesses = 'Check its command: `processes:` in pilot.yaml, or the Procfile.'
const facts = ({ code, signal, outOfMemory }: Exit) => ({ ...(code === undefined ? {} : { exitCode: code }), ...(signal === undefined ? {} : { signal }), ...(outOfMemory ? { outOfMemory } : {}) })
const how = ({ code, signal }: Exit): string => (signal !== undefined ? `signal ${signal}` : code === undefined ? 'its exit code is not known' : `exit code ${code}${code === 127 ? ' (command not found)' : code === 126 ? ' (command not executable)' : ''}`)
const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`)
