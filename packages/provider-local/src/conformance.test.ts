import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, it } from 'vitest'
import { ref, type Resource, type SecretRef } from '@pilot/core'
import { defineProviderConformance, type ConformanceEnvironment } from '@pilot/core/testing'
import Docker from 'dockerode'
import { openHome, removeHome, stopSupervisor } from '@pilot/host'
import { ensureBaseImages } from '../../../e2e/environments/docker-base-images.ts'
import local from './index.ts'
import { hasOwnUsers } from './process/isolation.ts'
import { createMiniEngine } from './testing/mini-engine.ts'
import { defaultHealth, imageFromNode } from './testing/local-platform.ts'
import { withoutDocker } from './testing/needs-docker.ts'

interface Environment extends ConformanceEnvironment {
  readonly image: string
  /** An artifact of a process, where its user can reach it. */
  readonly folder: string
}

const server = `require('http').createServer((request, response) => response.end('ok')).listen(process.env.PORT)`

async function setUp(): Promise<Environment> {
  await ensureBaseImages(['node:24-slim'])
  const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-conformance-')))
  const image = await imageFromNode(server)
  const folder = join(home.paths.reachable, 'artifacts', 'sample')
  await mkdir(folder, { recursive: true })
  for (const path of [join(folder, '..'), folder]) await chmod(path, 0o755)
  await writeFile(join(folder, 'server.js'), server)
  await writeFile(join(folder, 'handler.js'), 'exports.handler = async () => 1')
  // Another platform of the same home holds the shared parts, so that they are not made anew for every check.
  const platformId = 'f'.repeat(32)
  const provider = await local.connect({ platformId, platformName: 'holder', settings: { runtime: 'docker' }, home: home.dir, secrets: undefined as never })
  const holder = createMiniEngine({ kinds: provider.kinds, platformId, scope: 'platform' })
  await holder.apply(provider.platform({ platformId, name: 'holder' }).resources)
  return {
    settings: { runtime: 'docker' },
    home: home.dir,
    image,
    folder,
    async tearDown() {
      await holder.destroy()
      await stopSupervisor(home, { services: 'stop' })
      await new Docker().getImage(image).remove({ force: true })
      await removeHome(home)
    },
  }
}

const app = { project: 'conformance', app: 'api', environment: 'production' }
const network: Resource = { key: 'network', kind: 'local/docker-network', inputs: { project: 'conformance', app: 'api' } }
const user: Resource = { key: 'user', kind: 'local/app-user', inputs: { system: hasOwnUsers() } }
const account = { folder: ref('user').output('folder'), uid: ref('user').output('uid'), gid: ref('user').output('gid') }
const run = { health: { ...defaultHealth, intervalMs: 100 }, memoryBytes: 128 * 1024 ** 2, running: true }
const commandKey = { worker: 'deployment/d1/worker/mail/0', task: 'deployment/d1/task/release' }
const commands = { worker: ['node', '-e', 'setInterval(() => {}, 1000)'], task: ['node', '-e', 'console.log(1)'] }
const particular = { worker: { process: 'mail', running: true }, task: { task: 'release' } }
const failing = ['node', '-e', 'console.log("no queue"); process.exit(3)']
const queueGraph = (unique: string): Resource[] => [
  user,
  { key: 'queue-data', kind: 'local/process-volume', inputs: { uid: account.uid, gid: account.gid } },
  { key: 'queue', kind: 'local/queue', inputs: { app, folder: ref('queue-data').output('folder'), account, route: `queue-${unique}`, running: true } },
]
const upstream = { host: '127.0.0.1', port: 9 }

/** The suite makes containers too: without an engine all of it is skipped, with that reason. */
const skip = (title: string) => it(title, (test) => test.skip(withoutDocker))
const skipped = Object.assign(skip, { skip })

