import type { ActiveRoute } from './table.ts'

/** A restart takes a second or two; who asks for longer than this had better ask again. */
const waitMs = 30_000
/** More of them are told at once. */
const mostWaiting = 1_000
let waiting = 0

/** What waits: the answer of a request, the socket of an upgrade. */
interface Waiting {
  readonly destroyed: boolean
  once(event: 'close', listener: () => void): unknown
}

/** Who asks for a route that is paused waits for what comes next, unread; when that takes too long, or the app goes, `tell` answers: 503 and Retry-After. */
export async function waitWhilePaused({ client, find, changed, go, tell }: { client: Waiting; find(): ActiveRoute | undefined; changed(): Promise<void>; go(active: ActiveRoute): void; tell(active: ActiveRoute | undefined): void }): Promise<void> {
  const first = find()
  if (waiting >= mostWaiting || first === undefined) return tell(first)
  waiting++
  const over = AbortSignal.timeout(waitMs)
  const gone = new Promise<void>((resolve) => {
    client.once('close', resolve)
    over.addEventListener('abort', () => resolve())
  })
  try {
    for (;;) {
      const active = find()
      if (client.destroyed) return
      if (active !== undefined && active.route.paused !== true) return go(active)
      if (active === undefined || over.aborted) return tell(active)
      await Promise.race([changed(), gone])
    }
  } finally {
    waiting--
  }
}
