import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import { Client, type Dispatcher } from './pool.ts'
import { headsWorth } from './endless.ts'
import { isSecure, requestHeaders, responseHeaders } from './headers.ts'
import { answerPage } from './pages.ts'
import { answerFromSite } from './site.ts'
import { answerWithinMs, chooseUpstream, connectorOf, mostHeadBytes, mostInterim, type ActiveRoute, type ActiveUpstream, type Target } from './table.ts'
import { chooseForVisitor } from './visitor.ts'

type Controller = Dispatcher.DispatchController

/** Passes one request on to a deployment of the route. */
export function proxyRequest({ request, response, host, path, active }: { request: IncomingMessage; response: ServerResponse; host: string; path: string; active: ActiveRoute }): void {
  const { target, cookie } = chooseForVisitor(active, request)
  if (target === undefined) return answerPage(response, { status: 503, title: `${active.route.app.app} is stopped`, text: 'This app does not run at the moment.' })
  if (target.site !== undefined) {
    if (cookie !== undefined) response.appendHeader('set-cookie', cookie)
    return answerFromSite({ request, response, path, active, target })
  }
  new Exchange({ request, response, host, path, active, target, cookie }).start()
}

/** Methods that may be sent again when nobody knows whether the first time was heard. */
const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/**
 * One request and its answer. Handed to undici's `dispatch` as its handler: the answer's bytes go straight from the parser
 * to the client's socket, with pause and resume instead of a stream in between.
 */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #host: string
  readonly #path: string
  readonly #active: ActiveRoute
  readonly #target: Target
  readonly #cookie: string | undefined
  readonly #startedAt = performance.now()
  readonly #tried: ActiveUpstream[] = []
  #upstream: ActiveUpstream | undefined
  #controller: Controller | undefined
  #body: PassThrough | undefined
  #bodyless = true
  #fresh: Client | undefined
  #answering = false
  #wrote = false
  #over = false
  /** The upstream has nothing more to say. */
  #ended = false
  #hasTrailers = false
  #interim = 0

  constructor({ request, response, host, path, active, target, cookie }: { request: IncomingMessage; response: ServerResponse; host: string; path: string; active: ActiveRoute; target: Target; cookie: string | undefined }) {
    this.#request = request
    this.#response = response
    this.#host = host
    this.#path = path
    this.#active = active
    this.#target = target
    this.#cookie = cookie
  }

  start(): void {
    const { counters } = this.#target
    counters.requests++
    counters.open++
    this.#response.once('close', () => this.#onClose())
    this.#bodyless = !hasBody(this.#request)
    if (!this.#bodyless) {
      // undici destroys the body that it was given when the upstream breaks; the client's socket must survive for the answer.
      this.#body = new PassThrough()
      this.#request.pipe(this.#body)
      this.#request.once('error', () => this.#body?.destroy())
      this.#request.once('aborted', () => this.#body?.destroy(new Error('the client went away')))
    }
    this.#send()
  }

  #send({ fresh = false }: { fresh?: boolean } = {}): void {
    const upstream = chooseUpstream(this.#target, fresh ? [] : this.#tried) ?? this.#target.upstreams[0]
    if (upstream === undefined) return this.#fail(502, 'no instance')
    this.#release()
    this.#ended = false
    this.#interim = 0
    this.#upstream = upstream
    this.#tried.push(upstream)
    upstream.open++
    if (fresh) this.#fresh = new Client(upstream.origin, { pipelining: 0, connect: connectorOf(upstream.address, upstream.traffic), headersTimeout: answerWithinMs, bodyTimeout: 0, maxHeaderSize: mostHeadBytes })
    const dispatcher = this.#fresh ?? upstream.pool
    dispatcher.dispatch(
      {
        method: this.#request.method as Dispatcher.HttpMethod,
        path: this.#path,
        headers: requestHeaders(this.#request, { host: this.#host }),
        body: this.#body ?? null,
      },
      this,
    )
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('the client went away'))
  }

  onResponseStart(controller: Controller, status: number, parsed: Readonly<Record<string, string | string[] | undefined>>, statusText?: string): void {
    // Interim answers (103) stay between app and edge.
    if (status < 200) return void (++this.#interim > mostInterim && controller.abort(brokenAnswer('PILOT_INTERIM')))
    // The client, who was too slow, has been told so.
    if (this.#response.headersSent) return void controller.abort(new Error('answered already'))
    const coding = parsed['transfer-encoding']
    // What is in another coding would reach the client without a word about it.
    if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') return void controller.abort(brokenAnswer('PILOT_TRANSFER_CODING'))
    const headers = responseHeaders((controller.rawHeaders ?? []) as readonly (Buffer | string)[], { status })
    if (this.#cookie !== undefined) headers.push('set-cookie', this.#cookie)
    try {
      if (statusText === undefined || statusText === '') this.#response.writeHead(status, headers)
      else this.#response.writeHead(status, statusText, headers)
    } catch (error) {
      // A status or a byte that no answer may have; Node has kept the words all the same.
      this.#response.statusMessage = ''
      return void controller.abort(error as Error)
    }
    this.#answering = true
    if (this.#upstream !== undefined) this.#upstream.traffic.passedOn += headsWorth
    this.#hasTrailers = parsed['trailer'] !== undefined
    this.#target.counters.answered(status, performance.now() - this.#startedAt)
    // With the first bytes if they are here already, else now: an event stream may stay silent for a long time.
    process.nextTick(() => this.#wrote || this.#response.flushHeaders())
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#wrote = true
    if (this.#upstream !== undefined) this.#upstream.traffic.passedOn += chunk.length
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(controller: Controller): void {
    this.#ended = true
    const trailers = controller.rawTrailers as readonly Buffer[] | null | undefined
    if (this.#hasTrailers && trailers != null && trailers.length > 0) this.#response.addTrailers(trailersOf(trailers))
    this.#wrote = true
    this.#response.end()
    // The client may still be sending what nobody reads any more.
    if (!this.#bodyless && !this.#request.complete) this.#drainRequest()
  }

  onResponseError(_controller: Controller | null, error: Error): void {
    this.#ended = true
    if (this.#over || (this.#response.headersSent && !this.#answering)) return
    // Half an answer must not look like a whole one.
    if (this.#answering) return this.#cut()
    if (this.#mayRepeat(error)) return this.#send({ fresh: this.#tried.length >= this.#target.upstreams.length })
    const { code } = error as NodeJS.ErrnoException
    this.#fail(code === 'UND_ERR_HEADERS_TIMEOUT' ? 504 : 502, code ?? 'no answer')
  }

  /** To HTTP/1.0 the end of the connection may be the end of the body. */
  #cut(): void {
    const { socket, httpVersion } = this.#request
    if (httpVersion === '1.0' && !isSecure(this.#request)) socket.resetAndDestroy()
    else this.#response.destroy()
  }

  /** Another instance when one refuses the connection; once more on a fresh connection when a kept one turned out to be dead. */
  #mayRepeat(error: Error): boolean {
    const { code = '' } = error as NodeJS.ErrnoException
    if (this.#fresh !== undefined || !this.#bodyless) return false
    const neverConnected = code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'UND_ERR_CONNECT_TIMEOUT'
    if (neverConnected) return this.#tried.length < this.#target.upstreams.length
    return repeatable.has(this.#request.method ?? '') && (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE')
  }

  #fail(status: 502 | 504, why: string): void {
    this.#target.counters.failures++
    this.#target.counters.answered(status, performance.now() - this.#startedAt)
    this.#response.setHeader('pilot-edge', why)
    if (!this.#bodyless && !this.#request.complete) {
      this.#response.shouldKeepAlive = false
      this.#drainRequest()
    }
    const text = status === 504 ? 'The app did not answer in time.' : 'The app did not accept the request.'
    answerPage(this.#response, { status, title: `${this.#active.route.app.app} does not answer`, text })
  }

  #drainRequest(): void {
    this.#request.unpipe()
    this.#request.resume()
  }

  #onClose(): void {
    this.#over = true
    this.#target.counters.open--
    if (!this.#response.writableFinished) this.#target.counters.aborted++
    // Also when the edge has answered for the app: nobody reads what it still says.
    if (!this.#ended) {
      this.#controller?.abort(new Error('the client went away'))
      this.#body?.destroy()
    }
    this.#release()
    void this.#fresh?.close().catch(() => {})
  }

  #release(): void {
    if (this.#upstream !== undefined) this.#upstream.open--
    this.#upstream = undefined
  }
}

const hasBody = (request: IncomingMessage): boolean => request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] !== undefined && request.headers['content-length'] !== '0')

/** Only what is of use behind a body: framing and addresses there would be read by nobody, or by somebody who should not (RFC 9110, 6.5.1). */
function trailersOf(raw: readonly Buffer[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, i): [string, string] => [String(raw[2 * i]?.toString('latin1')), String(raw[2 * i + 1]?.toString('latin1'))]).filter(([name]) => !notInTrailers.has(name.toLowerCase()))
}

const notInTrailers = new Set(['transfer-encoding', 'content-length', 'host', 'trailer', 'connection', 'set-cookie', 'content-encoding', 'content-type', 'content-range', 'location', 'cache-control'])

const brokenAnswer = (code: string): Error => Object.assign(new Error('the answer of the app cannot be passed on'), { code })
