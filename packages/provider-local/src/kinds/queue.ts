import { join } from 'node:path'
import { defineKind, type AnyKind } from '@pilot/core'
import { functionToken, putRoute, putService, removeRoute, reservePort, type Home, type Route, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { askQueue } from '../function/ask-queue.ts'
import { queueVariable, type QueueConfig } from '../function/program/queue-config.ts'
import { functionPrograms } from '../function/programs.ts'
import { assertOurs } from '../ownership.ts'
import { nodeFolder } from '../process/programs.ts'
import { markOf, readOwner, type Marked } from './marks.ts'
import { readService, serviceGone, serviceHandlers, type PutCall } from './service-handlers.ts'
import { programInputs, userOf } from './service-parts.ts'
import { appIdentity, freeOfCharge } from './shared.ts'

const inputs = z.object({
  app: appIdentity,
  /** Where its messages lie: a volume, which outlives it. */
  folder: z.string(),
  account: programInputs.account,
  /** The route by which others send: known before the queue exists. */
  route: z.string(),
  running: z.literal(true),
})
const outputs = z.object({ service: z.string(), port: z.number() })

type Inputs = z.output<typeof inputs>

export interface StoredQueue extends Marked {
  readonly name: string
  readonly app: Inputs['app']
  readonly cwd: string
  readonly route: string
  readonly port: number
}

const memoryBytes = 512 * 1024 ** 2

/** The queue of an app, as a service of the supervisor that runs with the app's user and knows no deployment. */
export function queueKind(home: Home): AnyKind {
  const outputsOf = ({ name, port }: StoredQueue): z.output<typeof outputs> => ({ service: name, port })

  const put = async ({ owner, name, inputs: { app, folder, account, route } }: PutCall<Inputs>): Promise<void> => {
    const port = await reservePort(home, portName(name))
    const user = userOf(account)
    const config: QueueConfig = { folder, port, token: functionToken(home, name) }
    const spec: ServiceSpec & StoredQueue = {
      name,
      command: join(await nodeFolder(home, user), 'node'),
      args: ['--max-semi-space-size=2', '--disable-warning=ExperimentalWarning', (await functionPrograms(home)).queue],
      cwd: folder,
      env: { HOME: account.folder },
      secretEnv: { [queueVariable]: JSON.stringify(config) },
      ...(user ? { user } : {}),
      logFile: join(home.paths.logs, `${name}.log`),
      restart: { when: 'always' },
      memoryBytes,
      // Before those who take from it, and after them when all stops.
      order: 55,
      owner: markOf(owner),
      app,
      process: 'queue',
      route,
      port,
    }
    await putService(home, spec)
    const byRoute: Route & Marked = { id: route, app, hosts: [], weights: [{ deployment: 'queue', percent: 100, upstreams: [{ host: '127.0.0.1', port }] }], owner: markOf(owner) }
    await putRoute(home, byRoute)
  }

  return defineKind({
    kind: 'local/queue',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['app', 'folder', 'route'], ignored: ['account'] },
    identity: 'name',
    consistencyMs: 0,
    exclusive: true,
    permissions: ['the folder of this home'],
    cost: freeOfCharge,
    exposure: () => [{ what: 'a port of 127.0.0.1, which takes messages', to: 'machine' }],

    ...serviceHandlers({
      home,
      role: 'queue',
      async check({ inputs, owner }) {
        const routed = await readOwner(join(home.paths.routes, `${inputs.route}.json`))
        if (routed) assertOurs({ found: routed, owner, title: `The route ${inputs.route}` })
      },
      put,
      inputsOf: ({ app, cwd: folder, route }: StoredQueue, running) => ({ app, folder, route, running }),
      outputsOf,
      async removeFirst({ recorded }, queue) {
        const route = queue?.route ?? recorded.route
        if (route !== undefined) await removeRoute(home, route)
      },
      portName,
    }),
    async settle({ id, signal }) {
      const queue = await readService<StoredQueue>(home, id)
      if (!queue) return serviceGone(id)
      const answers = await askQueue(home, { service: id, port: queue.port, path: '/state', body: { deadMessages: 0 }, signal }).then(() => true, () => false)
      return answers ? { status: 'ready', outputs: outputsOf(queue) } : { status: 'pending', retryAfterMs: 50, message: 'starting the queue' }
    },
  })
}

const portName = (id: string): string => `queue/${id}`
