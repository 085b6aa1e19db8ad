import { randomBytes } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AppIdentity, BuildCall, Capabilities, DeploymentSpec, SecretRef, SecretStore } from '@pilot/core'
import { openHome, removeHome, reservedPorts, stopSupervisor, type Home } from '@pilot/host'
import { pack } from 'tar-stream'
import Docker from 'dockerode'
import { connect } from '../connect.ts'
import type { Settings } from '../settings.ts'
import { createMiniEngine, type MiniEngine } from './mini-engine.ts'

/** A platform in a temporary home, and what a test needs to deploy to it. Everything it made goes with `stop`. */
export interface LocalPlatform {
  readonly home: Home
  readonly platformId: string
  readonly provider: Capabilities
  readonly secrets: SecretStore
  /** One engine per app, kept until the end. */
  app(name: string, environment?: string): { readonly identity: AppIdentity; readonly engine: MiniEngine }
  stop(): Promise<void>
}

export async function startLocalPlatform({ runtime = 'docker', ...more }: Partial<Settings> = {}): Promise<LocalPlatform> {
  const home = await openHome(await mkdtemp(join(tmpdir(), 'pilot-local-')))
  const platformId = randomBytes(16).toString('hex')
  const secrets = memorySecrets()
  const provider = await connect({ platformId, platformName: 'test', settings: { runtime, ...more }, home: home.dir, secrets })
  const platform = createMiniEngine({ kinds: provider.kinds, platformId, scope: 'platform', secrets })
  await platform.apply(provider.platform({ platformId, name: 'test' }).resources)
  const apps = new Map<string, { identity: AppIdentity; engine: MiniEngine }>()
  return {
    home,
    platformId,
    provider,
    secrets,
    app(name, environment = 'production') {
      const scope = `app/shop/${name}/${environment}`
      const app = apps.get(scope) ?? { identity: { project: 'shop', app: name, environment }, engine: createMiniEngine({ kinds: provider.kinds, platformId, scope, secrets }) }
      apps.set(scope, app)
      return app
    },
    async stop() {
      for (const { engine } of [...apps.values()].reverse()) await engine.destroy()
      await platform.destroy()
      await provider.close()
      if (runtime === 'docker') await removeImages(platformId)
      const ports = await reservedPorts(home)
      await stopSupervisor(home, { services: 'stop' })
      await removeHome(home)
      if (Object.keys(ports).length > 0) throw new Error(`Ports are still reserved: ${Object.keys(ports).join(', ')}`)
    },
  }
}

async function removeImages(platformId: string): Promise<void> {
  const docker = new Docker()
  for (const { Id } of await docker.listImages({ filters: { reference: [`pilot-${platformId.slice(0, 8)}/*/*`] } })) await docker.getImage(Id).remove({ force: true }).catch(() => {})
}

export const noSignal = (): AbortSignal => new AbortController().signal

/** An image of the local node image and one file, built without a platform; returns its id, which no other call returns: whoever made it may delete it. */
export async function imageFromNode(code: string): Promise<string> {
  const docker = new Docker()
  const name = randomBytes(6).toString('hex')
  const { openSource } = sourceOf({ Dockerfile: `FROM node:24-slim\nLABEL name=${name}\nCOPY server.js /app/server.js\nUSER node\nCMD ["node", "/app/server.js"]\n`, 'server.js': code })
  const tag = `pilot-test:${name}`
  const response = await docker.buildImage(await openSource(), { t: tag, rm: true })
  await new Promise<void>((resolve, reject) => docker.modem.followProgress(response, (error: Error | null) => (error ? reject(error) : resolve())))
  return (await docker.getImage(tag).inspect()).Id
}

/** A source from texts by path. */
export function sourceOf(files: Readonly<Record<string, string>>): Pick<BuildCall, 'openSource' | 'sourceDigest' | 'facts'> {
  return {
    sourceDigest: `sha256:${randomBytes(32).toString('hex')}`,
    facts: { files: Object.keys(files).sort(), text: (path) => files[path] },
    async openSource() {
      const tar = pack()
      for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: name.endsWith('.sh') ? 0o755 : 0o644 }, content)
      tar.finalize()
      return tar as unknown as NodeJS.ReadableStream
    },
  }
}

export const defaultHealth: DeploymentSpec['health'] = { path: '/', acceptBelow: 500, intervalMs: 250, timeoutMs: 2_000, graceMs: 20_000 }

function memorySecrets(): SecretStore {
  const values = new Map<string, string[]>()
  const refOf = (name: string, version: number): SecretRef => ({ $secret: { store: 'test', name, version } })
  return {
    name: 'test',
    async put(name, value) {
      values.set(name, [...(values.get(name) ?? []), value])
      return refOf(name, values.get(name)!.length)
    },
    async ensure(name, create) {
      if (!values.has(name)) values.set(name, [create()])
      return refOf(name, values.get(name)!.length)
    },
    get: async ({ $secret: { name, version } }) => values.get(name)![version - 1]!,
    list: async () => [],
    remove: async () => {},
    purge: async () => {},
    fingerprint: async (value) => value,
  }
}
