/** Upper bounds in milliseconds; the last bucket is everything above. */
export const latencyBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000] as const

/** Counters of one deployment of one route since this edge started. */
export interface DeploymentMetrics {
  readonly requests: number
  /** By first digit of the status: `2` → 2xx. */
  readonly statuses: Readonly<Record<string, number>>
  /** Answered by the edge itself because the app did not: refused, reset, timed out. */
  readonly failures: number
  /** The client went before it had the answer. */
  readonly aborted: number
  /** Requests under way. */
  readonly open: number
  /** Upgraded connections (WebSockets) under way. */
  readonly openSockets: number
  /** One count per bound of `latencyBounds`, and one for what took longer: from the request's head to the answer's head. */
  readonly latency: readonly number[]
  readonly latencySumMs: number
}

export interface EdgeMetrics {
  readonly pid: number
  readonly since: string
  readonly latencyBounds: readonly number[]
  /** Route id → deployment → counters; `-` counts what no deployment could answer. */
  readonly routes: Readonly<Record<string, Readonly<Record<string, DeploymentMetrics>>>>
  /** Requests for a host that no route has. */
  readonly unknownHost: number
}

/** Counters that one deployment shares between all its requests. */
export class Counters {
  requests = 0
  readonly statuses: Record<string, number> = {}
  failures = 0
  aborted = 0
  open = 0
  openSockets = 0
  readonly latency: number[] = new Array<number>(latencyBounds.length + 1).fill(0)
  latencySumMs = 0

  answered(status: number, ms: number): void {
    const group = String(Math.floor(status / 100))
    this.statuses[group] = (this.statuses[group] ?? 0) + 1
    const bucket = latencyBounds.findIndex((bound) => ms <= bound)
    const index = bucket === -1 ? latencyBounds.length : bucket
    this.latency[index] = (this.latency[index] ?? 0) + 1
    this.latencySumMs += ms
  }
}

const keptDeployments = 50

export interface Metrics {
  of(route: string, deployment: string): Counters
  unknownHost(): void
  /** Forgets routes that are gone once nobody uses them, and the oldest deployments of the others. */
  prune(isUsed: (route: string, deployment?: string) => boolean): void
  openRequests(route: string, deployments: readonly string[]): number
  snapshot(): EdgeMetrics
}

export function createMetrics(): Metrics {
  const routes = new Map<string, Map<string, Counters>>()
  const since = new Date().toISOString()
  let unknownHost = 0
  return {
    of(route, deployment) {
      let deployments = routes.get(route)
      if (deployments === undefined) routes.set(route, (deployments = new Map()))
      let counters = deployments.get(deployment)
      if (counters === undefined) deployments.set(deployment, (counters = new Counters()))
      return counters
    },
    unknownHost: () => void unknownHost++,
    prune(isUsed) {
      for (const [route, deployments] of routes) {
        for (const [deployment, counters] of deployments) {
          if ((!isUsed(route) || (deployments.size > keptDeployments && !isUsed(route, deployment))) && counters.open + counters.openSockets === 0) deployments.delete(deployment)
        }
        if (deployments.size === 0) routes.delete(route)
      }
    },
    openRequests(route, wanted) {
      let open = 0
      for (const [deployment, counters] of routes.get(route) ?? []) if (wanted.includes(deployment)) open += counters.open + counters.openSockets
      return open
    },
    snapshot: () => ({
      pid: process.pid,
      since,
      latencyBounds,
      routes: Object.fromEntries([...routes].map(([route, deployments]) => [route, Object.fromEntries([...deployments].map(([deployment, counters]) => [deployment, { ...counters }]))])),
      unknownHost,
    }),
  }
}
