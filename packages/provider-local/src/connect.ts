import { ref, type Capabilities, type ConnectContext } from '@pilot/core'
import { openHome, reservePort } from '@pilot/host'
import { dockerfileBuilder } from './builders/dockerfile.ts'
import { containerCompute } from './compute/container.ts'
import { keys } from './compute/keys.ts'
import { lazyEngine } from './engine/engine.ts'
import { dockerContainerKind } from './kinds/docker-container.ts'
import { dockerNetworkKind } from './kinds/docker-network.ts'
import { edgeKind } from './kinds/edge.ts'
import { linkKind } from './kinds/link.ts'
import { routeKind } from './kinds/route.ts'
import type { Settings } from './settings.ts'

/** All wiring of this provider. Nothing is opened but the home: the engine is found when the first container needs it. */
export async function connect({ platformId, settings, home: dir }: ConnectContext<Settings>): Promise<Capabilities> {
  const home = await openHome(dir)
  const engine = lazyEngine()
  const hasContainers = settings.runtime === 'docker'
  return {
    kinds: [dockerNetworkKind(engine), dockerContainerKind(engine, home), routeKind(home), linkKind(home, () => reservePort(home, 'postgres-apps')), edgeKind(home)],
    platform: () => ({
      resources: [{ key: keys.edge, kind: 'local/edge', inputs: { running: true } }],
      outputs: { edgePort: ref<number>(keys.edge).output('port') },
    }),
    compute: { ...(hasContainers ? { container: containerCompute({ engine, home, platformId }) } : {}) },
    builders: [...(hasContainers ? [dockerfileBuilder({ engine, platformId })] : [])],
    async close() {},
  }
}
