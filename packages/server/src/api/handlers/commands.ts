import { execInInstance, runOneOff, type AppIdentity, type LifecycleContext, type OneOffInput } from '@pilot/core'
import { noteCommand } from '../../commands/in-use.ts'
import type { CommandOutput } from '../../contract/apps.ts'
import type { RawAnswer, Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { commandSession } from '../command-session.ts'
import type { SocketAnswer } from '../socket.ts'
import { errorLine, lineHeaders, streamAnswer } from '../stream.ts'
import { placeOf } from './app-place.ts'

/** Commands of people in their apps. They live as long as the connection, and nothing of them is recorded: output may hold secrets. */
export function commandHandlers(services: Services) {
  return {
    async run({ params: app, query: { platform }, body: { command }, signal }) {
      const context = await noting(app, platform, signal)
      return answer((open, output) => runOneOff({ ...context, signal: open }, { app, command, output }))
    },
    async exec({ params: app, query: { platform }, body: { command, process, instance }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      const place = { ...(process === undefined ? {} : { process }), ...(instance === undefined ? {} : { instance }) }
      return answer((open, output) => execInInstance({ ...context, signal: open }, { app, command, output, ...place }))
    },
    async runSession({ params: app, query: { platform }, signal }) {
      const context = await noting(app, platform, signal)
      return session((streams, open) => runOneOff({ ...context, signal: open }, { app, ...streams }))
    },
    async execSession({ params: app, query: { platform, ...place }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return session((streams, open) => execInInstance({ ...context, signal: open }, { app, ...place, ...streams }))
    },
  } satisfies Partial<Handlers>

  /** What `run` starts in stays as long as that runs. */
  async function noting(app: AppIdentity, platform: string | undefined, signal: AbortSignal): Promise<LifecycleContext> {
    const { context, name } = await placeOf(services, app, { platform, signal })
    return { ...context, useDeployment: (of, deployment) => noteCommand(services.db, { platform: name, app: of, deployment }) }
  }

  function session(work: Parameters<typeof commandSession>[0]['work']): SocketAnswer {
    const visit = services.platforms.visit()
    return commandSession({ work, onEnd: () => visit[Symbol.dispose]() })
  }

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

/** Pieces of output, each 64 KiB at most. */
const mostWaiting = 64

/** What comes faster than it is read waits here, and the command with it. */
export async function* linesOf(work: (output: OneOffInput['output']) => Promise<{ exitCode: number }>): AsyncGenerator<string> {
  const waiting: CommandOutput[] = []
  let wake = Promise.withResolvers<void>()
  let taken = Promise.withResolvers<void>()
  const push = (line: CommandOutput): void | Promise<void> => {
    waiting.push(line)
    wake.resolve()
    if (waiting.length > mostWaiting && !isOver) return taken.promise
  }
  let isOver = false
  let hasEnded = false
  const running = work((stream, data) => push({ stream, data: Buffer.from(data).toString('base64') })).finally(() => {
    hasEnded = true
    wake.resolve()
  })
  running.catch(() => {})
  try {
    for (;;) {
      while (waiting.length > 0) yield `${JSON.stringify(waiting.shift())}\n`
      taken.resolve()
      taken = Promise.withResolvers<void>()
      if (hasEnded) break
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
    yield `${JSON.stringify(await running)}\n`
  } finally {
    isOver = true
    taken.resolve()
    // The command has ended, too, before the answer counts as over.
    await running.catch(() => {})
  }
}
