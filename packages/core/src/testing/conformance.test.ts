import { afterAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { PilotError } from '../errors/pilot-error.ts'
import type { Compute } from '../provider/compute.ts'
import type { Blueprint, Resource } from '../provider/graph.ts'
import type { AnyKind, Listed } from '../provider/kind.ts'
import { ref } from '../provider/value.ts'
import { defineProviderConformance, providerConformance, type ProviderConformanceOptions } from './conformance.ts'
import { memoryEnvironment, memoryProvider, memorySamples, type MemoryCloud } from './memory-provider.fixture.ts'

defineProviderConformance({ describe, it, afterAll }, { provider: memoryProvider(), setUp: memoryEnvironment, samples: memorySamples })

/** What the check called `group: title` says of a provider; undefined when it is content. */
async function verdict(check: string, options: Partial<ProviderConformanceOptions>): Promise<unknown> {
  const { checks, close } = providerConformance({ provider: memoryProvider(), setUp: memoryEnvironment, samples: memorySamples, ...options })
  const found = checks.find(({ group, title }) => `${group}: ${title}` === check)
  expect(found, `there is no check "${check}"`).toBeDefined()
  try {
    return await found!.run().then(
      () => undefined,
      (error: unknown) => error,
    )
  } finally {
    await close()
  }
}

type KindBreak = (kind: AnyKind, cloud: MemoryCloud) => Partial<AnyKind>
/** The checks by short names. */
const queue = 'memory/queue'
const life = `${queue}: is created, settled, and read as it was asked for, also by another process`
const listed = `${queue}: is listed with its owner, and not to other platforms`
const priced = `${queue}: says what it costs and what it exposes`
const once = `${queue}: is made once when the same create is called twice`
const takeover = `${queue}: does not take over what another platform holds under its name`
const leased = `${queue}: changes nothing once the lease is lost`
const updated = `${queue}: is updated in place, twice with the same result`
const deleted = `${queue}: is deleted, and absent is success`
const secret = `${queue}: keeps secrets to itself`
const named = 'its kinds: have unique names that begin with the provider, and a version'
const complete = 'its kinds: have every handler, and numbers that make sense'
const fielded = 'its kinds: call only fields that they have immutable, write-only or ignored'
const sampled = 'its kinds: have a sample each, and a change for those that can update'
const identified = 'the provider: has a name, a title, and this contract version'
const pure = 'its blueprints: are pure: equal specifications give equal plain JSON'
const referring = 'its blueprints: have unique keys, known kinds, and references that lead somewhere'
const fitting = 'its blueprints: have inputs that fit their kinds'
const expected = 'its blueprints: have the keys and outputs that the lifecycle goes by'
const form = 'the provider: describes its settings so that a form can be made of them'
const checking = 'the provider: checks the machine before and after setup, with a fix for whatever is not well'
const connecting = 'the provider: connects without creating anything, and closes'
const building = 'the provider: has builders with names of their own, for targets that it runs, which judge a source by what they are shown'
const counter = { calls: 0 }

const brokenKinds: readonly (readonly [what: string, check: string, breaks: KindBreak])[] = [
  ['a kind of another provider', named, () => ({ kind: 'other/queue' })],
  ['no handler', complete, () => ({ list: undefined as never })],
  ['a second version without migrate', complete, () => ({ version: 2 })],
  ['no permissions', complete, () => ({ permissions: [] })],
  ['a field that is not there', fielded, () => ({ fields: { immutable: ['nonsense' as never] } })],
  ['a cost without a basis', priced, () => ({ cost: () => ({ monthly: 3, currency: 'USD', basis: '' }) })],
  ['a cost that changes', priced, () => ({ cost: () => ({ monthly: counter.calls++, currency: 'USD', basis: 'the weather' }) })],
  ['outputs that do not fit', life, () => ({ outputs: z.object({ id: z.string(), url: z.number() }) })],
  [
    'outputs that are not JSON',
    life,
    (kind) => ({
      outputs: z.looseObject({ id: z.string() }),
      settle: async (call) => ({ status: 'ready', outputs: { ...(await kind.read(call as never))!.outputs, since: new Date() } }),
    }),
  ],
  [
    'a field that reads back differently',
    life,
    (kind) => ({ read: async (call) => withInputs(await kind.read(call), (inputs) => ({ ...inputs, label: String(inputs['label']).toUpperCase() })) }),
  ],
  [
    'other outputs when it is read',
    life,
    (kind) => ({
      async read(call) {
        const found = await kind.read(call)
        return found && { ...found, outputs: { ...(found.outputs as object), url: 'elsewhere' } }
      },
    }),
  ],
  [
    'a handler that remembers',
    life,
    (kind) => {
      const mine = new Set<string>()
      return {
        async create(call) {
          const created = await kind.create(call)
          mine.add(created.id)
          return created
        },
        read: async (call) => (mine.has(call.id) ? kind.read(call) : undefined),
      }
    },
  ],
  [
    'a write-only field that is read',
    life,
    (kind, cloud) => ({ read: async (call) => withInputs(await kind.read(call), () => cloud.things.get(call.id)!.inputs) }),
  ],
  [
    'a list of everybody’s',
    listed,
    (_, cloud) => ({ list: async () => [...cloud.things].filter(([, thing]) => thing.kind === 'queue').map(([id, { owner, name }]) => ({ id, owner, title: name })) }),
  ],
  [
    'a list with other ids',
    listed,
    (kind) => ({ list: async (call) => (await kind.list(call)).map((listed) => ({ ...listed, id: `arn:${listed.id}` })) }),
  ],
  [
    'a list with a wrong key',
    listed,
    (kind) => ({ list: async (call) => (await kind.list(call)).map((listed) => ({ ...listed, owner: { ...listed.owner, key: 'x' } })) }),
  ],
  [
    'a list that tells nothing',
    listed,
    (kind) => ({ list: async (call) => (await kind.list(call)).map(({ id }) => ({ id, owner: {}, title: 'a queue' })) }),
  ],
  ['two of one name', once, (kind) => ({ create: (call) => kind.create({ ...call, name: `${call.name}-${counter.calls++}` }) })],
  [
    'a takeover',
    takeover,
    (kind, cloud) => ({
      async create(call) {
        const found = [...cloud.things].find(([, { name, kind }]) => kind === 'queue' && name === call.name)
        return found ? { id: found[0] } : kind.create(call)
      },
    }),
  ],
  [
    'an error in other words for a name that is taken',
    takeover,
    (kind) => ({ create: (call) => kind.create(call).catch(() => Promise.reject(new PilotError('INTERNAL', 'conflict'))) }),
  ],
  ['a create without checkpoint', leased, (kind) => ({ create: (call) => kind.create({ ...call, checkpoint: async () => {} }) })],
  [
    'a create before its checkpoint',
    leased,
    (kind) => ({ create: async (call) => { const created = await kind.create({ ...call, checkpoint: async () => {} }); await call.checkpoint(); return created } }),
  ],
  ['an update without checkpoint', leased, (kind) => ({ update: (call) => kind.update!({ ...call, checkpoint: async () => {} }) })],
  ['a delete without checkpoint', leased, (kind) => ({ delete: (call) => kind.delete({ ...call, checkpoint: async () => {} }) })],
  [
    'a lost lease called something else',
    leased,
    (kind) => ({ delete: (call) => kind.delete(call).catch(() => { throw new PilotError('INTERNAL', 'oops') }) }),
  ],
  ['an update that does nothing', updated, () => ({ update: async () => ({}) })],
  [
    'an update that adds',
    updated,
    (_, cloud) => ({
      async update(call) {
        await call.checkpoint()
        const thing = cloud.things.get(call.id)!
        thing.inputs = { ...thing.inputs, label: thing.inputs['label'] === 'a' ? 'b' : `${String(thing.inputs['label'])}b` }
        return {}
      },
    }),
  ],
  [
    'an immutable field in the change',
    updated,
    () => ({ fields: { immutable: ['label' as never, 'network' as never], writeOnly: ['password' as never, 'env' as never] } }),
  ],
  [
    'an error for what is absent',
    deleted,
    (kind, cloud) => ({ delete: async (call) => { if (!cloud.things.has(call.id)) throw new PilotError('NOT_FOUND', 'there is none'); return kind.delete(call) } }),
  ],
  [
    'an error when absent is read',
    deleted,
    (kind) => ({
      async read(call) {
        const found = await kind.read(call)
        if (found === undefined) throw new PilotError('NOT_FOUND', 'there is none')
        return found
      },
    }),
  ],
  [
    'a list of what is gone',
    deleted,
    (kind) => {
      const all = new Map<string, Listed>()
      return {
        async list(call) {
          for (const listed of await kind.list(call)) all.set(listed.id, listed)
          return [...all.values()].filter(({ owner }) => owner.platformId === call.platformId)
        },
      }
    },
  ],
  [
    'a secret in an output',
    secret,
    (kind, cloud) => ({
      async settle(call) {
        const settled = await kind.settle(call)
        const url = `queue://u:${String(cloud.things.get(call.id)!.inputs['password'])}@h`
        return settled.status === 'ready' ? { ...settled, outputs: { ...(settled.outputs as object), url } } : settled
      },
    }),
  ],
  [
    'a secret in the log',
    secret,
    (kind) => ({
      create(call) {
        call.log(`creating with ${Buffer.from((call.inputs as { password: string }).password).toString('base64')}`)
        return kind.create(call)
      },
    }),
  ],
  [
    'a secret in an error',
    secret,
    (kind) => {
      let made = 0
      return {
        create(call) {
          if (made++ > 0) throw new PilotError('INTERNAL', `failed: ${JSON.stringify(call.inputs)}`)
          return kind.create(call)
        },
      }
    },
  ],
]

describe('a provider whose kind has', () => {
  it.each(brokenKinds)('%s fails "%s"', async (_, check, breaks) => {
    expect(await verdict(check, { provider: memoryProvider({ kind: breaks }) })).toBeInstanceOf(Error)
  })
})

describe('a provider with', () => {
  const provider = (change: Parameters<typeof memoryProvider>[0]) => ({ provider: memoryProvider(change) })
  const compute = (change: Partial<Compute> | ((compute: Compute) => Partial<Compute>)) =>
    provider({ capabilities: ({ compute: { container } }) => ({ compute: { container: { ...container!, ...(typeof change === 'function' ? change(container!) : change) } } }) })
  /** The blueprint of an app: its network as it should be, but for the change. */
  const app = (change: Partial<Blueprint>) => compute(({ app }) => ({ app: (spec) => ({ ...app(spec), ...change }) }))
  const network = (inputs: Resource['inputs']): Resource => ({ key: 'network', kind: 'memory/network', inputs })

  it.each([
    ['a name in upper case', () => provider({ provider: () => ({ name: 'Memory' }) }), identified],
    ['another contract', () => provider({ provider: () => ({ contract: 99 }) }), identified],
    ['a setting without a label', () => provider({ provider: () => ({ settings: z.object({ region: z.string().default('x') }) }) }), form],
    ['a problem without a fix', () => provider({ provider: () => ({ check: async () => [{ id: 'x', status: 'problem', title: 'Bad' }] }) }), checking],
    ['a resource made by connecting', () => provider({ capabilities: ({ kinds }) => ({ kinds: kinds.map((kind) => ({ ...kind, list: async () => [{ id: 'x', owner: {}, title: 'x' }] })) }) }), connecting],
    ['a builder for a target that it does not run', () => provider({ capabilities: () => ({ builders: [{ name: 'zip', target: 'function', fits: () => undefined, build: () => Promise.reject(new Error()), exists: async () => true }] }) }), building],
    ['a kind without a sample', () => ({ samples: memorySamples.slice(1) }), sampled],
    ['a sample of no kind', () => ({ withoutSample: { 'memory/nothing': 'there is none' } }), sampled],
    ['a blueprint with a clock', () => compute(({ app }) => ({ app: (spec) => ({ ...app(spec), outputs: { network: String(performance.now()) } }) })), pure],
    ['a blueprint that is not JSON', () => app({ outputs: { network: undefined } }), pure],
    ['two resources of one key', () => app({ resources: [network({}), { key: 'traffic', kind: 'memory/traffic', inputs: {} }] }), referring],
    ['an unknown kind', () => app({ resources: [network({}), { key: 'x', kind: 'memory/x', inputs: {} }] }), referring],
    ['a reference to nothing', () => app({ outputs: { network: ref('elsewhere').output('id') } }), referring],
    ['a reference to an output that is not there', () => app({ outputs: { network: ref('network').output('arn') } }), referring],
    ['inputs of another type', () => app({ resources: [network({ label: 7 })] }), fitting],
    ['inputs that the kind does not have', () => app({ resources: [network({ lable: 'typo' })] }), fitting],
    ['a deployment under another key', () => compute({ deployment: ({ deployment }) => ({ resources: [{ key: `app-${deployment}`, kind: 'memory/app', inputs: {} }], outputs: {} }) }), expected],
    ['traffic without weights', () => compute(({ traffic }) => ({ traffic: (spec) => ({ ...traffic(spec), resources: [{ key: 'traffic', kind: 'memory/traffic', inputs: {} }] }) })), expected],
    ['traffic without an address', () => compute(({ traffic }) => ({ traffic: (spec) => ({ ...traffic(spec), outputs: {} }) })), expected],
  ])('%s fails', async (_, broken, check) => {
    expect(await verdict(check, broken())).toBeInstanceOf(Error)
  })
})

function withInputs<R extends { inputs: unknown }>(reading: R | undefined, change: (inputs: Record<string, unknown>) => object): R | undefined {
  return reading && { ...reading, inputs: change(reading.inputs as Record<string, unknown>) }
}
