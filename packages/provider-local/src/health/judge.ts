import { PilotError, type HealthCheck } from '@pilot/core'
import type { Listener } from './listening.ts'
import type { Probe } from './probe.ts'

/** What is known about a staged instance at one moment. */
export interface Observation {
  /** "The container of v3", "The process of v3". */
  readonly title: string
  readonly expectedPort: number
  /** The port was given by us and cannot be another one, so the manifest cannot name it. */
  readonly portIsOurs?: boolean
  readonly health: HealthCheck
  readonly elapsedMs: number
  readonly exit?: Exit
  readonly probe?: Probe
  /** Undefined where it cannot be found out. */
  readonly listeners?: readonly Listener[] | undefined
  /** Whether the found port answers HTTP: only then is it called wrong before the time is over. */
  readonly otherPortAnswers?: boolean
}

export interface Exit {
  readonly code?: number
  readonly signal?: string
  readonly outOfMemory?: boolean
  /** Why it could not be started at all. */
  readonly error?: string
}

export type Verdict = { readonly status: 'ready' } | { readonly status: 'pending'; readonly retryAfterMs: number; readonly message: string } | { readonly status: 'failed'; readonly error: PilotError }

/** How long an app may listen elsewhere only before we stop waiting for the port that it was told. */
const wrongPortAfterMs = 8_000

/** Most apps answer before it is worth while to find out where they listen, which costs as much as several probes. */
export const isTimeToFindListeners = ({ elapsedMs, health }: Pick<Observation, 'elapsedMs' | 'health'>): boolean => elapsedMs >= Math.min(1_000, health.graceMs)

/** Pure: the same observation gives the same verdict. The caller adds the last lines of the log to an error. */
export function judge(observation: Observation): Verdict {
  const { exit, probe, health, elapsedMs } = observation
  if (exit) return { status: 'failed', error: exited(observation, exit) }
  if (probe?.kind === 'answered' && probe.status < health.acceptBelow) return { status: 'ready' }

  const wrongPort = probe?.kind === 'answered' ? undefined : findWrongPort(observation)
  const isOver = elapsedMs >= health.graceMs
  if (wrongPort && (isOver || (elapsedMs >= wrongPortAfterMs && wrongPort.certain))) return { status: 'failed', error: wrongPort.error }
  if (isOver) return { status: 'failed', error: unhealthy(observation) }
  return { status: 'pending', retryAfterMs: nextLook(observation), message: wrongPort?.error.reason ?? waitingFor(observation) }
}

/** Often at first, since most apps start within a second; then at the interval of the check. */
const nextLook = ({ elapsedMs, health }: Observation): number => Math.min(health.intervalMs, 10 + Math.round(elapsedMs / 30), Math.max(1, health.graceMs - elapsedMs))

function findWrongPort({ title, expectedPort, portIsOurs, listeners, otherPortAnswers }: Observation): { error: PilotError; certain: boolean } | undefined {
  if (!listeners) return undefined
  const expected = listeners.find(({ port }) => port === expectedPort)
  if (expected && !expected.loopbackOnly) return undefined
  if (expected) {
    return {
      certain: true,
      error: new PilotError('WRONG_PORT', `${title} listens on 127.0.0.1:${expectedPort} only`, {
        reason: `Port ${expectedPort} accepts connections from inside the container only, so nothing outside can reach it.`,
        suggestion: `Listen on 0.0.0.0:${expectedPort}, for example with HOST=0.0.0.0 or --host 0.0.0.0.`,
        details: { expectedPort, foundPorts: [expectedPort], loopbackOnly: true },
      }),
    }
  }
  const other = listeners.find(({ loopbackOnly }) => !loopbackOnly) ?? listeners[0]
  if (!other) return undefined
  return {
    certain: otherPortAnswers === true,
    error: new PilotError('WRONG_PORT', `${title} listens on port ${other.port}, not on ${expectedPort}`, {
      reason: `Nothing listens on port ${expectedPort}; found ${listeners.map(({ port, loopbackOnly }) => `${port}${loopbackOnly ? ' (127.0.0.1 only)' : ''}`).join(', ')}.`,
      suggestion: portIsOurs
        ? 'Listen on the port in the environment variable PORT: while a release is under way, two versions of the app run side by side on this machine.'
        : `Write \`port: ${other.port}\` for this app into pilot.yaml, or listen on $PORT.`,
      details: { expectedPort, foundPorts: listeners.map(({ port }) => port), ...(portIsOurs ? {} : { manifest: `port: ${other.port}` }) },
    }),
  }
}

function exited({ title, elapsedMs }: Observation, { code, signal, outOfMemory, error }: Exit): PilotError {
  const how = code === undefined ? (signal ? `signal ${signal}` : undefined) : `exit code ${code}`
  if (error) return new PilotError('UNHEALTHY', `${title} could not be started`, { reason: error, suggestion: checkCommand, details: { ...(code === undefined ? {} : { exitCode: code }) } })
  if (outOfMemory) {
    return new PilotError('UNHEALTHY', `${title} ran out of memory`, { reason: `The kernel stopped it${how ? ` (${how})` : ''}.`, suggestion: 'Raise `memory:` in pilot.yaml.', details: { ...(code === undefined ? {} : { exitCode: code }), outOfMemory: true } })
  }
  return new PilotError('UNHEALTHY', `${title} stopped by itself after ${seconds(elapsedMs)}`, {
    reason: `${how ?? 'It ended'}${code === 127 ? ' (command not found)' : code === 126 ? ' (command not executable)' : ''}.`,
    ...(code === 0 ? { suggestion: 'An app has to keep running; one that ends with 0 may be a script, or a server that went to the background.' } : {}),
    ...(code === 126 || code === 127 ? { suggestion: checkCommand } : {}),
    details: { ...(code === undefined ? {} : { exitCode: code }), ...(signal ? { signal } : {}) },
  })
}

function unhealthy(observation: Observation): PilotError {
  const { title, probe, health, expectedPort } = observation
  const status = probe?.kind === 'answered' ? { status: probe.status } : {}
  return new PilotError('UNHEALTHY', `${title} did not become healthy within ${seconds(health.graceMs)}`, {
    reason: `${waitingFor(observation)}.`,
    suggestion: suggestion(observation),
    details: { ...status, path: health.path, port: expectedPort },
  })
}

function waitingFor({ probe, health, expectedPort, listeners }: Observation): string {
  if (probe?.kind === 'answered') return `GET ${health.path} answers ${probe.status}${probe.location ? ` (redirects to ${probe.location})` : ''}, wanted is below ${health.acceptBelow}`
  if (probe?.kind === 'silent') return `GET ${health.path} gets no answer within ${seconds(probe.afterMs)}`
  return listeners?.length === 0 ? 'it listens on no port yet' : `port ${expectedPort} does not answer yet`
}

function suggestion({ probe, health }: Observation): string {
  if (probe?.kind === 'answered' && probe.status >= 300 && probe.status < 400) return `Write a path that answers by itself as \`health:\` into pilot.yaml${probe.location ? `, such as ${probe.location}` : ''}.`
  if (probe?.kind === 'answered' && probe.status === 404) return `Write the path of a page that exists as \`health:\` into pilot.yaml; ${health.path} is not one.`
  return '`health:` in pilot.yaml names the path that is asked.'
}

const checkCommand = 'Check the command: `command:` in pilot.yaml, else CMD and ENTRYPOINT of the Dockerfile.'
const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`)
