import { existsSync } from 'node:fs'
import { PilotError, type Compute, type InstanceStatus } from '@pilot/core'
import { readRoute, type Home } from '@pilot/host'
import { routeId } from '../ownership.ts'
import { createCounters } from './counters.ts'
import { createDrain, trafficBlueprint, type Https } from './traffic.ts'

/** Sites: the artifact is a folder that the edge serves, so a deployment is nothing but a share of the route. */
export function staticCompute({ home, platformId, https }: { home: Home; platformId: string; https: Https }): Compute {
  return {
    app: () => ({ resources: [], outputs: {} }),

    deployment: ({ app, artifact, spa, command, instances }) => {
      if (command) throw new PilotError('USAGE', `${app.project}/${app.app} is a site, and nothing of it is started`, { suggestion: 'Remove `command:`; what builds the site is `static: { command: … }`.' })
      return { resources: [], outputs: { upstreams: instances === 0 ? [] : [{ folder: artifact.location, ...(spa ? { spa } : {}) }] } }
    },

    /** A site knows addresses from its build; nothing of it runs that could call. */
    link: () => ({ resources: [], outputs: { url: '' } }),

    traffic: (spec) => trafficBlueprint({ platformId, https }, spec),

    drain: createDrain(home, platformId),
    counters: createCounters(home, platformId),

    async status({ app }): Promise<readonly InstanceStatus[]> {
      const route = await readRoute(home, routeId(platformId, app))
      return (route?.weights ?? []).flatMap(({ deployment, upstreams }) => upstreams.flatMap((upstream) => ('folder' in upstream ? [{ deployment, instance: 'site', state: existsSync(upstream.folder) ? ('running' as const) : ('exited' as const) }] : [])))
    },
  }
}
