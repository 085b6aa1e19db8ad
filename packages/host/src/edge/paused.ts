import type { ServerResponse } from 'node:http'
import { answerPage } from './pages.ts'
import type { ActiveRoute } from './table.ts'

/** A restart takes a second or two; who asks for longer than this had better ask again. */
const waitMs = 30_000
/** More of them are told at once. */
const mostWaiting = 1_000
let waiting = 0

/** A request to a route that is paused waits for what comes next, unread; when that takes too long it is answered with 503 and Retry-After. */
export async function waitWhilePaused({ response, find, changed, go }: { response: ServerResponse; find(): ActiveRoute | undefined; changed(): Promise<void>; go(active: ActiveRoute): void }): Promise<void> {
  const first = find()
  if (waiting >= mostWaiting || first === undefined) return tell(response, first)
  waiting++
  const over = AbortSignal.timeout(waitMs)
  const gone = new Promise<void>((resolve) => {
    response.once('close', resolve)
    over.addEventListener('abort', () => resolve())
  })
  try {
    for (;;) {
      const active = find()
      if (response.destroyed) return
      if (active !== undefined && active.route.paused !== true) return go(active)
      if (active === undefined || over.aborted) return tell(response, active)
      await Promise.race([changed(), gone])
    }
  } finally {
    waiting--
  }
}

const tell = (response: ServerResponse, active: ActiveRoute | undefined): void =>
  answerPage(response, { status: 503, title: active ? `${active.route.app.app} is being released` : 'The app is gone', text: 'Its old version has ended and the new one is starting. Try again in a moment.' })
