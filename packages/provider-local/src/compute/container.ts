import { ref, type CommandSpec, type Compute, type DeploymentSpec, type Input, type LinkSpec, type Volumes } from '@pilot/core'
import type { Home } from '@pilot/host'
import type { Engine } from '../engine/engine.ts'
import { queueRouteId, routeId } from '../ownership.ts'
import { containerLogs } from './container-logs.ts'
import { containerExec, containerRun, removeAbandoned } from './container-one-off.ts'
import { startOf } from './container-start.ts'
import { containerStatus } from './container-status.ts'
import { createCounters } from './counters.ts'
import { keys } from './keys.ts'
import { containerVolumeSizes } from './volume-sizes.ts'
import { createDrain, trafficBlueprint, type Https } from './traffic.ts'

/** Where the manifest and the image say nothing. */
const defaultPort = 8080

/** Apps as containers: a network per app, a container per instance, the edge in front. */
export function containerCompute({ engine, home, platformId, https }: { engine: () => Promise<Engine>; home: Home; platformId: string; https: Https }): Compute {
  return {
    app({ app }) {
      const network = ref(keys.network)
      return {
        resources: [{ key: keys.network, kind: 'local/docker-network', inputs: { project: app.project, app: app.app } }],
        outputs: { network: network.output('name'), listenHost: network.output('listenHost'), callHost: network.output('callHost'), extraHosts: network.output('extraHosts'), allowFrom: network.output('allowFrom') },
      }
    },

    deployment(spec) {
      const instances = Array.from({ length: spec.instances }, (_, index) => keys.container(spec.deployment, index))
      return {
        resources: instances.map((key) => ({ key, kind: 'local/docker-container', inputs: containerInputs(spec) })),
        outputs: {
          ...(instances[0] ? { address: ref(instances[0]).output('address') } : {}),
          upstreams: instances.map((key) => ({ host: ref(key).output('host'), port: ref<number>(key).output('port') })),
        },
      }
    },

    worker: (spec) => ({
      resources: Array.from({ length: spec.instances }, (_, index) => ({ key: keys.worker(spec.deployment, spec.process, index), kind: 'local/docker-worker', inputs: { ...commandInputs(spec), process: spec.process, ...(spec.logShare === undefined ? {} : { logShare: spec.logShare }), running: true } })),
      outputs: {},
    }),
    task: (spec) => ({ resources: [{ key: keys.task(spec.deployment, spec.task), kind: 'local/docker-task', inputs: { ...commandInputs(spec), task: spec.task } }], outputs: {} }),

    volume({ app, volume, path = `/volumes/${volume}` }) {
      const key = keys.volume(volume)
      return { resources: [{ key, kind: 'local/docker-volume', inputs: { project: app.project, app: app.app } }], outputs: { source: ref(key).output('name'), path } }
    },
    volumeSizes: containerVolumeSizes({ engine, platformId }),

    traffic: (spec) => trafficBlueprint({ platformId, https }, spec),

    link({ to, queue, appOutputs }: LinkSpec) {
      const key = queue ? keys.queueLink(to.app) : keys.link(to.app)
      return {
        resources: [{ key, kind: 'local/link', inputs: { ...linkAddresses(appOutputs), to: { route: queue ? queueRouteId(platformId, to) : routeId(platformId, to) } } }],
        outputs: { url: ref(key).output('url') },
      }
    },

    run: containerRun({ engine, platformId }),
    endAbandonedRuns: async () => removeAbandoned(await engine(), platformId),
    exec: containerExec({ engine, platformId }),
    drain: createDrain(home, platformId),
    counters: createCounters(home, platformId),
    status: (call) => containerStatus({ engine, platformId }, call),
    logs: (call) => containerLogs({ engine, platformId, home }, call),
  }
}

/** Where the edge listens for the containers of an app, as its network tells. */
export function linkAddresses({ listenHost, callHost, allowFrom }: LinkSpec['appOutputs']): { listenHost: Input<string>; callHost: Input<string>; allowFrom: Input<string[]> } {
  return { listenHost, callHost, allowFrom } as { listenHost: Input<string>; callHost: Input<string>; allowFrom: Input<string[]> }
}

function containerInputs({ app, deployment, artifact, command, env, port, memoryBytes, cpu, health, volumes, logShare, appOutputs }: DeploymentSpec) {
  const declared = artifact.ports ?? []
  return {
    app: { ...app },
    deployment,
    image: artifact.digest,
    ...(command ? startOf(artifact, command) : {}),
    env: { ...env },
    network: appOutputs['network'] as Input<string>,
    extraHosts: appOutputs['extraHosts'] as Input<string[]>,
    port: port ?? (declared.length === 1 ? declared[0]! : defaultPort),
    memoryBytes,
    cpu,
    ...mounts(volumes),
    ...(logShare === undefined ? {} : { logShare }),
    health: { ...health },
    running: true,
  }
}

const mounts = (volumes: Volumes = {}) => (Object.keys(volumes).length === 0 ? {} : { volumes: Object.values(volumes).map(({ source, path }) => ({ source: source as Input<string>, path: path as string })) })

const commandInputs = ({ app, deployment, artifact, command, env, memoryBytes, cpu, volumes, appOutputs }: CommandSpec) => ({
  app: { ...app },
  deployment,
  image: artifact.digest,
  ...startOf(artifact, command),
  env: { ...env },
  network: appOutputs['network'] as Input<string>,
  extraHosts: appOutputs['extraHosts'] as Input<string[]>,
  memoryBytes,
  cpu,
  ...mounts(volumes),
})
