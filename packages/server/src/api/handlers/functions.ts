import { invokeFunction, purgeQueue, queueState, retryQueue } from '@pilot/core'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { placeOf } from './app-place.ts'

/** Calls of functions by people, and their queues. */
export function functionHandlers(services: Services) {
  return {
    async invoke({ params: app, query: { platform }, body: { event }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return invokeFunction({ ...context, signal }, { app, event })
    },
    async queue({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return queueState({ ...context, signal }, { app })
    },
    async retryQueue({ params: app, query: { platform }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return { count: await retryQueue({ ...context, signal }, { app }) }
    },
    async purgeQueue({ params: app, query: { platform }, body: { which }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      return { count: await purgeQueue({ ...context, signal }, { app, which }) }
    },
  } satisfies Partial<Handlers>
}
