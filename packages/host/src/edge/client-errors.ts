import type { Duplex } from 'node:stream'
import { longestTarget } from './acceptable.ts'
import { STATUS_CODES, type Server, type ServerResponse } from './node-http.ts'

export interface ClientErrors {
  /** Answers with a status and ends the connection, after what was asked before on it has been answered. */
  refuse(socket: Duplex, status: number): void
  /** This answer is the last on its connection: what is behind it is not read any more. */
  endsWith(response: ServerResponse): void
  isEnding(socket: Duplex): boolean
}

const statusOf: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, HPE_CHUNK_EXTENSIONS_OVERFLOW: 413, ERR_HTTP_REQUEST_TIMEOUT: 408 }

/** What cannot be parsed gets an answer and the end of the connection, whatever else was pipelined behind it. */
export function answerErrors(server: Server): ClientErrors {
  const ending = new WeakSet<Duplex>()

  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    // Of a handshake that failed the client has been told by an alert.
    if (error.code === 'ECONNRESET' || error.code?.startsWith('ERR_SSL') === true || !socket.writable) return void socket.destroy()
    // Bytes behind a request that was said to be the last: its answer is still to come.
    if (error.code === 'HPE_CLOSED_CONNECTION') return
    refuse(socket, error.code === 'HPE_HEADER_OVERFLOW' && isTarget(error.rawPacket) ? 414 : (statusOf[error.code ?? ''] ?? 400))
  })

  function refuse(socket: Duplex, status: number): void {
    if (ending.has(socket)) return
    ending.add(socket)
    answerLast(socket, status)
  }

  return {
    refuse,
    endsWith(response) {
      response.shouldKeepAlive = false
      ending.add(response.req.socket)
    },
    isEnding: (socket) => ending.has(socket),
  }
}

function answerLast(socket: Duplex, status: number): void {
  if (socket.destroyed) return
  // Node's own handling of errors looks there, too, for the answer that is next on this connection.
  const next = (socket as Duplex & { _httpMessage?: ServerResponse | null })._httpMessage
  if (next?.req.complete === true) return void next.once('close', () => answerLast(socket, status))
  if (next?.headersSent === true) return void socket.destroy()
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\nPilot-Edge: ${status}\r\n\r\n`)
}

/** Whether what was too long is the first line. */
function isTarget(packet: Buffer | undefined): boolean {
  if (packet === undefined || !/^[A-Z-]+ /.test(packet.subarray(0, 40).toString('latin1'))) return false
  const end = packet.indexOf('\n')
  return end < 0 || end > longestTarget
}
