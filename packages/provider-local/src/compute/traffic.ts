import { openRequests, type Home } from '@pilot/host'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Blueprint, Compute, Json, TrafficSpec } from '@pilot/core'
import { ref } from '@pilot/core'
import { routeId } from '../ownership.ts'
import { keys } from './keys.ts'

/** Containers and processes release alike: the edge gets the weights. */
export function trafficBlueprint(platformId: string, { app, hostLabel, weights, domains, shared }: TrafficSpec): Blueprint {
  const inputs = {
    id: routeId(platformId, app),
    app: { ...app },
    hosts: [`${hostLabel}.localhost`, ...(shared ? [] : domains)],
    ...(shared ? { mounts: [`${shared.hostLabel}.localhost`, ...domains].map((host) => ({ host, path: shared.path })) } : {}),
    weights: weights.map(({ deployment, percent, outputs }) => ({ deployment, percent, upstreams: (outputs['upstreams'] ?? []) as Json })),
  }
  const route = ref(keys.traffic)
  return {
    resources: [{ key: keys.traffic, kind: 'local/route', inputs }],
    outputs: { url: route.output('url'), fallbackUrl: route.output('fallbackUrl') },
  }
}

const pollMs = 50

/** Waits until the edge has no request open for these deployments. */
export function createDrain(home: Home, platformId: string): NonNullable<Compute['drain']> {
  return async ({ app, deployments, timeoutMs, signal }) => {
    const route = routeId(platformId, app)
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const open = await openRequests(home, { route, deployments })
      if (open === 0 || performance.now() >= deadline) return { open }
      await sleep(pollMs, undefined, { signal })
    }
  }
}
