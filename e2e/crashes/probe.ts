import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** Somebody who asks for a page all the time, over a new connection each time. Times are of `performance.now()`. */
export interface Probe {
  /** What failed of the questions that were asked so far. */
  failures(): readonly Failure[]
  /** When the first question was asked that got its answer, of those after this moment; infinite when none did. */
  firstAnswerSince(at: number): number
  stop(): Promise<void>
}

export interface Failure {
  readonly asked: number
  readonly ended: number
  readonly what: string
}

export function startProbe(url: string): Probe {
  const failed: Failure[] = []
  const answered: number[] = []
  let going = true

  const asking = (async () => {
    while (going) {
      const asked = performance.now()
      const what = await ask(url)
      const ended = performance.now()
      if (what === undefined) answered.push(asked)
      else failed.push({ asked, ended, what })
      await sleep(20)
    }
  })()

  return {
    failures: () => [...failed],
    firstAnswerSince: (at) => answered.find((asked) => asked > at) ?? Number.POSITIVE_INFINITY,
    async stop() {
      going = false
      await asking
    },
  }
}

/** Undefined when the app answered with its page, whole. */
function ask(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asking = request(url, { agent: false, timeout: 20_000 }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`))
      response.once('error', (error) => resolve(error.message))
    })
    asking.once('timeout', () => asking.destroy(new Error('no answer within 20 s')))
    asking.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asking.end()
  })
}
