import type { Compute } from '@pilot/core'
import { edgeMetrics, type Home } from '@pilot/host'
import { routeId } from '../ownership.ts'

/** What the edge has counted since it started. */
export function createCounters(home: Home, platformId: string): NonNullable<Compute['counters']> {
  return async ({ app }) => {
    const metrics = await edgeMetrics(home)
    if (metrics === undefined) return []
    const counted = Object.entries(metrics.routes[routeId(platformId, app)] ?? {})
    return counted.map(([deployment, { requests, statuses, latency }]) => ({
      deployment,
      life: `${metrics.pid}/${metrics.since}`,
      requests,
      errors: statuses['5'] ?? 0,
      latency: latency.map((count, index) => ({ upToMs: metrics.latencyBounds[index], count })),
    }))
  }
}
