import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { PilotError } from '../errors/pilot-error.ts'
import type { Compute } from '../provider/compute.ts'
import { defineKind, type AnyKind, type Kind, type Ownership } from '../provider/kind.ts'
import { contractVersion, defineProvider, type AnyProvider, type Capabilities } from '../provider/provider.ts'
import { ref } from '../provider/value.ts'
import type { ConformanceEnvironment, KindSample } from './conformance.ts'

/** A cloud in a map: what a provider package looks like when it is as small as can be. */
export interface MemoryCloud {
  readonly things: Map<string, Thing>
  next: number
}

interface Thing {
  readonly kind: string
  readonly name: string
  readonly token: string
  readonly owner: Ownership
  inputs: Record<string, unknown>
  readyAt: number
}

/** `breaks` changes one part, so that a suite can be shown what it has to notice. */
export function memoryProvider(breaks: { kind?: (kind: AnyKind, cloud: MemoryCloud) => Partial<AnyKind>; capabilities?: (capabilities: Capabilities) => Partial<Capabilities>; provider?: (provider: AnyProvider) => Partial<AnyProvider> } = {}, cloud: MemoryCloud = { things: new Map(), next: 1 }): AnyProvider {
  const provider: AnyProvider = defineProvider({
    name: 'memory',
    title: 'Memory',
    contract: contractVersion,
    settings: z.object({ region: z.string().default('here').describe('Where it runs') }),
    check: async () => [
      { id: 'memory.free', status: 'ok', title: 'There is memory' },
      { id: 'memory.speed', status: 'warning', title: 'It could be faster', fix: 'Buy faster memory.' },
    ],
    async connect() {
      const kinds = (['network', 'queue', 'app', 'traffic'] as const).map((noun): AnyKind => {
        const kind = memoryKind(cloud, noun)
        return noun === 'queue' ? { ...kind, ...breaks.kind?.(kind, cloud) } : kind
      })
      const capabilities: Capabilities = { kinds, platform: () => ({ resources: [{ key: 'network', kind: 'memory/network', inputs: { label: 'all' } }], outputs: {} }), compute: { container: compute }, builders: [], async close() {} }
      return { ...capabilities, ...breaks.capabilities?.(capabilities) }
    },
  })
  return { ...provider, ...breaks.provider?.(provider) }
}

export const memoryEnvironment = async (): Promise<ConformanceEnvironment> => {
  const home = await mkdtemp(join(tmpdir(), 'pilot-memory-'))
  return { settings: {}, home, tearDown: () => rm(home, { recursive: true }) }
}

export const memorySamples: readonly KindSample[] = [
  { kind: 'memory/network', graph: () => [{ key: 'network', kind: 'memory/network', inputs: { label: 'a' } }], change: () => ({ label: 'b' }) },
  {
    kind: 'memory/queue',
    graph: ({ secret }) => [
      { key: 'network', kind: 'memory/network', inputs: { label: 'a' } },
      { key: 'queue', kind: 'memory/queue', inputs: { label: 'a', network: ref('network').output('id'), password: secret } },
    ],
    change: () => ({ label: 'b' }),
  },
  { kind: 'memory/app', graph: () => [{ key: 'app', kind: 'memory/app', inputs: { label: 'a' } }], change: () => ({ label: 'b' }) },
  { kind: 'memory/traffic', graph: () => [{ key: 'traffic', kind: 'memory/traffic', inputs: { weights: [] } }], change: () => ({ weights: [{ deployment: 'd', percent: 100 }] }) },
]

const inputs = z.object({
  label: z.string().optional(),
  network: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
  password: z.string().optional(),
  weights: z.array(z.object({ deployment: z.string(), percent: z.number() })).optional(),
})
const outputs = z.object({ id: z.string(), url: z.string() })

const compute: Compute = {
  app: () => ({ resources: [{ key: 'network', kind: 'memory/network', inputs: { label: 'app' } }], outputs: { network: ref('network').output('id') } }),
  deployment: ({ deployment, env, appOutputs }) => ({ resources: [{ key: `deployment/${deployment}/app`, kind: 'memory/app', inputs: { env, network: appOutputs['network'] as string } }], outputs: { address: ref(`deployment/${deployment}/app`).output('url') } }),
  traffic: ({ weights }) => ({ resources: [{ key: 'traffic', kind: 'memory/traffic', inputs: { weights: weights.map(({ deployment, percent }) => ({ deployment, percent })) }, dependsOn: ['network'] }], outputs: { url: ref('traffic').output('url') } }),
  status: async () => [],
}

function memoryKind(cloud: MemoryCloud, noun: string): Kind<typeof inputs, typeof outputs> {
  const find = (id: string) => cloud.things.get(id)
  const outputsOf = (id: string) => ({ id, url: `memory://${id}` })
  return defineKind({
    kind: `memory/${noun}`,
    version: 1,
    inputs,
    outputs,
    fields: { immutable: ['network'], writeOnly: ['password', 'env'] },
    identity: 'name',
    consistencyMs: 0,
    permissions: ['memory:write'],
    cost: () => ({ monthly: 0, currency: 'USD', basis: 'memory is there already' }),
    exposure: () => [],
    async create({ name, token, owner, inputs, checkpoint }) {
      const found = [...cloud.things].find(([, thing]) => thing.name === name && thing.kind === noun)
      if (found !== undefined) {
        if (found[1].owner.platformId !== owner.platformId) throw new PilotError('NAME_TAKEN', `${name} belongs to somebody else`)
        return { id: found[0] }
      }
      await checkpoint()
      const id = `${noun}-${cloud.next++}`
      cloud.things.set(id, { kind: noun, name, token, owner, inputs: structuredClone(inputs), readyAt: Date.now() + 20 })
      return { id, operation: `op-${id}` }
    },
    async settle({ id }) {
      const thing = find(id)
      if (thing === undefined) return { status: 'failed', reason: 'it is gone' }
      return Date.now() < thing.readyAt ? { status: 'pending', retryAfterMs: 10 } : { status: 'ready', outputs: outputsOf(id) }
    },
    async read({ id }) {
      const { password: _, env: __, ...readable } = find(id)?.inputs ?? {}
      return find(id) && { inputs: structuredClone(readable), outputs: outputsOf(id) }
    },
    list: async ({ platformId }) => [...cloud.things].filter(([, thing]) => thing.kind === noun && thing.owner.platformId === platformId).map(([id, { owner, name }]) => ({ id, owner, title: name })),
    async update({ id, inputs, checkpoint }) {
      await checkpoint()
      const thing = find(id)
      if (thing !== undefined) thing.inputs = structuredClone(inputs)
      return {}
    },
    async delete({ id, checkpoint }) {
      if (!cloud.things.has(id)) return {}
      await checkpoint()
      cloud.things.delete(id)
      return {}
    },
  })
}
