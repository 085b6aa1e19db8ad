import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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
  let heardAt = 0
  let looking: Promise<void> | undefined
  return async () => {
    engine ??= openEngine(find()).then(
      (opened) => {
        heardAt = performance.now()
        return opened
      },
      (error: unknown) => {
        engine = undefined
        throw error
      },
    )
    const opened = await engine
    if (performance.now() - heardAt < freshMs) return opened
    looking ??= look(opened).finally(() => (looking = undefined))
    await looking
    heardAt = performance.now()
    return opened
  }
}

/** One that answered a moment ago is not asked again. */
const freshMs = 5_000

/** Whether one that was there before still is, before anything waits for it: most of its calls may take any time. */
async function look({ docker, address }: Engine): Promise<void> {
  try {
    await answered(docker.ping(), address)
  } catch (error) {
    throw engineError(error, `The Docker engine at ${address.url}`, address)
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
    const [version, info] = await answered(Promise.all([docker.version(), docker.info()]), address)
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

/** A busy engine takes seconds for this; one that takes longer is stuck. */
const answerMs = 20_000

/** An engine that is frozen takes the connection, and says nothing for ever. */
async function answered<T>(asked: Promise<T>, { url, via }: EngineAddress): Promise<T> {
  const heard = new AbortController()
  const silence = sleep(answerMs, undefined, { signal: heard.signal, ref: false }).then(() => {
    throw new PilotError('ENGINE_STOPPED', `The Docker engine does not answer within ${answerMs / 1000} s`, { reason: `It took the connection and said nothing (${via}, ${url}).`, suggestion: 'Look at it (`systemctl status docker`, or Docker Desktop), restart it if it is stuck, and run the command again.' })
  })
  silence.catch(() => {})
  return await Promise.race([asked, silence]).finally(() => heard.abort())
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
