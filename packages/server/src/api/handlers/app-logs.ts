import { appTitle, listReleases, PilotError } from '@pilot/core'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { errorLine, lineHeaders, streamAnswer } from '../stream.ts'
import { placeOf } from './app-place.ts'

/** What an app prints, as its target gives it. */
export function appLogHandlers(services: Services) {
  return {
    async logs({ params: app, query: { platform, follow = false, tail, cursor, deployment }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      const { deployments, live } = await listReleases(context, { app })
      const target = (deployments.find(({ id }) => id === (deployment ?? live)) ?? deployments.at(-1))?.target
      if (target === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${appTitle(app)} has no logs`, { reason: 'It was never deployed.' })
      const logs = context.provider.compute[target]?.logs
      if (logs === undefined) throw new PilotError('NOT_ALLOWED_NOW', `${context.platform.provider} gives no logs of a ${target}`)
      const visit = services.platforms.visit()
      return streamAnswer({
        headers: lineHeaders,
        signal,
        onError: errorLine,
        onEnd: () => visit[Symbol.dispose](),
        make: async function* (open) {
          const call = { app, follow, signal: open, ...(tail === undefined ? {} : { tail }), ...(cursor === undefined ? {} : { cursor }), ...(deployment === undefined ? {} : { deployments: [deployment] }) }
          for await (const line of logs(call)) yield `${JSON.stringify(line)}\n`
        },
      })
    },
  } satisfies Partial<Handlers>
}