defineProviderConformance<Environment>(withoutDocker === undefined ? { describe, it, afterAll } : { describe, it: skipped }, {
  provider: local,
  setUp,
  samples: [
    { kind: 'local/edge', graph: () => [{ key: 'edge', kind: 'local/edge', inputs: { running: true } }], change: () => ({ running: true }) },
    { kind: 'local/postgres-cluster', graph: () => [{ key: 'postgres', kind: 'local/postgres-cluster', inputs: { major: 17, running: true } }], change: () => ({ running: true }) },
    { kind: 'local/docker-network', graph: () => [network] },
    { kind: 'local/docker-volume', graph: () => [{ key: 'volume/data', kind: 'local/docker-volume', inputs: { project: 'conformance', app: 'api' } }] },
    {
      kind: 'local/docker-container',
      graph: ({ environment, secret }) => [
        network,
        { key: 'deployment/d1/container-0', kind: 'local/docker-container', inputs: { app, deployment: 'd1', image: environment.image, env: { WORD: secret }, network: ref('network').output('name'), port: 8080, cpu: 0.5, ...run } },
      ],
      change: () => ({ running: true }),
    },
    ...(['worker', 'task'] as const).map((what) => ({
      kind: `local/docker-${what}`,
      graph: ({ environment, secret }: { environment: Environment; secret: SecretRef }): Resource[] => [
        network,
        { key: commandKey[what], kind: `local/docker-${what}`, inputs: { app, deployment: 'd1', image: environment.image, command: commands[what], env: { WORD: secret }, network: ref('network').output('name'), cpu: 0.5, memoryBytes: run.memoryBytes, ...particular[what] } },
      ],
      ...(what === 'worker' ? { change: () => ({ running: true }) } : {}),
      fails: () => ({ command: failing }),
    })),
    { kind: 'local/app-user', graph: () => [user] },
    { kind: 'local/process-volume', graph: () => [user, { key: 'volume/data', kind: 'local/process-volume', inputs: { uid: ref('user').output('uid'), gid: ref('user').output('gid') } }] },
    ...(['worker', 'task'] as const).map((what) => ({
      kind: `local/process-${what}`,
      graph: ({ environment, secret }: { environment: Environment; secret: SecretRef }): Resource[] => [user, { key: commandKey[what], kind: `local/process-${what}`, inputs: { app, deployment: 'd1', folder: environment.folder, command: commands[what], env: { WORD: secret }, account, memoryBytes: run.memoryBytes, ...particular[what] } }],
      ...(what === 'worker' ? { change: () => ({ running: true }) } : {}),
      fails: () => ({ command: failing }),
    })),
    {
      kind: 'local/process',
      graph: ({ environment, secret }) => [user, { key: 'deployment/d1/process-0', kind: 'local/process', inputs: { app, deployment: 'd1', folder: environment.folder, command: ['node', 'server.js'], env: { WORD: secret }, account, ...run } }],
      change: () => ({ running: true }),
    },
    {
      kind: 'local/certificate',
      graph: ({ unique }) => [{ key: `certificate/${unique}.test`, kind: 'local/certificate', inputs: { id: `certificate-${unique}`, app, domain: `${unique}.test`, issuer: { type: 'local' } } }],
      // Nobody answers there: the certificate that it has stays.
      change: () => ({ issuer: { type: 'acme', directory: 'https://127.0.0.1:9/directory' } }),
    },
    { kind: 'local/queue', graph: ({ unique }) => queueGraph(unique), change: () => ({ running: true }) },
    { kind: 'local/queue-consumer', graph: ({ unique }) => [...queueGraph(unique), { key: 'deployment/d1/worker/queue/consumer', kind: 'local/queue-consumer', inputs: { queue: ref('queue').output('service'), deployment: 'd1' } }] },
    {
      kind: 'local/function',
      graph: ({ environment, secret }) => [user, { key: 'deployment/d1/function', kind: 'local/function', inputs: { app, deployment: 'd1', folder: environment.folder, handler: 'handler.handler', timeoutMs: 5_000, atOnce: 2, http: true, env: { WORD: secret }, account, memoryBytes: run.memoryBytes, running: true } }],
      change: () => ({ running: true }),
      fails: () => ({ handler: 'handler.other' }),
    },
    {
      kind: 'local/route',
      graph: ({ unique }) => [{ key: 'traffic', kind: 'local/route', inputs: { id: `route-${unique}`, app, hosts: [`${unique}.localhost`], weights: [] } }],
      change: () => ({ weights: [{ deployment: 'd1', percent: 90, upstreams: [upstream] }, { deployment: 'd2', percent: 10, upstreams: [upstream] }] }),
    },
    {
      kind: 'local/link',
      graph: () => [{ key: 'link/mailer', kind: 'local/link', inputs: { listenHost: '127.0.0.1', callHost: '127.0.0.1', allowFrom: [], to: { route: 'route-mailer' } } }],
      change: () => ({ allowFrom: ['127.0.0.0/8'], to: { postgres: true } }),
    },
    { kind: 'local/database', graph: ({ unique }) => [{ key: 'database', kind: 'local/database', inputs: { name: `db_${unique}` } }] },
    {
      kind: 'local/database-user',
      graph: ({ unique, secret }) => [
        { key: 'database', kind: 'local/database', inputs: { name: `db_${unique}` } },
        { key: 'database-user', kind: 'local/database-user', inputs: { name: `db_${unique}_user`, database: ref('database').output('name'), password: secret, connectionLimit: 5 } },
      ],
      change: () => ({ connectionLimit: 7 }),
    },
  ],
})
