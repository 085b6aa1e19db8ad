import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PilotError } from '@pilot/core'
import type Docker from 'dockerode'
import { engineError } from './errors.ts'
import { findEngine, isOnThisMachine, type EngineAddress } from './find-engine.ts'

export interface Engine {
  readonly docker: Docker
  readonly address: EngineAddress
  /** `20.10.24+dfsg1`, or whatever it calls itself. */
  readonly version: string
  readonly apiVersion: string
  /** As images write it: `amd64`, `arm64`. */
  readonly architecture: string
  readonly cpus: number
  readonly memoryBytes: number
  /** Whether `docker-init` is there, which passes signals on and reaps children for programs that do not. */
  readonly hasInit: boolean
  readonly rootDirectory: string
  /** Run by an ordinary user, in a network of its own: containers do not reach this machine. */
  readonly isRootless: boolean
  readonly isPodman: boolean
}

/**
 * The engine, found and asked once it is needed. A failure is not remembered: an engine that was started in the meantime is found.
 * Throws ENGINE_NOT_INSTALLED, ENGINE_STOPPED, ENGINE_DENIED, ENGINE_REMOTE.
 */
export function lazyEngine(find: () => EngineAddress = findEngine): () => Promise<Engine> {
  let engine: Promise<Engine> | undefined
  return () => {
    engine ??= openEngine(find()).catch((error: unknown) => {
      engine = undefined
      throw error
    })
    return engine
  }
}

export async function openEngine(address: EngineAddress): Promise<Engine> {
  if (!isOnThisMachine(address)) {
    throw new PilotError('ENGINE_REMOTE', `The Docker engine is on another machine: ${address.url}`, { reason: `${address.via} says so, and the ports of its containers would open there.` })
  }
  // Some 30 MB with what it brings: only for those who have an engine, and once they use it.
  const { default: Dockerode } = await import('dockerode')
  const docker = new Dockerode(clientOptions(address))
  try {
    const [version, info] = await Promise.all([docker.version(), docker.info()])
    return {
      docker,
      address,
      version: version.Version,
      apiVersion: version.ApiVersion,
      architecture: version.Arch,
      cpus: info.NCPU,
      memoryBytes: info.MemTotal,
      hasInit: Boolean(info.InitBinary) && info.InitCommit?.ID !== 'N/A',
      rootDirectory: info.DockerRootDir,
      isRootless: ((info.SecurityOptions ?? []) as string[]).some((option) => option.includes('rootless')),
      isPodman: (version.Components ?? []).some(({ Name }) => Name.includes('Podman')),
    }
  } catch (error) {
    throw engineError(error, `The Docker engine at ${address.url}`, address)
  }
}

function clientOptions({ url, certificates }: EngineAddress): Docker.DockerOptions {
  if (url.startsWith('unix://')) return { socketPath: url.slice('unix://'.length) }
  if (url.startsWith('npipe://')) return { socketPath: url.slice('npipe://'.length) }
  const { hostname, port, protocol } = new URL(url)
  const tls = certificates !== undefined && existsSync(join(certificates, 'cert.pem'))
  const read = (name: string): Buffer => readFileSync(join(certificates!, name))
  return {
    host: hostname,
    port: port || (tls ? 2376 : 2375),
    protocol: tls || protocol === 'https:' ? 'https' : 'http',
    ...(tls ? { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') } : {}),
  } as Docker.DockerOptions
}
