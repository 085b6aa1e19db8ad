import { createSecureServer, createServer, type IncomingMessage, type Server, type ServerResponse } from './node-http.ts'
import type { Duplex } from 'node:stream'
import type { Certificates } from './certificates.ts'
import { clientAddress } from './headers.ts'
import type { Metrics } from './metrics.ts'
import { answerPage } from './pages.ts'
import { waitWhilePaused } from './paused.ts'
import { proxyRequest } from './proxy.ts'
import type { ActiveRoute, Table } from './table.ts'
import { proxyUpgrade, refuseUpgrade } from './upgrade.ts'

/** How a listener finds the route: by the request's host, as the port of one app, or always the same one. */
export type Routing = { readonly by: 'host' } | { readonly by: 'port'; readonly id: string } | { readonly by: 'route'; readonly id: string; readonly allows?: (address: string) => boolean }

/** A client that sends a body may pause this long. */
const bodyPauseMs = 120_000

export interface EdgeServerOptions {
  readonly table: Table
  readonly metrics: Metrics
  readonly routing: Routing
  isLeaving(): boolean
  /** Speaks TLS, with the certificate of the name that the client asks for. */
  readonly secure?: Pick<Certificates, 'contextOf'>
  /** Plain HTTP only. Whether the request was answered without any app. */
  answersFirst?(place: Place, response: ServerResponse): boolean
}

/** An HTTP listener of the edge, not listening yet. */
export function createEdgeServer({ table, metrics, routing, isLeaving, secure, answersFirst }: EdgeServerOptions): Server {
  const options = {
    // Node's parser is strict: it refuses a request with both Content-Length and Transfer-Encoding, differing lengths, and bare line feeds.
    insecureHTTPParser: false,
    requireHostHeader: true,
    maxHeaderSize: 32 * 1024,
    headersTimeout: 20_000,
    // An upload may take as long as it likes, as long as it moves.
    requestTimeout: 0,
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 5_000,
    noDelay: true,
    highWaterMark: 64 * 1024,
    ...({ shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() !== 'h2c' } as object),
  }
  const server = secure === undefined ? createServer(options) : (createSecureServer({ ...options, ...tlsOptions(secure) }) as unknown as Server)
  server.maxHeadersCount = 200

  server.on('request', (request, response) => {
    const place = placeOf(request)
    if (isLeaving()) response.shouldKeepAlive = false
    if (place === undefined) {
      response.shouldKeepAlive = false
      return answerPage(response, { status: 400, title: 'Bad request', text: 'The request names no single valid host.' })
    }
    if (answersFirst?.(place, response) === true) return
    if (routing.by === 'route' && routing.allows?.(clientAddress(request)) === false) return answerPage(response, { status: 403, title: 'Not allowed', text: 'This address may not use this path.' })
    const active = find(place)
    if (active === undefined) {
      metrics.unknownHost()
      return answerPage(response, { status: 404, title: 'No such app', text: `No app of this Pilot home answers to ${place.host}${table.isShared(place.host) ? ' at this path' : ''}.` })
    }
    if (!request.complete) limitPauses(request)
    const go = (next: ActiveRoute): void => proxyRequest({ request, response, host: place.authority, path: place.path, active: next })
    if (active.route.paused !== true) return go(active)
    const tell = (now: ActiveRoute | undefined): void => answerPage(response, { status: 503, title: now ? `${now.route.app.app} is being released` : 'The app is gone', text: 'Its old version has ended and the new one is starting. Try again in a moment.' })
    void waitWhilePaused({ client: response, find: () => find(place), changed: () => table.changed(), go, tell })
  })

  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Node listens no longer: a client that is gone before its answer is no error of ours.
    socket.on('error', () => socket.destroy())
    const place = placeOf(request)
    if (place === undefined) return refuseUpgrade(socket, 400)
    if (routing.by === 'route' && routing.allows?.(clientAddress(request)) === false) return refuseUpgrade(socket, 403)
    const active = find(place)
    if (active === undefined) return refuseUpgrade(socket, 404)
    const go = (next: ActiveRoute): void => proxyUpgrade({ request, socket, head, host: place.authority, path: place.path, active: next })
    if (active.route.paused !== true) return go(active)
    void waitWhilePaused({ client: socket, find: () => find(place), changed: () => table.changed(), go, tell: () => refuseUpgrade(socket, 503) })
  })

  // What cannot be parsed gets an answer and the end of the connection, whatever else was pipelined behind it.
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Of a handshake that failed the client has been told by an alert.
    if (error.code === 'ECONNRESET' || error.code?.startsWith('ERR_SSL') === true || !socket.writable) return void socket.destroy()
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  })

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

export interface Place {
  readonly host: string
  /** As the client wrote it, with the port. */
  readonly authority: string
  readonly path: string
}

/** Which host and path the request is for; undefined when it does not say so in exactly one way. */
function placeOf(request: IncomingMessage): Place | undefined {
  let authority = request.headers.host
  let path = request.url ?? '/'
  if (countHosts(request) > 1) return undefined
  if (!path.startsWith('/')) {
    // `OPTIONS *`, or the absolute form, whose authority wins over the Host header (RFC 9112, 3.2.2).
    if (path === '*') path = '/'
    else {
      const absolute = /^https?:\/\/([^/?#]+)([^#]*)$/i.exec(path)
      if (absolute === null) return undefined
      authority = absolute[1]
      path = absolute[2]?.startsWith('/') === true ? absolute[2] : `/${absolute[2] ?? ''}`
    }
  }
  if (authority === undefined || !/^(\[[0-9a-f:.]+\]|[^\s:/?#@[\]\\]+)(:\d{1,5})?$/i.test(authority)) return undefined
  const host = authority.replace(/:\d+$/, '').toLowerCase().replace(/\.$/, '')
  return { host, authority, path }
}

function countHosts({ rawHeaders }: IncomingMessage): number {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts
}

/** Ends a connection whose client has stopped in the middle of a body. */
function limitPauses(request: IncomingMessage): void {
  if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return
  const { socket } = request
  socket.setTimeout(bodyPauseMs, () => socket.destroy())
  request.once('close', () => socket.setTimeout(0))
  request.once('end', () => socket.setTimeout(0))
}
