import * as z from 'zod'
import type { PilotError } from '../../errors/pilot-error.ts'
import { defineKind, type Ownership } from '../../provider/kind.ts'
import { gcpError, isAbsent, operationState, type Gcp, type Operation } from './gcp.ts'

interface Network {
  readonly name: string
  readonly description: string
  readonly autoCreateSubnetworks: boolean
  readonly mtu: number
}

/**
 * Takes no labels: the owner stands in the description. Everything is an operation that may still fail after it was
 * accepted, a deletion too: `delete` asks to be called again until its operation has ended.
 */
export const gcpNetworkKind = (gcp: Gcp) =>
  defineKind({
    kind: 'gcp/network',
    version: 1,
    inputs: z.object({ mtu: z.number().default(1460) }),
    outputs: z.object({ name: z.string(), selfLink: z.string() }),
    fields: { immutable: ['mtu'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['compute.networks.create', 'compute.networks.get', 'compute.networks.list', 'compute.networks.delete', 'compute.globalOperations.get'],
    cost: () => ({ monthly: 0, currency: 'USD', basis: 'a network costs nothing by itself' }),
    exposure: () => [],

    async create({ name, token, owner, inputs, signal, checkpoint }) {
      await checkpoint()
      try {
        const operation = await gcp.send('POST', `/networks?requestId=${uuid(token)}`, { body: { name, description: describe(owner), autoCreateSubnetworks: false, mtu: inputs.mtu }, signal })
        return { id: name, operation: operation.name }
      } catch (error) {
        if ((error as PilotError).code !== 'NAME_TAKEN') throw error
        const known = await gcp.get<Network>(`/networks/${name}`, signal)
        if (known === undefined || known.description !== describe(owner)) throw error
        return { id: name }
      }
    },
    async settle({ id, operation, signal }) {
      const state = await operationState(gcp, operation, signal)
      if (state === 'pending') return { status: 'pending', retryAfterMs: 20 }
      if (state !== 'done') return { status: 'failed', reason: state.error }
      return (await gcp.get<Network>(`/networks/${id}`, signal)) === undefined ? { status: 'failed', reason: `${id} does not exist` } : { status: 'ready', outputs: outputsOf(id) }
    },
    async read({ id, signal }) {
      const found = await gcp.get<Network>(`/networks/${id}`, signal)
      return found && { inputs: { mtu: found.mtu }, outputs: outputsOf(id) }
    },
    async list({ platformId, signal }) {
      const { items } = (await gcp.get<{ items: Network[] }>(`/networks?filter=${encodeURIComponent(`description eq ".*${platformId}.*"`)}`, signal))!
      return items.map(({ name, description }) => ({ id: name, owner: ownerOf(description), title: `network ${name}` }))
    },
    async delete({ id, operation, signal, checkpoint }) {
      const state = await operationState(gcp, operation, signal)
      if (state === 'pending') return { operation: operation!, again: { afterMs: 20 } }
      if (state !== 'done') throw gcpError(`the deletion of ${id}`, state.code, state.error)
      if ((await gcp.get<Network>(`/networks/${id}`, signal)) === undefined) return {}
      await checkpoint()
      try {
        const accepted = await gcp.send<Operation>('DELETE', `/networks/${id}`, { signal })
        return { operation: accepted.name, again: { afterMs: 20 } }
      } catch (error) {
        if (isAbsent(error)) return {}
        throw error
      }
    },
  })

const outputsOf = (name: string) => ({ name, selfLink: `https://compute.example/networks/${name}` })

const describe = ({ platformId, scope, key, generation }: Ownership) => `pilot platform=${platformId} scope=${scope} key=${key} generation=${generation}`

function ownerOf(description: string): Partial<Ownership> {
  const [, platformId, scope, key, generation] = /^pilot platform=(\S+) scope=(\S+) key=(\S+) generation=(\d+)$/.exec(description) ?? []
  return platformId === undefined ? {} : { platformId, scope: scope!, key: key!, generation: Number(generation) }
}

const uuid = (token: string) => token.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
