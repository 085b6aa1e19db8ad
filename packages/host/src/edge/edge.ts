import { watch, type FSWatcher } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { Server } from 'node:net'
import type { Home } from '../home/home.ts'
import { isHomeThere } from '../home/presence.ts'
import { readJsonSync } from '../home/files.ts'
import type { Place } from './acceptable.ts'
import { allowList } from './allow.ts'
import { createCertificates } from './certificates.ts'
import { answerChallenge } from './challenges.ts'
import { createListeners, type WantedListener } from './listeners.ts'
import { createMetrics } from './metrics.ts'
import { readEdgeConfig } from './routes.ts'
import { redirectToSecure } from './redirect.ts'
import { createEdgeServer } from './server.ts'
import { createTable } from './table.ts'
import { createTcpLink } from './tcp-link.ts'

export interface Edge {
  /** Reads the files and applies them; resolves when every listener that can be opened is open. */
  reload(): Promise<EdgeState>
  state(): EdgeState
  metrics(): ReturnType<ReturnType<typeof createMetrics>['snapshot']>
  openRequests(route: string, deployments: readonly string[]): number
  /** Stops accepting and finishes what is under way. */
  drain(call: { readonly idleMs: number }): Promise<void>
}

export interface EdgeState {
  readonly pid: number
  readonly port: number
  /** Id → revision that is applied. */
  readonly routes: Readonly<Record<string, string>>
  readonly links: Readonly<Record<string, string>>
  /** Domain → which state of its file is applied; absent in an edge of before there were any. */
  readonly certificates?: Readonly<Record<string, string>>
  /** `host port` → why it is not listening; file → why it was not read. */
  readonly problems: Readonly<Record<string, string>>
  readonly leaving: boolean
}

/** The name under which the port for HTTPS is reserved. */
export const securePortName = 'edge-tls'

/** Watching misses changes on some file systems, so it is backed by looking; listeners that failed are tried again then too. */
const reloadEveryMs = 2_000

export function createEdge(home: Home, { port, log }: { port: number; log(line: string): void }): Edge {
  const metrics = createMetrics()
  const table = createTable(metrics)
  const certificates = createCertificates(home.paths)
  const listeners = createListeners()
  let broken: ReadonlyMap<string, string> = new Map()
  let leaving = false
  let running: Promise<void> = Promise.resolve()
  let soon: NodeJS.Timeout | undefined
  let told = ''

  const nudge = (): void => {
    soon ??= setTimeout(() => {
      soon = undefined
      void reload()
    }, 10)
  }
  const watchers = [home.paths.routes, home.paths.links, home.paths.certificates].map((folder): FSWatcher => watch(folder, nudge).on('error', (error) => log(`watching ${folder}: ${error.message}`)))
  const timer = setInterval(() => void reload(), reloadEveryMs)

  function reload(): Promise<EdgeState> {
    // One after the other, so that the answer is about files read after the question.
    running = running.then(applyFiles, applyFiles)
    return running.then(state)
  }

  async function applyFiles(): Promise<void> {
    // Another home in its place has routes of its own, and an edge of its own.
    if (leaving || !isHomeThere(home)) return
    try {
      const config = readEdgeConfig(home.paths)
      broken = config.broken
      table.apply(config)
      certificates.apply()
      await listeners.apply(wanted())
    } catch (error) {
      log(`reading routes: ${(error as Error).stack}`)
    }
    const problems = JSON.stringify(state().problems)
    if (problems !== told && problems !== '{}') log(`problems: ${problems}`)
    told = problems
  }

  function wanted(): readonly WantedListener[] {
    const isLeaving = (): boolean => leaving
    const shared = (host: string, optional: boolean): WantedListener => ({ address: { host, port }, purpose: 'hosts', optional, create: () => createEdgeServer({ table, metrics, routing: { by: 'host' }, isLeaving, answersFirst }) })
    const all = [shared('127.0.0.1', false), shared('::1', true)]
    const securePort = securePortNow()
    if (securePort !== undefined) {
      const create = (): Server => createEdgeServer({ table, metrics, routing: { by: 'host' }, isLeaving, secure: certificates })
      for (const host of ['127.0.0.1', '::1']) all.push({ address: { host, port: securePort }, purpose: 'secure hosts', optional: host === '::1', create })
    }
    for (const { route } of table.routes()) {
      const { id, port: own } = route
      if (own === undefined) continue
      const create = (): Server => createEdgeServer({ table, metrics, routing: { by: 'port', id }, isLeaving })
      for (const host of ['127.0.0.1', '::1']) all.push({ address: { host, port: own }, purpose: `route ${id}`, optional: host === '::1', create })
    }
    for (const { id, listen, to, revision, allowFrom } of table.links().values()) {
      const allows = allowList(allowFrom)
      const create = 'route' in to ? () => createEdgeServer({ table, metrics, routing: { by: 'route', id: to.route, allows }, isLeaving }) : () => createTcpLink({ to: () => to.tcp, allows })
      all.push({ address: listen, purpose: `link ${id} ${revision}`, create })
    }
    return all
  }

  /** Undefined as long as there is no certificate to answer with: then nobody listens for TLS. */
  function securePortNow(): number | undefined {
    if (Object.keys(certificates.applied()).length === 0) return undefined
    return readJsonSync<Record<string, number>>(home.paths.portsFile)?.[securePortName]
  }

  /** Of plain HTTP: what a certificate authority asks, and what belongs on HTTPS. */
  function answersFirst(place: Place, response: ServerResponse): boolean {
    if (answerChallenge(home.paths, { ...place, response })) return true
    return certificates.redirects(place.host) && redirectToSecure({ place, response, port, securePort: securePortNow() })
  }

  function state(): EdgeState {
    return {
      pid: process.pid,
      port,
      routes: Object.fromEntries([...table.routes()].map(({ route }) => [route.id, route.revision])),
      links: Object.fromEntries([...table.links().values()].map((link) => [link.id, link.revision])),
      certificates: certificates.applied(),
      problems: Object.fromEntries([...broken, ...[...certificates.broken].map(([file, why]) => [`certificates/${file}`, why] as const), ...listeners.problems()]),
      leaving,
    }
  }

  return {
    reload,
    state,
    metrics: () => metrics.snapshot(),
    openRequests: (route, deployments) => metrics.openRequests(route, deployments),
    async drain({ idleMs }) {
      leaving = true
      clearInterval(timer)
      clearTimeout(soon)
      for (const watcher of watchers) watcher.close()
      await running
      await listeners.drain({ idleMs })
      await table.close()
    },
  }
}
