import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import { catalogue, errorBody, type PilotError } from '@pilot/core'
import { largestMessage } from '../contract/command-session.ts'

/** An answer that is a conversation: the connection becomes a WebSocket. */
export class SocketAnswer {
  /** Returns when it is over. The signal fires when the server stops. */
  readonly talk: (wanted: Upgrade, closing: AbortSignal) => Promise<void>
  constructor(talk: SocketAnswer['talk']) {
    this.talk = talk
  }
}

/** A request that asks for one, with what arrived behind it. */
export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
}

/** How long a client may take to hear that the connection ends. */
const goodbyeMs = 1_000

let sockets: WebSocketServer | undefined

/** The library is read when the first one asks. */
export async function acceptSocket({ request, socket, head }: Upgrade): Promise<WebSocket> {
  const { WebSocketServer } = await import('ws')
  sockets ??= new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: largestMessage })
  return await new Promise((resolve, reject) => {
    // What is no WebSocket is refused by the library itself.
    socket.once('close', () => reject(new Error('The client has left.')))
    sockets!.handleUpgrade(request, socket, head, resolve)
  })
}

/** Whoever hears nothing of it is cut off. */
export function closeSocket(socket: WebSocket, code: number): void {
  socket.close(code)
  setTimeout(() => socket.terminate(), goodbyeMs).unref()
}

/** An answer in plain HTTP to one that may not have it. */
export function refuseSocket(socket: Duplex, error: PilotError): void {
  const text = JSON.stringify(errorBody(error))
  const { http } = catalogue[error.code]
  socket.end(`HTTP/1.1 ${http} Refused\r\nconnection: close\r\ncache-control: no-store\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
}
