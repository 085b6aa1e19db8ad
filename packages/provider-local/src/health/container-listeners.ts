import { readFile } from 'node:fs/promises'
import type { HealthCheck } from '@pilot/core'
import type { ContainerInspectInfo } from 'dockerode'
import type { Engine } from '../engine/engine.ts'
import { linesOf } from '../engine/log-stream.ts'
import { listenersOfNamespace, parseListeners, type Listener } from './listening.ts'
import { probe } from './probe.ts'

export interface ContainerListeners {
  readonly found: readonly Listener[]
  /** Whether a port other than the expected one answers HTTP; false where the container's address cannot be reached from here. */
  otherPortAnswers(expectedPort: number, health: HealthCheck): Promise<boolean>
}

/** Which ports the programs in a container listen on: read from this machine's /proc, else by a command inside; undefined if neither works. */
export async function containerListeners(engine: Engine, container: ContainerInspectInfo): Promise<ContainerListeners | undefined> {
  const found = (await fromThisMachine(container)) ?? (await fromInside(engine, container))
  if (!found) return undefined
  return {
    found,
    async otherPortAnswers(expectedPort, { path, timeoutMs }) {
      const other = found.find(({ port, loopbackOnly }) => port !== expectedPort && !loopbackOnly)
      const [network] = Object.values(container.NetworkSettings.Networks)
      if (!other || !network?.IPAddress || found.some(({ port }) => port === expectedPort)) return false
      return (await probe({ host: network.IPAddress, port: other.port, path, timeoutMs: Math.min(timeoutMs, 1_000) })).kind === 'answered'
    },
  }
}

/** Only when the process id is one of ours: an engine in a virtual machine counts its own, and they may exist here by chance. */
async function fromThisMachine({ Id, State }: ContainerInspectInfo): Promise<readonly Listener[] | undefined> {
  if (process.platform !== 'linux' || !State.Pid) return undefined
  const groups = await readFile(`/proc/${State.Pid}/cgroup`, 'utf8').catch(() => '')
  return groups.includes(Id) ? listenersOfNamespace(State.Pid) : undefined
}

async function fromInside({ docker }: Engine, { Id }: ContainerInspectInfo): Promise<readonly Listener[] | undefined> {
  try {
    const exec = await docker.getContainer(Id).exec({ Cmd: ['cat', '/proc/net/tcp', '/proc/net/tcp6'], AttachStdout: true })
    const stream = await exec.start({})
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk as Buffer)
    const lines = linesOf(Buffer.concat(chunks))
    return lines.length > 0 ? parseListeners(lines.join('\n')) : undefined
  } catch {
    return undefined
  }
}
