import { PilotError, ref, type Compute, type DeploymentSpec, type Input, type InvokeCall } from '@pilot/core'
import { readJson } from '@pilot/host'
import { join } from 'node:path'
import { callFunction } from '../function/ask.ts'
import { queueRouteId } from '../ownership.ts'
import { keys } from './keys.ts'
import { processCompute } from './process.ts'
import { queueAdministration } from './queue-administration.ts'
import { processesOf } from './process-status.ts'
import type { StoredService } from '../kinds/process.ts'

/** Functions: processes that run while there are events. Users, commands, logs and traffic are those of apps that run as processes. */
export function functionCompute({ home, platformId, https }: Parameters<typeof processCompute>[0]): Compute {
  const { app, task, traffic, link, run, exec, drain, counters, status, logs } = processCompute({ home, platformId, https })
  return {
    app(spec) {
      const own = app(spec)
      if (!spec.queue) return own
      const account = { folder: own.outputs['folder'] as Input<string>, uid: own.outputs['uid'] as Input<number>, gid: own.outputs['gid'] as Input<number> }
      return {
        resources: [
          ...own.resources,
          { key: keys.queueData, kind: 'local/process-volume', inputs: { uid: account.uid, gid: account.gid } },
          { key: keys.queue, kind: 'local/queue', inputs: { app: { ...spec.app }, folder: ref(keys.queueData).output('folder'), account, route: queueRouteId(platformId, spec.app), running: true } },
        ],
        outputs: { ...own.outputs, queueService: ref(keys.queue).output('service'), queuePort: ref<number>(keys.queue).output('port') },
      }
    },

    consumer({ deployment, appOutputs }) {
      return { resources: [{ key: keys.consumer(deployment), kind: 'local/queue-consumer', inputs: { queue: appOutputs['queueService'] as Input<string>, deployment } }], outputs: {} }
    },

    deployment(spec) {
      const key = keys.function(spec.deployment)
      return {
        resources: [{ key, kind: 'local/function', inputs: functionInputs(spec) }],
        outputs: { address: ref(key).output('address'), upstreams: [{ host: ref(key).output('host'), port: ref<number>(key).output('port') }] },
      }
    },

    async invoke({ app, deployment, event, signal }: InvokeCall) {
      const found = (await processesOf({ home, platformId }, app)).find((service) => service.deployment === deployment)
      const service = found && (await readJson<StoredService>(join(home.paths.services, `${found.name}.json`)))
      if (!service) throw new PilotError('NOT_ALLOWED_NOW', `Nothing of ${app.project}/${app.app} runs that could be called`, { suggestion: '`status` shows what runs; `start` brings back what was stopped.' })
      return callFunction(home, { name: service.name, port: service.port, event, signal })
    },

    queue: queueAdministration({ home, platformId }),
    traffic,
    ...(task ? { task } : {}),
    ...(link ? { link } : {}),
    ...(run ? { run } : {}),
    ...(exec ? { exec } : {}),
    ...(drain ? { drain } : {}),
    ...(counters ? { counters } : {}),
    status,
    ...(logs ? { logs } : {}),
  }
}

function functionInputs({ app, deployment, artifact, env, memoryBytes, instances, appOutputs, function: called }: DeploymentSpec) {
  if (!called) throw new PilotError('USAGE', `${app.project}/${app.app} names no handler`, { suggestion: 'Write `function: src/index.handler` into pilot.yaml.' })
  return {
    app: { ...app },
    deployment,
    folder: artifact.location,
    env: { ...env },
    account: { folder: appOutputs['folder'] as Input<string>, uid: appOutputs['uid'] as Input<number>, gid: appOutputs['gid'] as Input<number> },
    memoryBytes,
    handler: called.handler,
    timeoutMs: called.timeoutMs,
    http: called.http,
    ...(called.queue ? { queue: { service: appOutputs['queueService'] as Input<string>, port: appOutputs['queuePort'] as Input<number>, ...called.queue } } : {}),
    atOnce: instances,
    running: true,
  }
}
