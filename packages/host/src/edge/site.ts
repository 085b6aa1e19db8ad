import type { IncomingMessage, ServerResponse } from 'node:http'
import { serveSite } from '../site/serve.ts'
import { answerPage } from './pages.ts'
import type { ActiveRoute, Target } from './table.ts'

/** Answers from a deployment that is a folder; counted as a request to any other one. */
export function answerFromSite({ request, response, path, active, target: { counters, site } }: { request: IncomingMessage; response: ServerResponse; path: string; active: ActiveRoute; target: Target }): void {
  const startedAt = performance.now()
  counters.requests++
  counters.open++
  response.once('close', () => {
    counters.open--
    if (response.headersSent) counters.answered(response.statusCode, performance.now() - startedAt)
    if (!response.writableFinished) counters.aborted++
  })
  // Nobody reads a body here.
  request.resume()
  const found = site?.()
  if (found === undefined) {
    counters.failures++
    response.setHeader('pilot-edge', 'the files of the site cannot be read')
    return answerPage(response, { status: 502, title: `${active.route.app.app} does not answer`, text: 'Its files cannot be read.' })
  }
  serveSite({ request, response, target: path, site: found }).then(
    (hasPage) => hasPage || answerPage(response, { status: 404, title: 'Not found', text: `${active.route.app.app} has no page here.` }),
    (error: unknown) => response.destroy(error as Error),
  )
}
