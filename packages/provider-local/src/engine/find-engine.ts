import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { PilotError } from '@pilot/core'

/** Where an engine may answer, and how we came to think so. */
export interface EngineAddress {
  /** As DOCKER_HOST writes it: `unix:///var/run/docker.sock`. */
  readonly url: string
  /** For people: "DOCKER_HOST", "the context colima", "Docker Desktop". */
  readonly via: string
  /** Folder with ca.pem, cert.pem and key.pem, for TLS. */
  readonly certificates?: string
}

export interface EngineEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
}

const currentEnvironment = (): EngineEnvironment => ({ env: process.env, home: homedir() })

/**
 * Finds the engine as the docker command does: DOCKER_HOST, then DOCKER_CONTEXT or the current context, then the default socket.
 * Only when none of these says anything, the sockets where desktop programs and Podman put theirs. Opens no connection.
 */
export function findEngine({ env, home }: EngineEnvironment = currentEnvironment()): EngineAddress {
  const host = env['DOCKER_HOST']
  if (host) return { url: normalise(host), via: 'DOCKER_HOST', ...(env['DOCKER_TLS_VERIFY'] ? { certificates: env['DOCKER_CERT_PATH'] ?? join(home, '.docker') } : {}) }

  const configFolder = env['DOCKER_CONFIG'] ?? join(home, '.docker')
  const context = env['DOCKER_CONTEXT'] ?? currentContext(configFolder)
  if (context !== undefined && context !== 'default') return contextAddress(configFolder, context)

  const socket = wellKnownSockets({ env, home }).find(({ path }) => existsSync(path))
  return socket ? { url: `unix://${socket.path}`, via: socket.via } : { url: 'unix:///var/run/docker.sock', via: 'the default socket' }
}

/** Whether a program that would run an engine is there: tells "stopped" from "not installed". */
export function isEngineInstalled({ env, home }: EngineEnvironment = currentEnvironment()): boolean {
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'].filter(Boolean)
  const programs = ['dockerd', 'podman', 'colima', 'orb', 'rancher-desktop']
  const applications = ['/Applications/Docker.app', '/Applications/OrbStack.app', '/opt/docker-desktop', join(home, '.docker/desktop')]
  return programs.some((program) => folders.some((folder) => existsSync(join(folder, program)))) || applications.some((path) => existsSync(path))
}

/** An engine behind ssh or on another host publishes its ports there, where neither the edge nor the health check reaches them. */
export function isOnThisMachine({ url }: EngineAddress): boolean {
  if (url.startsWith('unix://') || url.startsWith('npipe://')) return true
  if (url.startsWith('ssh://')) return false
  return ['localhost', '127.0.0.1', '[::1]'].includes(new URL(url).hostname)
}

function wellKnownSockets({ env, home }: EngineEnvironment): { path: string; via: string }[] {
  const runtime = env['XDG_RUNTIME_DIR']
  return [
    { path: '/var/run/docker.sock', via: 'the default socket' },
    { path: join(home, '.docker/run/docker.sock'), via: 'Docker Desktop' },
    { path: join(home, '.docker/desktop/docker.sock'), via: 'Docker Desktop' },
    { path: join(home, '.orbstack/run/docker.sock'), via: 'OrbStack' },
    { path: join(home, '.colima/default/docker.sock'), via: 'Colima' },
    { path: join(home, '.config/colima/default/docker.sock'), via: 'Colima' },
    { path: join(home, '.rd/docker.sock'), via: 'Rancher Desktop' },
    ...(runtime ? [{ path: join(runtime, 'docker.sock'), via: 'rootless Docker' }, { path: join(runtime, 'podman/podman.sock'), via: 'Podman' }] : []),
    { path: join(home, '.local/share/containers/podman/machine/podman.sock'), via: 'Podman' },
    { path: '/run/podman/podman.sock', via: 'Podman' },
  ]
}

function currentContext(configFolder: string): string | undefined {
  const config = readJson(join(configFolder, 'config.json')) as { currentContext?: string } | undefined
  return config?.currentContext
}

/** The docker command stores a context in a folder named after the hash of its name. */
function contextAddress(configFolder: string, name: string): EngineAddress {
  const folder = createHash('sha256').update(name).digest('hex')
  const meta = readJson(join(configFolder, 'contexts/meta', folder, 'meta.json')) as { Endpoints?: { docker?: { Host?: string } } } | undefined
  const url = meta?.Endpoints?.docker?.Host
  if (!url) {
    throw new PilotError('ENGINE_NOT_INSTALLED', `The Docker context ${name} does not exist`, {
      reason: `Neither DOCKER_HOST nor ${join(configFolder, 'contexts')} says where its engine is.`,
      suggestion: 'List the contexts with `docker context ls` and choose one with `docker context use`.',
    })
  }
  const certificates = join(configFolder, 'contexts/tls', folder, 'docker')
  return { url: normalise(url), via: `the context ${name}`, ...(existsSync(certificates) ? { certificates } : {}) }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

const normalise = (host: string): string => (host.includes('://') ? host : `tcp://${host}`)
