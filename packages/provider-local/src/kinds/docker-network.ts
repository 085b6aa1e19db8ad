import { defineKind, PilotError, type AnyKind } from '@pilot/core'
import { isPortFree, type Home } from '@pilot/host'
import type { NetworkInspectInfo } from 'dockerode'
import * as z from 'zod'
import { removeAbandoned } from '../compute/container-one-off.ts'
import { forgetEndedLogs } from '../compute/ended-logs.ts'
import type { Engine } from '../engine/engine.ts'
import { engineError, engineText, orAbsent } from '../engine/errors.ts'
import { assertOurs, labels, ownerLabels, ownerOfLabels, platformFilter } from '../ownership.ts'
import { freeOfCharge } from './shared.ts'

const inputs = z.object({
  /** For people who look at `docker network ls`. */
  project: z.string(),
  app: z.string(),
})

const outputs = z.object({
  name: z.string(),
  /** Where the edge listens for the containers of this network. */
  listenHost: z.string(),
  /** The name by which those containers reach that listener. */
  callHost: z.string(),
  /** What containers need in /etc/hosts to know that name. */
  extraHosts: z.array(z.string()),
  /** Who may connect there; empty: whoever reaches it. */
  allowFrom: z.array(z.string()),
})

/** The network of one app. Docker keeps networks apart from each other, so what an app may reach is decided by its links alone. */
export function dockerNetworkKind(engine: () => Promise<Engine>, home: Home): AnyKind {
  return defineKind({
    kind: 'local/docker-network',
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['project', 'app'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['the Docker socket'],
    cost: freeOfCharge,
    exposure: () => [],

    async create({ owner, name, inputs, checkpoint }) {
      const { docker } = await engine()
      // Docker lets two networks have one name; the lease keeps a second creator away.
      const existing = await find(await engine(), name)
      if (existing) {
        assertOurs({ found: ownerOfLabels(existing.Labels), owner, title: `The Docker network ${name}` })
        return { id: existing.Id }
      }
      await checkpoint()
      try {
        const network = await docker.createNetwork({
          Name: name,
          Driver: 'bridge',
          CheckDuplicate: true,
          Labels: { ...ownerLabels(owner), [labels.project]: inputs.project, [labels.app]: inputs.app },
        })
        return { id: network.id }
      } catch (error) {
        throw /non-overlapping IPv4/.test(engineText(error)) ? addressesUsedUp(error) : engineError(error, `The network ${name}`)
      }
    },

    async settle({ id }) {
      const network = await inspect(await engine(), id)
      return network ? { status: 'ready', outputs: await outputsOf(network) } : { status: 'failed', reason: `The Docker network ${id.slice(0, 12)} is gone` }
    },

    async read({ id }) {
      const network = await inspect(await engine(), id)
      if (!network) return undefined
      const { [labels.project]: project, [labels.app]: app } = network.Labels ?? {}
      return { inputs: { ...(project ? { project } : {}), ...(app ? { app } : {}) }, outputs: await outputsOf(network) }
    },

    async list({ platformId }) {
      const { docker } = await engine()
      const networks = await docker.listNetworks({ filters: platformFilter(platformId) }).catch((error: unknown) => {
        throw engineError(error, 'The list of networks')
      })
      return networks.map((network) => ({ id: network.Id, owner: ownerOfLabels(network.Labels), title: `Docker network ${network.Name}` }))
    },

    async delete({ id, owner, checkpoint }) {
      const client = await engine()
      const { docker } = client
      await checkpoint()
      await removeAbandoned(client, owner.platformId)
      try {
        await orAbsent(docker.getNetwork(id).remove())
      } catch (error) {
        const text = engineText(error)
        if (/has active endpoints/.test(text)) throw new PilotError('BLOCKED', `The Docker network ${id.slice(0, 12)} is in use`, { reason: text, cause: error })
        throw engineError(error, `The network ${id.slice(0, 12)}`)
      }
      await forgetEndedLogs(home, owner)
      return {}
    },
  })
}

async function inspect({ docker }: Engine, id: string): Promise<NetworkInspectInfo | undefined> {
  try {
    return await orAbsent(docker.getNetwork(id).inspect() as Promise<NetworkInspectInfo>)
  } catch (error) {
    throw engineError(error, `The network ${id.slice(0, 12)}`)
  }
}

async function find({ docker }: Engine, name: string): Promise<NetworkInspectInfo | undefined> {
  const networks = await docker.listNetworks({ filters: { name: [name] } }).catch((error: unknown) => {
    throw engineError(error, `The network ${name}`)
  })
  return networks.find((network) => network.Name === name)
}

/**
 * On Linux the gateway of the network is an address of this machine, and the edge listens there, for this network alone.
 * Elsewhere the engine runs in a virtual machine that forwards `host.docker.internal` to 127.0.0.1 of this one, where a listener
 * cannot tell one container from another.
 */
async function outputsOf(network: NetworkInspectInfo): Promise<z.output<typeof outputs>> {
  const range = network.IPAM?.Config?.find((range) => range['Gateway'] && !range['Gateway'].includes(':'))
  const gateway = range?.['Gateway']?.split('/')[0]
  // The list of interfaces leaves out a bridge without containers, so ask by listening there.
  const isOurs = gateway !== undefined && (await isPortFree(0, gateway))
  return isOurs
    ? { name: network.Name, listenHost: gateway, callHost: gateway, extraHosts: [], allowFrom: [range!['Subnet']!] }
    : { name: network.Name, listenHost: '127.0.0.1', callHost: 'host.docker.internal', extraHosts: ['host.docker.internal:host-gateway'], allowFrom: [] }
}

const addressesUsedUp = (cause: unknown): PilotError =>
  new PilotError('RESOURCE_FAILED', 'Docker has no free address range for another network', {
    reason: 'Each app has a network of its own, and Docker sets 31 ranges aside by default.',
    suggestion: 'Remove networks that nothing uses (`docker network prune`), or give Docker smaller ranges: "default-address-pools" in /etc/docker/daemon.json.',
    cause,
  })
