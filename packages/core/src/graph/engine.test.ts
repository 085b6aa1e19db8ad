import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { defineKind, type AnyKind, type Listed, type Ownership } from '../provider/kind.ts'
import { ref } from '../provider/value.ts'
import type { Graph } from '../provider/graph.ts'
import { createFileStore } from '../store/file-store.ts'
import { acquireLease } from '../store/lease.ts'
import { createEngine, type Engine, type EngineOptions } from './engine.ts'

interface Thing {
  inputs: { text: string; from?: string }
  owner: Ownership
}

/** A provider in this process: things in a map, under the engine's names. */
function thingKind(things: Map<string, Thing>, overrides: Partial<AnyKind> = {}): AnyKind {
  return {
    ...defineKind({
      kind: 'test/thing',
      version: 1,
      inputs: z.object({ text: z.string(), from: z.string().optional() }),
      outputs: z.object({ address: z.string() }),
      fields: { immutable: ['from'] },
      identity: 'name',
      consistencyMs: 0,
      async create({ name, inputs, owner, checkpoint }) {
        await checkpoint()
        things.set(name, { inputs: inputs as Thing['inputs'], owner })
        return { id: name }
      },
      async settle({ id }) {
        return { status: 'ready', outputs: { address: `addr:${things.get(id)!.inputs.text}:${id}` } }
      },
      async read({ id }) {
        const thing = things.get(id)
        return thing && { inputs: thing.inputs as never, outputs: { address: `addr:${thing.inputs.text}:${id}` } }
      },
      async list({ platformId }): Promise<Listed[]> {
        return [...things].filter(([, { owner }]) => owner.platformId === platformId).map(([id, { owner }]) => ({ id, owner, title: id }))
      },
      async delete({ id }) {
        things.delete(id)
        return {}
      },
      async update({ id, inputs }) {
        things.get(id)!.inputs = inputs as Thing['inputs']
        return {}
      },
      cost: () => ({ monthly: 1, currency: 'USD', basis: 'test' }),
      permissions: [],
      exposure: () => [],
    }),
    ...overrides,
  } as AnyKind
}

const noSecrets = { name: 'none' } as EngineOptions['secrets']
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function openScope(kinds: readonly AnyKind[], options: Partial<EngineOptions> = {}): Promise<{ engine: Engine; again: () => Engine }> {
  const dir = await mkdtemp(join(tmpdir(), 'pilot-engine-'))
  cleanups.push(() => rm(dir, { recursive: true }))
  const scope = createFileStore({ dir }).scope('platform')
  const lease = await acquireLease({ store: scope, title: 'test' })
  cleanups.push(() => lease.release())
  const again = () => createEngine({ kinds, scope, lease, platformId: 'p1', secrets: noSecrets, lateArrivalMs: 20, ...options })
  return { engine: again(), again }
}

const thing = (key: string, text: string, from?: string): Graph[number] => ({ key, kind: 'test/thing', inputs: { text, ...(from === undefined ? {} : { from: ref(from).output('address') }) } })

describe('engine', () => {
  test('creates in the order of references, and then keeps', async () => {
    const things = new Map<string, Thing>()
    const { engine, again } = await openScope([thingKind(things)])
    const graph = [thing('b', 'two', 'a'), thing('a', 'one')]
    const { steps, outputs, state } = await engine.apply(graph)
    expect(steps.map(({ key, action }) => `${action} ${key}`)).toEqual(['create a', 'create b'])
    expect([...things.values()].find(({ owner }) => owner.key === 'b')!.inputs.from).toBe(outputs.get('a')!['address'])
    expect(state!.version).toBe(1)
    const second = await again().apply(graph)
    expect(second.steps.map(({ action }) => action)).toEqual(['keep', 'keep'])
    expect(second.state!.version).toBe(1)
  })

  test('an update that changes an output replaces what refers to it in an immutable field', async () => {
    const things = new Map<string, Thing>()
    const { engine, again } = await openScope([thingKind(things)])
    await engine.apply([thing('a', 'one'), thing('b', 'two', 'a')])
    const { steps } = await again().apply([thing('a', 'changed'), thing('b', 'two', 'a')])
    expect(steps.map(({ key, action, generation }) => `${action} ${key} ${generation}`)).toEqual(['update a 1', 'replace b 2'])
    expect(things.size).toBe(2)
  })

  test('destroy leaves nothing and tells what is not ours', async () => {
    const things = new Map<string, Thing>()
    const { engine, again } = await openScope([thingKind(things)])
    await engine.apply([thing('a', 'one'), thing('b', 'two', 'a')])
    things.set('stranger', { inputs: { text: 'x' }, owner: { platformId: 'p1', scope: 'platform', key: 'other', generation: 1 } })
    const { deleted, foreign } = await again().destroy()
    expect(deleted.toSorted()).toEqual(['a', 'b'])
    expect(foreign.map(({ id }) => id)).toEqual(['stranger'])
    expect([...things.keys()]).toEqual(['stranger'])
  })
})
