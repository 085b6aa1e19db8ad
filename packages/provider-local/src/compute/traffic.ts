import { openRequests, type Home } from '@pilot/host'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Blueprint, Compute, Json, TrafficSpec } from '@pilot/core'
import { ref } from '@pilot/core'
import type { IssuerSpec } from '../certificates/files.ts'
import { certificateId, routeId } from '../ownership.ts'
import { keys } from './keys.ts'

/** How a platform answers over HTTPS. */
export interface Https {
  /** For domains; names below .localhost get certificates of the home's own authority. */
  readonly issuer: IssuerSpec
  /** Apps without domains too. */
  readonly forAll: boolean
}

/** Containers, processes and sites release alike: the edge gets certificates for the domains, then the weights. */
export function trafficBlueprint({ platformId, https }: { platformId: string; https: Https }, { app, hostLabel, weights, paused = false, domains, shared }: TrafficSpec): Blueprint {
  const ownName = `${shared?.hostLabel ?? hostLabel}.localhost`
  const certificates = (domains.length > 0 || https.forAll ? [...new Set([...domains, ownName])] : []).map((domain) => {
    const issuer = domain === ownName ? { type: 'local' as const } : { ...https.issuer }
    return { key: keys.certificate(domain), kind: 'local/certificate', inputs: { id: certificateId({ platformId, app, domain }), app: { ...app }, domain, issuer: issuer as Json } }
  })
  const inputs = {
    id: routeId(platformId, app),
    app: { ...app },
    hosts: [`${hostLabel}.localhost`, ...(shared ? [] : domains)],
    ...(shared ? { mounts: [`${shared.hostLabel}.localhost`, ...domains].map((host) => ({ host, path: shared.path })) } : {}),
    paused,
    weights: weights.map(({ deployment, percent, outputs }) => ({ deployment, percent, upstreams: (outputs['upstreams'] ?? []) as Json })),
  }
  const route = ref(keys.traffic)
  return {
    resources: [...certificates, { key: keys.traffic, kind: 'local/route', inputs, ...(certificates.length === 0 ? {} : { dependsOn: certificates.map(({ key }) => key) }) }],
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
