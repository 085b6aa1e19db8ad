import { httpRequest, STATUS_CODES, type IncomingMessage } from './node-http.ts'
import type { Duplex } from 'node:stream'
import { requestHeaders, responseHeaders } from './headers.ts'
import { answerWithinMs, chooseUpstream, mostInterim, type ActiveRoute } from './table.ts'
import { chooseForVisitor } from './visitor.ts'

/** Passes an upgrade (WebSocket) on: the request's head, then bytes both ways until one side ends. */
export function proxyUpgrade({ request, socket, head, host, path, active }: { request: IncomingMessage; socket: Duplex; head: Buffer; host: string; path: string; active: ActiveRoute }): void {
  const startedAt = performance.now()
  const { target } = chooseForVisitor(active, request)
  const upstream = target === undefined ? undefined : chooseUpstream(target, [])
  if (target === undefined || upstream === undefined) return refuseUpgrade(socket, 503)
  const { counters } = target
  counters.requests++
  counters.openSockets++
  upstream.open++
  socket.once('close', () => {
    counters.openSockets--
    upstream.open--
    outgoing.destroy()
  })
  socket.on('error', () => socket.destroy())

  const { address } = upstream
  const outgoing = httpRequest({
    ...('socket' in address ? { socketPath: address.socket } : { host: address.host, port: address.port }),
    method: request.method,
    path,
    headers: requestHeaders(request, { host, upgrade: request.headers.upgrade ?? '' }),
    setHost: false,
    agent: false,
  })
  let answered = false
  outgoing.on('upgrade', (answer, upstreamSocket, upstreamHead) => {
    answered = true
    counters.answered(101, performance.now() - startedAt)
    upstreamSocket.on('error', () => socket.destroy())
    upstreamSocket.once('close', () => socket.destroy())
    socket.once('close', () => upstreamSocket.destroy())
    for (const side of [socket, upstreamSocket]) {
      if ('setNoDelay' in side) (side as import('node:net').Socket).setNoDelay(true).setTimeout(0).setKeepAlive(true, 30_000)
    }
    socket.write(headOf(answer, ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? 'websocket']), 'latin1')
    if (upstreamHead.length > 0) socket.write(upstreamHead)
    if (head.length > 0) upstreamSocket.write(head)
    upstreamSocket.pipe(socket)
    socket.pipe(upstreamSocket)
  })
  outgoing.on('response', (answer) => {
    answered = true
    outgoing.setTimeout(0)
    counters.answered(answer.statusCode ?? 502, performance.now() - startedAt)
    socket.write(headOf(answer, ['Connection', 'close']), 'latin1')
    // Half an answer must not look like a whole one.
    answer.once('error', () => socket.destroy())
    answer.pipe(socket)
  })
  let interim = 0
  outgoing.on('information', () => ++interim > mostInterim && outgoing.destroy(new Error('too many interim answers')))
  outgoing.setTimeout(answerWithinMs, () => outgoing.destroy(new Error('no answer')))
  outgoing.on('error', () => {
    if (answered) return void socket.destroy()
    counters.failures++
    counters.answered(502, performance.now() - startedAt)
    refuseUpgrade(socket, 502)
  })
  outgoing.end()
}

export function refuseUpgrade(socket: Duplex, status: number): void {
  if (socket.destroyed) return
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\nPilot-Edge: ${status}\r\n\r\n`)
}

function headOf(answer: IncomingMessage, extra: readonly string[]): string {
  const headers = [...responseHeaders(answer.rawHeaders), ...extra]
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n`
}
