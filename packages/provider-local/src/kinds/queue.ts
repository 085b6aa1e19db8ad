import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { defineKind, type AnyKind, type CreateCall } from '@pilot/core'
import { functionToken, putRoute, putService, readJson, releasePort, removeRoute, removeService, reservePort, serviceStatus, type Home, type Route, type ServiceSpec } from '@pilot/host'
import * as z from 'zod'
import { askQueue } from '../function/ask-queue.ts'
import { queueVariable, type QueueConfig } from '../function/program/queue-config.ts'
import { functionPrograms } from '../function/programs.ts'
import { isQueueKey } from '../compute/keys.ts'
import { assertOurs } from '../ownership.ts'
import { nodeFolder } from '../process/programs.ts'
import { listMarked, markOf, readOwner, type Marked } from './marks.ts'
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
  const path = (id: string): string => join(home.paths.services, `${id}.json`)
  const read = (id: string): Promise<StoredQueue | undefined> => readJson<StoredQueue>(path(id))
  const outputsOf = ({ name, port }: StoredQueue): z.output<typeof outputs> => ({ service: name, port })

  const put = async ({ owner, name, inputs: { app, folder, account, route } }: Pick<CreateCall<Inputs>, 'owner' | 'name' | 'inputs'>): Promise<void> => {
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

    async create(call) {
      const { name } = call
      const found = await readOwner(path(name))
      if (found) assertOurs({ found, owner: call.owner, title: `The queue ${name}` })
      const routed = await readOwner(join(home.paths.routes, `${call.inputs.route}.json`))
      if (routed) assertOurs({ found: routed, owner: call.owner, title: `The route ${call.inputs.route}` })
      await call.checkpoint()
      await put(call)
      return { id: name }
    },
    async settle({ id, signal }) {
      const queue = await read(id)
      if (!queue) return { status: 'failed', reason: `The queue ${id} is gone` }
      const answers = await askQueue(home, { service: id, port: queue.port, path: '/state', body: { deadMessages: 0 }, signal }).then(() => true, () => false)
      return answers ? { status: 'ready', outputs: outputsOf(queue) } : { status: 'pending', retryAfterMs: 50, message: 'starting the queue' }
    },
    async read({ id }) {
      const queue = await read(id)
      if (!queue) return undefined
      const state = serviceStatus(home, id)?.state
      const isRunning = state !== undefined && state !== 'exited' && state !== 'failed'
      // A value that the schema does not know is how a reading says "not running".
      return { inputs: { app: queue.app, folder: queue.cwd, route: queue.route, running: isRunning as true }, outputs: outputsOf(queue) }
    },
    async list({ platformId }) {
      const listed = await listMarked({ folder: home.paths.services, platformId, title: (id) => `queue ${id}` })
      return listed.filter(({ owner }) => isQueueKey(owner.key))
    },
    async update(call) {
      await call.checkpoint()
      await put({ ...call, name: call.id })
      return {}
    },
    async delete({ id, recorded, checkpoint }) {
      await checkpoint()
      const route = (await read(id))?.route ?? recorded.route
      if (route !== undefined) await removeRoute(home, route)
      await removeService(home, id)
      await releasePort(home, portName(id))
      await removeLog(home, id)
      return {}
    },
  })
}

const portName = (id: string): string => `queue/${id}`

async function removeLog(home: Home, id: string): Promise<void> {
  const file = join(home.paths.logs, `${id}.log`)
  await Promise.all([file, `${file}.1`, `${file}.times`].map((each) => rm(each, { force: true })))
}
