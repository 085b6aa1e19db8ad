import { watch, type FSWatcher } from 'node:fs'
import type { Server } from 'node:net'
import type { Home } from '../home/home.ts'
import { isHomeThere } from '../home/presence.ts'
import { allowList } from './allow.ts'
import { createListeners, type WantedListener } from './listeners.ts'
import { createMetrics } from './metrics.ts'
import { readEdgeConfig } from './routes.ts'
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
  /** `host port` → why it is not listening; file → why it was not read. */
  readonly problems: Readonly<Record<string, string>>
  readonly leaving: boolean
}

/** Watching misses changes on some file systems, so it is backed by looking; listeners that failed are tried again then too. */
const reloadEveryMs = 2_000

export function createEdge(home: Home, { port, log }: { port: number; log(line: string): void }): Edge {
  const metrics = createMetrics()
  const table = createTable(metrics)
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
  const watchers = [home.paths.routes, home.paths.links].map((folder): FSWatcher => watch(folder, nudge).on('error', (error) => log(`watching ${folder}: ${error.message}`)))
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
    const shared = (host: string, optional: boolean): WantedListener => ({ address: { host, port }, purpose: 'hosts', optional, create: () => createEdgeServer({ table, metrics, routing: { by: 'host' }, isLeaving }) })
    const all = [shared('127.0.0.1', false), shared('::1', true)]
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

  function state(): EdgeState {
    return {
      pid: process.pid,
      port,
      routes: Object.fromEntries([...table.routes()].map(({ route }) => [route.id, route.revision])),
      links: Object.fromEntries([...table.links().values()].map((link) => [link.id, link.revision])),
      problems: Object.fromEntries([...broken, ...listeners.problems()]),
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
