import { watchSocket, type Traffic } from './endless.ts'
import { buildConnector, Pool } from './pool.ts'
import type { Counters, Metrics } from './metrics.ts'
import { readSite } from '../site/read-site.ts'
import type { Site } from '../site/serve.ts'
import { isSite, type EdgeConfig, type Link, type ProxyUpstream, type Route, type Stored } from './routes.ts'

/** A route as requests use it. Replaced as a whole by the next revision; pools of upstreams that stay are carried over. */
export interface ActiveRoute {
  readonly route: Stored<Route>
  readonly targets: readonly Target[]
}

export interface Target {
  readonly deployment: string
  readonly percent: number
  readonly counters: Counters
  readonly upstreams: readonly ActiveUpstream[]
  /** A built site that the edge serves itself; undefined is what cannot be read. */
  readonly site?: () => Site | undefined
  /** State of the smooth weighted choice. */
  credit: number
}

export interface ActiveUpstream {
  readonly address: ProxyUpstream
  readonly origin: string
  /** Connections of this deployment only: apps and versions never share any. */
  readonly pool: Pool
  readonly traffic: Traffic
  open: number
}

export interface Table {
  /** `path` as the request says it, with its query. */
  byHost(host: string, path: string): ActiveRoute | undefined
  /** Whether apps have parts of the host. */
  isShared(host: string): boolean
  byId(id: string): ActiveRoute | undefined
  /** On the port of an app's own: the app, or who has a part of the host below the app's part, so that the one at `/` is reached with all that belongs to it. */
  byPort(id: string, path: string): ActiveRoute | undefined
  links(): ReadonlyMap<string, Stored<Link>>
  routes(): Iterable<ActiveRoute>
  apply(config: EdgeConfig): void
  /** Resolves with the next configuration. */
  changed(): Promise<void>
  close(): Promise<void>
}

export function createTable(metrics: Metrics): Table {
  let routes = new Map<string, ActiveRoute>()
  let hosts = new Map<string, ActiveRoute>()
  /** Of hosts that are shared, longest path first. */
  let mounts = new Map<string, { readonly path: string; readonly active: ActiveRoute }[]>()
  let links: ReadonlyMap<string, Stored<Link>> = new Map()
  let change = Promise.withResolvers<void>()

  function apply(config: EdgeConfig): void {
    const kept = new Map<string, Stored<Link>>(config.links)
    const next = new Map<string, ActiveRoute>()
    for (const [id, stored] of config.routes) next.set(id, activate(stored, routes.get(id), metrics))
    // A file that is there but cannot be read changes nothing.
    for (const file of config.broken.keys()) {
      const id = file.slice(0, -'.json'.length)
      const route = routes.get(id)
      const link = links.get(id)
      if (route !== undefined && !next.has(id)) next.set(id, route)
      if (link !== undefined && !kept.has(id)) kept.set(id, link)
    }
    const used = new Set([...next.values()].flatMap(upstreamsOf))
    const unused = [...routes.values()].flatMap(upstreamsOf).filter((upstream) => !used.has(upstream))
    routes = next
    links = kept
    hosts = new Map([...next.values()].flatMap((active) => active.route.hosts.map((host) => [host, active] as const)))
    mounts = Map.groupBy([...next.values()].flatMap((active) => (active.route.mounts ?? []).map(({ host, path }) => ({ host, path, active }))).sort((a, b) => b.path.length - a.path.length), ({ host }) => host)
    // Requests under way finish; nothing new arrives there.
    for (const upstream of new Set(unused)) void upstream.pool.close().catch(() => {})
    metrics.prune((route, deployment) => {
      const active = next.get(route)
      return active !== undefined && (deployment === undefined || active.targets.some((target) => target.deployment === deployment))
    })
    change.resolve()
    change = Promise.withResolvers<void>()
  }

  return {
    byHost: (host, path) => hosts.get(host) ?? mounts.get(host)?.find((mount) => isBelow(path, mount.path))?.active,
    isShared: (host) => mounts.has(host),
    byId: (id) => routes.get(id),
    byPort: (id, path) => {
      const active = routes.get(id)
      const [own] = active?.route.mounts ?? []
      return (own && mounts.get(own.host)?.find((mount) => mount.path.length > own.path.length && isBelow(mount.path, own.path) && isBelow(path, mount.path))?.active) ?? active
    },
    links: () => links,
    routes: () => routes.values(),
    apply,
    changed: () => change.promise,
    async close() {
      await Promise.all([...routes.values()].flatMap(upstreamsOf).map((upstream) => upstream.pool.close().catch(() => {})))
    },
  }
}

