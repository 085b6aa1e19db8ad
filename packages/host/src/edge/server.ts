import { createSecureServer, createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from './node-http.ts'
import type { Duplex } from 'node:stream'
import type { Certificates } from './certificates.ts'
import { placeOf, wantsUpgrade, type Place } from './acceptable.ts'
import { answerErrors } from './client-errors.ts'
import { clientAddress } from './headers.ts'
import type { Metrics } from './metrics.ts'
import { answerPage } from './pages.ts'
import { waitWhilePaused } from './paused.ts'
import { proxyRequest } from './proxy.ts'
import type { ActiveRoute, Table } from './table.ts'
import { limitPauses } from './slow-bodies.ts'
import { proxyUpgrade, refuseUpgrade } from './upgrade.ts'

/** How a listener finds the route: by the request's host, as the port of one app, or always the same one. */
export type Routing = { readonly by: 'host' } | { readonly by: 'port'; readonly id: string } | { readonly by: 'route'; readonly id: string; readonly allows?: (address: string) => boolean }

/** How slow a client may be. */
export interface ClientLimits {
  /** From its first byte, or the end of the request before, to the end of the head. */
  readonly headMs: number
  /** Without a byte of a body that the app would read. An upload may take as long as it likes, as long as it moves. */
  readonly bodyPauseMs: number
  /** Between two requests. */
  readonly idleMs: number
  /** How often the edge looks whether a head is late. */
  readonly lookMs: number
}
export const clientLimits: ClientLimits = { headMs: 20_000, bodyPauseMs: 120_000, idleMs: 65_000, lookMs: 5_000 }

export interface EdgeServerOptions {
  readonly table: Table
  readonly metrics: Metrics
  readonly routing: Routing
  isLeaving(): boolean
  /** Speaks TLS, with the certificate of the name that the client asks for. */
  readonly secure?: Pick<Certificates, 'contextOf'>
  /** Plain HTTP only. Whether the request was answered without any app. */
  answersFirst?(place: Place, response: ServerResponse): boolean
  readonly limits?: ClientLimits
}

/** An HTTP listener of the edge, not listening yet. */
export function createEdgeServer({ table, metrics, routing, isLeaving, secure, answersFirst, limits = clientLimits }: EdgeServerOptions): Server {
  const options = {
    // Node's parser is strict: it refuses a request with both Content-Length and Transfer-Encoding, differing lengths, and bare line feeds.
    insecureHTTPParser: false,
    requireHostHeader: true,
    maxHeaderSize: 32 * 1024,
    headersTimeout: limits.headMs,
    requestTimeout: 0,
    keepAliveTimeout: limits.idleMs,
    connectionsCheckingInterval: limits.lookMs,
    noDelay: true,
    highWaterMark: 64 * 1024,
    ...({ shouldUpgradeCallback: wantsUpgrade } as object),
  }
  const server = secure === undefined ? createServer(options) : (createSecureServer({ ...options, ...tlsOptions(secure) }) as unknown as Server)
  // All of them are looked at: Node would leave out what is beyond its limit, and pass on the rest.
  server.maxHeadersCount = 0
  const { refuse, endsWith, isEnding } = answerErrors(server)

  server.on('request', (request, response) => {
    // The answer to an earlier one is the last on its connection, so nobody would read that of this one.
    if (isEnding(request.socket)) return void request.resume()
    const place = placeOf(request)
    // Node does not read on behind an upgrade that was declined.
    if (isLeaving() || request.headers.upgrade !== undefined) endsWith(response)
    if ('status' in place) {
      endsWith(response)
      for (const [name, value] of Object.entries(place.headers ?? {})) response.setHeader(name, value)
      if (place.status === 204) return void response.writeHead(204).end()
      return answerPage(response, { status: place.status, title: STATUS_CODES[place.status] ?? 'Bad request', text: place.text })
    }
    if (answersFirst?.(place, response) === true) return
    if (routing.by === 'route' && routing.allows?.(clientAddress(request)) === false) return answerPage(response, { status: 403, title: 'Not allowed', text: 'This address may not use this path.' })
    const active = find(place)
    if (active === undefined) {
      metrics.unknownHost()
      return answerPage(response, { status: 404, title: 'No such app', text: `No app of this Pilot home answers to ${place.host}${table.isShared(place.host) ? ' at this path' : ''}.` })
    }
    if (!request.complete) limitPauses({ request, response, pauseMs: limits.bodyPauseMs })
    const go = (next: ActiveRoute): void => proxyRequest({ request, response, host: place.authority, path: place.path, active: next })
    if (active.route.paused !== true) return go(active)
    const tell = (now: ActiveRoute | undefined): void => answerPage(response, { status: 503, title: now ? `${now.route.app.app} is being released` : 'The app is gone', text: 'Its old version has ended and the new one is starting. Try again in a moment.' })
    void waitWhilePaused({ client: response, find: () => find(place), changed: () => table.changed(), go, tell })
  })

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node listens no longer: a client that is gone before its answer is no error of ours.
    socket.on('error', () => socket.destroy())
    const place = placeOf(request)
    if ('status' in place) return refuse(socket, place.status === 204 ? 400 : place.status)
    // Behind a request that is not answered yet its bytes would get mixed up with that answer.
    if (isEnding(socket) || '_httpMessage' in socket && socket._httpMessage != null) return refuse(socket, 400)
    if (routing.by === 'route' && routing.allows?.(clientAddress(request)) === false) return refuseUpgrade(socket, 403)
    const active = find(place)
    if (active === undefined) return refuseUpgrade(socket, 404)
    const go = (next: ActiveRoute): void => proxyUpgrade({ request, socket, head, host: place.authority, path: place.path, active: next })
    if (active.route.paused !== true) return go(active)
    void waitWhilePaused({ client: socket, find: () => find(place), changed: () => table.changed(), go, tell: () => refuseUpgrade(socket, 503) })
  })

  server.on('connect', (_request: IncomingMessage, socket: Duplex) => refuse(socket, 405))

  function find({ host, path }: { readonly host: string; readonly path: string }): ActiveRoute | undefined {
    return routing.by === 'route' ? table.byId(routing.id) : routing.by === 'port' ? table.byPort(routing.id, path) : table.byHost(host, path)
  }

  return server
}

/**
 * The name in the handshake chooses the certificate, and nothing else: the request inside says its host itself, as on a
 * connection that a browser shares between names. A name without a certificate, or none, ends the handshake with an alert.
 * HTTP/1.1 only, since what the edge passes on is HTTP/1.1.
 */
function tlsOptions({ contextOf }: Pick<Certificates, 'contextOf'>): import('node:tls').TlsOptions {
  return { minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'], handshakeTimeout: 20_000, SNICallback: (name, answer) => answer(null, contextOf(name.toLowerCase())) }
}
