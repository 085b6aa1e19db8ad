import { listReleases } from '@pilot/core'
import type { Handlers } from '../handler.ts'
import type { Services } from '../services.ts'
import { placeOf } from './app-place.ts'

/** The records of what was deployed and released, newest first. */
export function releaseHandlers(services: Services) {
  return {
    async releases({ params: app, query: { platform, limit = 100 }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      const all = await listReleases(context, { app })
      const releases = all.releases.toReversed().slice(0, limit)
      const named = new Set(releases.map(({ deployment }) => deployment))
      const current = all.live === undefined ? undefined : all.releases.findLast(({ deployment, canary }) => deployment === all.live && canary === undefined)?.number
      const step = all.canary && all.releases.findLast(({ deployment }) => deployment === all.canary?.deployment)?.number
      return { releases, deployments: all.deployments.filter(({ id }) => named.has(id)).toReversed(), ...(current === undefined ? {} : { current }), ...(all.canary && step !== undefined ? { canary: { release: step, percent: all.canary.percent } } : {}) }
    },

    async deployments({ params: app, query: { platform, limit = 100 }, signal }) {
      const { context } = await placeOf(services, app, { platform, signal })
      const all = await listReleases(context, { app })
      const deployments = all.deployments.toReversed().slice(0, limit)
      const released = new Set([all.live, ...all.releases.map(({ deployment }) => deployment)])
      return { deployments, ...(all.live === undefined ? {} : { released: all.live }), unreleased: deployments.map(({ id }) => id).filter((id) => !released.has(id)) }
    },
  } satisfies Partial<Handlers>
}