/** By whole segments: `/api` holds `/api`, `/api/1` and `/api?x`, and not `/apis`. What is encoded is compared as it is. */
function isBelow(path: string, prefix: string): boolean {
  if (prefix === '/') return true
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/' || path[prefix.length] === '?')
}

/** The next target in the smooth weighted order (as nginx does it): 10 % is exactly every tenth request. */
export function chooseTarget({ targets }: ActiveRoute): Target | undefined {
  const [only] = targets
  if (targets.length <= 1) return only
  let total = 0
  let best: Target | undefined
  for (const target of targets) {
    target.credit += target.percent
    total += target.percent
    if (best === undefined || target.credit > best.credit) best = target
  }
  if (best !== undefined) best.credit -= total
  return best
}

/** The instance with the fewest requests under way, but for those that were tried. */
export function chooseUpstream({ upstreams }: Target, tried: readonly ActiveUpstream[]): ActiveUpstream | undefined {
  let best: ActiveUpstream | undefined
  for (const upstream of upstreams) if (!tried.includes(upstream) && (best === undefined || upstream.open < best.open)) best = upstream
  return best
}

const upstreamsOf = (active: ActiveRoute): ActiveUpstream[] => active.targets.flatMap((target) => target.upstreams)

function activate(stored: Stored<Route>, before: ActiveRoute | undefined, metrics: Metrics): ActiveRoute {
  if (before?.route.revision === stored.revision) return before
  // By deployment too: the next version may listen where the one before did, and gets no connection of it.
  const known = new Map(before?.targets.flatMap(({ deployment, upstreams }) => upstreams.map((upstream) => [`${deployment} ${keyOf(upstream.address)}`, upstream] as const)))
  const weights = stored.stopped === true ? [] : stored.weights.filter((weight) => weight.percent > 0 && weight.upstreams.length > 0)
  return {
    route: stored,
    targets: weights.map(({ deployment, percent, upstreams }) => {
      const site = upstreams.find(isSite)
      return {
        deployment,
        percent,
        credit: 0,
        counters: metrics.of(stored.id, deployment),
        upstreams: upstreams.flatMap((address) => (isSite(address) ? [] : [known.get(`${deployment} ${keyOf(address)}`) ?? connectTo(address)])),
        ...(site === undefined ? {} : { site: readSite(site) }),
      }
    }),
  }
}

/** An answer may take minutes to begin. */
export const answerWithinMs = 300_000
export const mostHeadBytes = 64 * 1024
/** Interim answers (1xx) before it; nobody needs more than one or two. */
export const mostInterim = 20

function connectTo(address: ProxyUpstream): ActiveUpstream {
  const origin = originOf(address)
  const traffic: Traffic = { passedOn: 0, sockets: new Map() }
  const pool = new Pool(origin, {
    pipelining: 1,
    connect: connectorOf(address, traffic),
    keepAliveTimeout: 4_000,
    // Once it flows it may pause for ever (server-sent events).
    headersTimeout: answerWithinMs,
    bodyTimeout: 0,
    maxHeaderSize: mostHeadBytes,
    // The server checks lengths; a mismatch must break the connection, not this process.
    strictContentLength: true,
  })
  return { address, origin, pool, traffic, open: 0 }
}

export function connectorOf(address: ProxyUpstream, traffic: Traffic): ReturnType<typeof buildConnector> {
  const connect = buildConnector({ timeout: 10_000, ...('socket' in address ? { socketPath: address.socket } : {}) })
  return (options, done) =>
    connect(options, (...[error, socket]) => {
      if (error !== null) return done(error, null)
      watchSocket(traffic, socket)
      done(null, socket)
    })
}

export const originOf = (address: ProxyUpstream): string => ('socket' in address ? 'http://localhost' : `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`)

const keyOf = (address: ProxyUpstream): string => ('socket' in address ? address.socket : `${address.host} ${address.port}`)
