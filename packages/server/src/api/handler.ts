import type { Checked } from '../contract/route-schemas.ts'
import type { Response as Answer, RouteName, Routes } from '../contract/routes.ts'

/** A request after the checks of its schemas. */
export interface ApiRequest<N extends RouteName> {
  readonly params: Checked<N, 'params'>
  readonly query: Checked<N, 'query'>
  readonly body: Checked<N, 'body'>
  /** Who asks: for records and the activity. */
  readonly by: string
  /** Fires when the client goes away. */
  readonly signal: AbortSignal
  readonly raw: Request
}

/** Routes that answer with JSON return the document; the others return the whole answer. */
export type Handlers = {
  readonly [N in RouteName]: (request: ApiRequest<N>) => Promise<Routes[N]['answer'] extends 'json' ? Answer<N> : globalThis.Response>
}
