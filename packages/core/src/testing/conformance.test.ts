import { afterAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { PilotError } from '../errors/pilot-error.ts'
import type { AnyKind } from '../provider/kind.ts'
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
const queue = 'memory/queue'
const counter = { calls: 0 }

const brokenKinds: readonly (readonly [what: string, check: string, breaks: KindBreak])[] = [
  ['a kind of another provider', 'its kinds: have unique names that begin with the provider, and a version', () => ({ kind: 'other/queue' })],
  ['no handler', 'its kinds: have every handler, and numbers that make sense', () => ({ list: undefined as never })],
  ['a second version without migrate', 'its kinds: have every handler, and numbers that make sense', () => ({ version: 2 })],
  ['no permissions', 'its kinds: have every handler, and numbers that make sense', () => ({ permissions: [] })],
  ['a field that is not there', 'its kinds: call only fields that they have immutable, write-only or ignored', () => ({ fields: { immutable: ['nonsense' as never] } })],
  ['a cost without a basis', `${queue}: says what it costs and what it exposes`, () => ({ cost: () => ({ monthly: 3, currency: 'USD', basis: '' }) })],
  ['a cost that changes', `${queue}: says what it costs and what it exposes`, () => ({ cost: () => ({ monthly: counter.calls++, currency: 'USD', basis: 'the weather' }) })],
  ['outputs that do not fit', `${queue}: is created, settled, and read as it was asked for, also by another process`, () => ({ outputs: z.object({ id: z.string(), url: z.number() }) })],
  ['outputs that are not JSON', `${queue}: is created, settled, and read as it was asked for, also by another process`, (kind) => ({ outputs: z.looseObject({ id: z.string() }), settle: async (call) => ({ status: 'ready', outputs: { ...(await kind.read(call as never))!.outputs, since: new Date() } }) })],
  ['a field that reads back differently', `${queue}: is created, settled, and read as it was asked for, also by another process`, (kind) => ({ read: async (call) => withInputs(await kind.read(call), (inputs) => ({ ...inputs, label: String(inputs['label']).toUpperCase() })) })],
  ['other outputs when it is read', `${queue}: is created, settled, and read as it was asked for, also by another process`, (kind) => ({ read: async (call) => { const found = await kind.read(call); return found && { ...found, outputs: { ...(found.outputs as object), url: 'elsewhere' } } } })],
  ['a handler that remembers', `${queue}: is created, settled, and read as it was asked for, also by another process`, (kind) => { const mine = new Set<string>(); return { create: async (call) => { const created = await kind.create(call); mine.add(created.id); return created }, read: async (call) => (mine.has(call.id) ? kind.read(call) : undefined) } }],
  ['a write-only field that is read', `${queue}: is created, settled, and read as it was asked for, also by another process`, (kind, cloud) => ({ read: async (call) => withInputs(await kind.read(call), () => cloud.things.get(call.id)!.inputs) })],
  ['a list of everybody’s', `${queue}: is listed with its owner, and not to other platforms`, (_, cloud) => ({ list: async () => [...cloud.things].filter(([, thing]) => thing.kind === 'queue').map(([id, { owner, name }]) => ({ id, owner, title: name })) })],
  ['a list with other ids', `${queue}: is listed with its owner, and not to other platforms`, (kind) => ({ list: async (call) => (await kind.list(call)).map((listed) => ({ ...listed, id: `arn:${listed.id}` })) })],
  ['a list with a wrong key', `${queue}: is listed with its owner, and not to other platforms`, (kind) => ({ list: async (call) => (await kind.list(call)).map((listed) => ({ ...listed, owner: { ...listed.owner, key: 'x' } })) })],
  ['a list that tells nothing', `${queue}: is listed with its owner, and not to other platforms`, (kind) => ({ list: async (call) => (await kind.list(call)).map(({ id }) => ({ id, owner: {}, title: 'a queue' })) })],
  ['two of one name', `${queue}: is made once when the same create is called twice`, (kind) => ({ create: (call) => kind.create({ ...call, name: `${call.name}-${counter.calls++}` }) })],
  ['a takeover', `${queue}: does not take over what another platform holds under its name`, (kind, cloud) => ({ create: async (call) => { const found = [...cloud.things].find(([, { name, kind }]) => kind === 'queue' && name === call.name); return found ? { id: found[0] } : kind.create(call) } })],
  ['an error in other words for a name that is taken', `${queue}: does not take over what another platform holds under its name`, (kind) => ({ create: (call) => kind.create(call).catch(() => { throw call.name === '' ? undefined : new PilotError('INTERNAL', 'conflict') }) })],
  ['a create without checkpoint', `${queue}: changes nothing once the lease is lost`, (kind) => ({ create: (call) => kind.create({ ...call, checkpoint: async () => {} }) })],
  ['a create before its checkpoint', `${queue}: changes nothing once the lease is lost`, (kind) => ({ create: async (call) => { const created = await kind.create({ ...call, checkpoint: async () => {} }); await call.checkpoint(); return created } })],
  ['an update without checkpoint', `${queue}: changes nothing once the lease is lost`, (kind) => ({ update: (call) => kind.update!({ ...call, checkpoint: async () => {} }) })],
  ['a delete without checkpoint', `${queue}: changes nothing once the lease is lost`, (kind) => ({ delete: (call) => kind.delete({ ...call, checkpoint: async () => {} }) })],
  ['a lost lease called something else', `${queue}: changes nothing once the lease is lost`, (kind) => ({ delete: (call) => kind.delete(call).catch(() => { throw new PilotError('INTERNAL', 'oops') }) })],
  ['an update that does nothing', `${queue}: is updated in place, twice with the same result`, () => ({ update: async () => ({}) })],
  ['an update that adds', `${queue}: is updated in place, twice with the same result`, (_, cloud) => ({ update: async (call) => { await call.checkpoint(); const thing = cloud.things.get(call.id)!; thing.inputs = { ...thing.inputs, label: thing.inputs['label'] === 'a' ? 'b' : `${thing.inputs['label']}b` }; return {} } })],
  ['an immutable field in the change', `${queue}: is updated in place, twice with the same result`, () => ({ fields: { immutable: ['label' as never, 'network' as never], writeOnly: ['password' as never, 'env' as never] } })],
  ['an error for what is absent', `${queue}: is deleted, and absent is success`, (kind, cloud) => ({ delete: async (call) => { if (!cloud.things.has(call.id)) throw new PilotError('NOT_FOUND', 'there is none'); return kind.delete(call) } })],
  ['an error when absent is read', `${queue}: is deleted, and absent is success`, (kind) => ({ read: async (call) => { const found = await kind.read(call); if (found === undefined) throw new PilotError('NOT_FOUND', 'there is none'); return found } })],
  ['a list of what is gone', `${queue}: is deleted, and absent is success`, (kind) => { const all = new Map<string, never>(); return { consistencyMs: 0, list: async (call) => { for (const listed of await kind.list(call)) all.set(listed.id, listed as never); return [...all.values()].filter(({ owner }: { owner: { platformId: string } }) => owner.platformId === call.platformId) } } }],
  ['a secret in an output', `${queue}: keeps secrets to itself`, (kind, cloud) => ({ outputs: z.looseObject({ id: z.string() }), settle: async (call) => { const settled = await kind.settle(call); return settled.status === 'ready' ? { ...settled, outputs: { ...(settled.outputs as object), url: `queue://u:${cloud.things.get(call.id)!.inputs['password']}@h` } } : settled } })],
  ['a secret in the log', `${queue}: keeps secrets to itself`, (kind) => ({ create: (call) => { call.log(`creating with ${Buffer.from((call.inputs as { password: string }).password).toString('base64')}`); return kind.create(call) } })],
  ['a secret in an error', `${queue}: keeps secrets to itself`, (kind) => { let made = 0; return { create: (call) => { if (made++ > 0) throw new PilotError('INTERNAL', `failed: ${JSON.stringify(call.inputs)}`); return kind.create(call) } } }],
]

describe('a provider whose kind has', () => {
  it.each(brokenKinds)('%s fails "%s"', async (_, check, breaks) => {
    expect(await verdict(check, { provider: memoryProvider({ kind: breaks }) })).toBeInstanceOf(Error)
  })
})

describe('a provider with', () => {
  const provider = (change: Parameters<typeof memoryProvider>[0]) => ({ provider: memoryProvider(change) })
  const compute = (change: (compute: NonNullable<import('../provider/provider.ts').Capabilities['compute']['container']>) => object) => provider({ capabilities: ({ compute: { container } }) => ({ compute: { container: { ...container!, ...change(container!) } } }) })

  it.each([
    ['a name in upper case', () => provider({ provider: () => ({ name: 'Memory' }) }), 'the provider: has a name, a title, and this contract version'],
    ['another contract', () => provider({ provider: () => ({ contract: 99 }) }), 'the provider: has a name, a title, and this contract version'],
    ['a setting without a label', () => provider({ provider: () => ({ settings: z.object({ region: z.string().default('x') }) }) }), 'the provider: describes its settings so that a form can be made of them'],
    ['a problem without a fix', () => provider({ provider: () => ({ check: async () => [{ id: 'x', status: 'problem', title: 'Bad' }] }) }), 'the provider: checks the machine before and after setup, with a fix for whatever is not well'],
    ['a resource made by connecting', () => provider({ capabilities: (capabilities) => ({ kinds: capabilities.kinds.map((kind) => ({ ...kind, list: async () => [{ id: 'x', owner: {}, title: 'x' }] })) }) }), 'the provider: connects without creating anything, and closes'],
    ['a builder for a target that it does not run', () => provider({ capabilities: () => ({ builders: [{ name: 'zip', target: 'function', fits: () => undefined, build: async () => { throw new Error() }, exists: async () => true }] }) }), 'the provider: has builders with names of their own, for targets that it runs, which judge a source by what they are shown'],
    ['a kind without a sample', () => ({ samples: memorySamples.slice(1) }), 'its kinds: have a sample each, and a change for those that can update'],
    ['a sample of no kind', () => ({ withoutSample: { 'memory/nothing': 'there is none' } }), 'its kinds: have a sample each, and a change for those that can update'],
    ['a blueprint with a clock', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), outputs: { network: String(performance.now()) } }) })), 'its blueprints: are pure: equal specifications give equal plain JSON'],
    ['a blueprint that is not JSON', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), outputs: { network: undefined } }) })), 'its blueprints: are pure: equal specifications give equal plain JSON'],
    ['two resources of one key', () => compute(({ traffic, app }) => ({ app: (spec: never) => ({ ...app(spec), resources: [...app(spec).resources, ...traffic({ weights: [] } as never).resources] }) })), 'its blueprints: have unique keys, known kinds, and references that lead somewhere'],
    ['an unknown kind', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), resources: [...app(spec).resources, { key: 'x', kind: 'memory/x', inputs: {} }] }) })), 'its blueprints: have unique keys, known kinds, and references that lead somewhere'],
    ['a reference to nothing', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), outputs: { network: ref('elsewhere').output('id') } }) })), 'its blueprints: have unique keys, known kinds, and references that lead somewhere'],
    ['a reference to an output that is not there', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), outputs: { network: ref('network').output('arn') } }) })), 'its blueprints: have unique keys, known kinds, and references that lead somewhere'],
    ['inputs of another type', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), resources: [{ key: 'network', kind: 'memory/network', inputs: { label: 7 } }] }) })), 'its blueprints: have inputs that fit their kinds'],
    ['inputs that the kind does not have', () => compute(({ app }) => ({ app: (spec: never) => ({ ...app(spec), resources: [{ key: 'network', kind: 'memory/network', inputs: { lable: 'typo' } }] }) })), 'its blueprints: have inputs that fit their kinds'],
    ['a deployment under another key', () => compute(({ deployment }) => ({ deployment: (spec: { deployment: string }) => ({ resources: [{ key: `app-${spec.deployment}`, kind: 'memory/app', inputs: {} }], outputs: {} }), deployment_: deployment })), 'its blueprints: have the keys and outputs that the lifecycle goes by'],
    ['traffic without weights', () => compute(({ traffic }) => ({ traffic: (spec: never) => ({ ...traffic(spec), resources: [{ key: 'traffic', kind: 'memory/traffic', inputs: {} }] }) })), 'its blueprints: have the keys and outputs that the lifecycle goes by'],
    ['traffic without an address', () => compute(({ traffic }) => ({ traffic: (spec: never) => ({ ...traffic(spec), outputs: {} }) })), 'its blueprints: have the keys and outputs that the lifecycle goes by'],
  ])('%s fails', async (_, broken, check) => {
    expect(await verdict(check, broken())).toBeInstanceOf(Error)
  })
})

function withInputs<R extends { inputs: unknown }>(reading: R | undefined, change: (inputs: Record<string, unknown>) => object): R | undefined {
  return reading && { ...reading, inputs: change(reading.inputs as Record<string, unknown>) }
}
