import { PilotError, ref, volumeVariable, type CommandSpec, type Compute, type DeploymentSpec, type Input } from '@pilot/core'
import type { Home } from '@pilot/host'
import { queueRouteId, routeId } from '../ownership.ts'
import { hasOwnUsers } from '../process/isolation.ts'
import { createCounters } from './counters.ts'
import { keys } from './keys.ts'
import { processVolumeSizes } from './volume-sizes.ts'
import { processLogs } from './process-logs.ts'
import { processExec, processRun } from './process-one-off.ts'
import { processStatus } from './process-status.ts'
import { createDrain, trafficBlueprint, type Https } from './traffic.ts'

/** Apps as supervised processes: where there is no engine, or no Dockerfile. */
export function processCompute({ home, platformId, https }: { home: Home; platformId: string; https: Https }): Compute {
  return {
    app() {
      const account = ref(keys.user)
      return {
        resources: [{ key: keys.user, kind: 'local/app-user', inputs: { system: hasOwnUsers() } }],
        outputs: { folder: account.output('folder'), uid: account.output('uid'), gid: account.output('gid') },
      }
    },

    deployment(spec) {
      const instances = Array.from({ length: spec.instances }, (_, index) => keys.process(spec.deployment, index))
      return {
        resources: instances.map((key) => ({ key, kind: 'local/process', inputs: processInputs(spec) })),
        outputs: {
          ...(instances[0] ? { address: ref(instances[0]).output('address') } : {}),
          upstreams: instances.map((key) => ({ host: ref(key).output('host'), port: ref<number>(key).output('port') })),
        },
      }
    },

    worker: (spec) => ({
      resources: Array.from({ length: spec.instances }, (_, index) => ({ key: keys.worker(spec.deployment, spec.process, index), kind: 'local/process-worker', inputs: { ...programInputs(spec), process: spec.process, running: true } })),
      outputs: {},
    }),
    task: (spec) => ({ resources: [{ key: keys.task(spec.deployment, spec.task), kind: 'local/process-task', inputs: { ...programInputs(spec), task: spec.task } }], outputs: {} }),

    /** Its own path is not one that a process can have: the file system is that of the machine. */
    volume({ app, volume, path, appOutputs }) {
      if (path !== undefined) {
        throw new PilotError('USAGE', `${app.project}/${app.app} runs as a process, which has no ${path} of its own`, {
          reason: 'A process sees the files of this machine. A volume is a folder of its own there.',
          suggestion: `Write \`volumes: { ${volume}: {} }\`, and let the app use the folder that $${volumeVariable(volume)} names; containers find it there too. With a Dockerfile it has ${path}.`,
        })
      }
      const key = keys.volume(volume)
      const account = { uid: appOutputs['uid'] as Input<number>, gid: appOutputs['gid'] as Input<number> }
      return { resources: [{ key, kind: 'local/process-volume', inputs: account }], outputs: { path: ref(key).output('folder') } }
    },
    volumeSizes: processVolumeSizes({ home, platformId }),

    traffic: (spec) => trafficBlueprint({ platformId, https }, spec),

    /** A listener on 127.0.0.1: any process of this machine reaches it, which is what "no isolation" means. */
    link({ to, queue }) {
      const key = queue ? keys.queueLink(to.app) : keys.link(to.app)
      return {
        resources: [{ key, kind: 'local/link', inputs: { listenHost: '127.0.0.1', callHost: '127.0.0.1', allowFrom: [], to: { route: queue ? queueRouteId(platformId, to) : routeId(platformId, to) } } }],
        outputs: { url: ref(key).output('url') },
      }
    },

    run: processRun(home),
    exec: processExec(home, platformId),
    drain: createDrain(home, platformId),
    counters: createCounters(home, platformId),
    status: (call) => processStatus({ home, platformId }, call),
    logs: (call) => processLogs({ home, platformId }, call),
  }
}

function processInputs(spec: DeploymentSpec) {
  const { app, artifact, command, health } = spec
  const start = command ?? artifact.command
  if (!start || start.length === 0) throw new PilotError('USAGE', `${app.project}/${app.app} has no command to start with`, { suggestion: 'Write `command:` into pilot.yaml, or a Procfile with a `web:` line.' })
  return { ...programInputs({ ...spec, command: start }), health: { ...health }, running: true }
}

function programInputs({ app, deployment, artifact, command, env, memoryBytes, logShare, appOutputs }: Omit<CommandSpec, 'cpu'> & { readonly logShare?: number }) {
  return {
    app: { ...app },
    deployment,
    folder: artifact.location,
    command: [...command],
    env: { ...env },
    account: { folder: appOutputs['folder'] as Input<string>, uid: appOutputs['uid'] as Input<number>, gid: appOutputs['gid'] as Input<number> },
    memoryBytes,
    ...(logShare === undefined ? {} : { logShare }),
  }
}
