import { execInInstance, runOneOff, type LifecycleContext, type OneOffInput } from '@pilot/core'
import type { CommandOutput } from '../../contract/apps.ts'
import type { RawAnswer, Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { errorLine, lineHeaders, streamAnswer } from '../stream.ts'
import { placeOf } from './app-place.ts'

/** Commands of people in their apps. They live as long as the connection, and nothing of them is recorded: output may hold secrets. */
export function commandHandlers(services: Services) {
  return {
    async run({ params: app, query: { platform }, body: { command }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return answer((open, output) => runOneOff({ ...context, signal: open }, { app, command, output }))
    },
    async exec({ params: app, query: { platform }, body: { command, process, instance }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      const place = { ...(process === undefined ? {} : { process }), ...(instance === undefined ? {} : { instance }) }
      return answer((open, output) => execInInstance({ ...context, signal: open }, { app, command, output, ...place }))
    },
  } satisfies Partial<Handlers>

  function answer(work: (signal: LifecycleContext['signal'], output: OneOffInput['output']) => Promise<{ exitCode: number }>): RawAnswer {
    const visit = services.platforms.visit()
    return streamAnswer({
      headers: lineHeaders,
      onError: errorLine,
      onEnd: () => visit[Symbol.dispose](),
      make: (open) => linesOf((output) => work(open, output)),
    })
  }
}

/** What comes faster than it is read waits here. */
export async function* linesOf(work: (output: OneOffInput['output']) => Promise<{ exitCode: number }>): AsyncGenerator<string> {
  const waiting: CommandOutput[] = []
  let wake = Promise.withResolvers<void>()
  const push = (line: CommandOutput): void => {
    waiting.push(line)
    wake.resolve()
  }
  let hasEnded = false
  const running = work((stream, data) => push({ stream, data: Buffer.from(data).toString('base64') })).finally(() => {
    hasEnded = true
    wake.resolve()
  })
  running.catch(() => {})
  try {
    for (;;) {
      while (waiting.length > 0) yield `${JSON.stringify(waiting.shift())}\n`
      if (hasEnded) break
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
    yield `${JSON.stringify(await running)}\n`
  } finally {
    // The command has ended, too, before the answer counts as over.
    await running.catch(() => {})
  }
}
