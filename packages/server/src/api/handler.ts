import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Checked } from '../contract/route-schemas.ts'
import type { Response as Answer, RouteName, Routes } from '../contract/routes.ts'
import type { SocketAnswer } from './socket.ts'

/** A request after the checks of its schemas. */
export interface ApiRequest<N extends RouteName> {
  readonly params: Checked<N, 'params'>
  readonly query: Checked<N, 'query'>
  readonly body: Checked<N, 'body'>
  /** Who asks: for records and the activity. */
  readonly by: string
  /** Fires when the client goes away, and when the server stops. */
  readonly signal: AbortSignal
  /** Its headers, and its body where that is no JSON. */
  readonly raw: IncomingMessage
  /** By the home's own socket, which only its owner can open. The connection itself does not tell when it has gone already. */
  readonly isOwner: boolean
}

/** An answer that is no JSON document: writes all of itself. */
export class RawAnswer {
  readonly write: (response: ServerResponse, signal: AbortSignal) => void | Promise<void>
  constructor(write: RawAnswer['write']) {
    this.write = write
  }
}

/** Routes that answer with JSON return the document. */
export type Handlers = {
  readonly [N in RouteName]: (request: ApiRequest<N>) => Promise<Routes[N]['answer'] extends 'json' ? Answer<N> : Routes[N]['answer'] extends 'socket' ? SocketAnswer : RawAnswer>
}
