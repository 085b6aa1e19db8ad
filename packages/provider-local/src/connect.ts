import { ref, type AnyKind, type Capabilities, type ConnectContext } from '@pilot/core'
import { openHome, reservePort } from '@pilot/host'
import { certificateCapability } from './certificates/capability.ts'
import { buildpackBuilder } from './builders/buildpack.ts'
import { dockerfileBuilder } from './builders/dockerfile.ts'
import { functionBuilder } from './builders/function.ts'
import { hookRunner } from './builders/hook-runner.ts'
import { imageBuilder } from './builders/image.ts'
import { processBuilder } from './builders/process.ts'
import { siteBuilder } from './builders/site.ts'
import { containerCompute } from './compute/container.ts'
import { functionCompute } from './compute/function.ts'
import { keys } from './compute/keys.ts'
import { processCompute } from './compute/process.ts'
import { staticCompute } from './compute/static.ts'
import { disksOf } from './disks.ts'
import { lazyEngine } from './engine/engine.ts'
import { databaseCapability } from './database.ts'
import { databaseUserKind } from './kinds/database-user.ts'
import { databaseKind } from './kinds/database.ts'
import { appUserKind } from './kinds/app-user.ts'
import { dockerTaskKind, dockerWorkerKind } from './kinds/docker-command.ts'
import { dockerContainerKind } from './kinds/docker-container.ts'
import { dockerNetworkKind } from './kinds/docker-network.ts'
import { certificateKind } from './kinds/certificate.ts'
import { dockerVolumeKind } from './kinds/docker-volume.ts'
import { edgeKind } from './kinds/edge.ts'
import { functionKind } from './kinds/function.ts'
import { linkKind } from './kinds/link.ts'
import { postgresClusterKind } from './kinds/postgres-cluster.ts'
import { processTaskKind, processWorkerKind } from './kinds/process-command.ts'
import { processVolumeKind } from './kinds/process-volume.ts'
import { processKind } from './kinds/process.ts'
import { queueConsumerKind } from './kinds/queue-consumer.ts'
import { queueKind } from './kinds/queue.ts'
import { routeKind } from './kinds/route.ts'
import { postgresMajor } from './postgres/apps-cluster.ts'
import { issuerOf, type Settings } from './settings.ts'

/** All wiring of this provider. Nothing is opened but the home: the engine is found when the first container needs it. */
export async function connect({ platformId, settings, home: dir }: ConnectContext<Settings>): Promise<Capabilities> {
  const home = await openHome(dir)
  const engine = lazyEngine()
  const https = { issuer: issuerOf(settings), forAll: settings.https === 'all' }
  const hasContainers = settings.runtime === 'docker'
  return {
    kinds: [
      edgeKind(home),
      postgresClusterKind(home),
      ...[dockerNetworkKind(engine, home), dockerContainerKind(engine, home), dockerWorkerKind(engine, home), dockerTaskKind(engine), dockerVolumeKind(engine)].map((kind) => (hasContainers ? kind : neverMade(kind))),
      appUserKind(home),
      processKind(home),
      processWorkerKind(home),
      processTaskKind(home),
      certificateKind(home),
      processVolumeKind(home),
      functionKind(home),
      queueKind(home),
      queueConsumerKind(home),
      routeKind(home),
      linkKind(home, () => reservePort(home, 'postgres-apps')),
      databaseKind(home),
      databaseUserKind(home),
    ],
    platform: () => ({
      resources: [
        { key: keys.edge, kind: 'local/edge', inputs: { running: true } },
        { key: keys.postgres, kind: 'local/postgres-cluster', inputs: { major: postgresMajor, running: true } },
      ],
      outputs: { edgePort: ref<number>(keys.edge).output('port'), postgresPort: ref<number>(keys.postgres).output('port') },
    }),
    compute: { ...(hasContainers ? { container: containerCompute({ engine, home, platformId, https }) } : {}), process: processCompute({ home, platformId, https }), static: staticCompute({ home, platformId, https }), function: functionCompute({ home, platformId, https }) },
    database: databaseCapability({ home, platformId }),
    certificates: certificateCapability({ home, platformId }),
    builders: [...(hasContainers ? [dockerfileBuilder({ engine, platformId }), imageBuilder({ engine, platformId }), buildpackBuilder({ engine, home, platformId })] : []), processBuilder({ home, platformId }), siteBuilder({ home, platformId }), functionBuilder({ home, platformId })],
    disks: () => disksOf(home, hasContainers ? engine : undefined),
    hooks: hookRunner({ home, platformId }),
    async close() {},
  }
}

/** A platform of processes has made no containers, and is not to fail for want of an engine when it looks for what it made. */
const neverMade = (kind: AnyKind): AnyKind => ({ ...kind, list: async () => [] })
