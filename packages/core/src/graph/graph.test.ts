import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { defineKind, type AnyKind } from '../provider/kind.ts'
import { ref, secretRef, template } from '../provider/value.ts'
import { canonicalJson } from './canonical.ts'
import { kindsByName, orderGraph } from './graph.ts'
import { resourceName, resourceToken } from './identity.ts'
import { project, refsIn } from './resolve.ts'

const kinds = kindsByName([
  defineKind({
    kind: 'test/thing',
    version: 1,
    inputs: z.object({}),
    outputs: z.object({}),
    identity: 'name',
    consistencyMs: 0,
    create: async () => ({ id: '' }),
    settle: async () => ({ status: 'ready', outputs: {} }),
    read: async () => undefined,
    list: async () => [],
    delete: async () => ({}),
    cost: () => ({ unpriced: 'test' }),
    permissions: [],
    exposure: () => [],
  }) as AnyKind,
])
const thing = (key: string, ...after: string[]) => ({ key, kind: 'test/thing', inputs: {}, dependsOn: after })

test('a kind whose calls could outlast the lease is refused', () => {
  const thing = kinds.get('test/thing')!
  expect(() => kindsByName([{ ...thing, callTimeoutMs: 60_000 }])).not.toThrow()
  expect(() => kindsByName([{ ...thing, callTimeoutMs: 60_001 }])).toThrow(expect.objectContaining({ code: 'INTERNAL', message: expect.stringContaining('test/thing may take 60001 ms') }))
})

describe('a graph', () => {
  test('is ordered by edges and references', () => {
    const { order, dependencies } = orderGraph([thing('c', 'b'), { ...thing('b'), inputs: { url: template('x', ref('a').output('id')) as never } }, thing('a')], kinds)
    expect(order.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    expect(dependencies.get('b')).toEqual(['a'])
  })

  test('that goes in a circle is refused, with the circle', () => {
    expect(() => orderGraph([thing('x', 'a'), thing('a', 'b'), thing('b', 'c'), thing('c', 'a')], kinds)).toThrow('The graph goes in a circle: a → b → c → a')
  })

  test('may be a chain of ten thousand', () => {
    const chain = Array.from({ length: 10_000 }, (_, n) => thing(`t${n}`, ...(n === 9_999 ? [] : [`t${n + 1}`])))
    expect(orderGraph(chain, kinds).order[0]!.key).toBe('t9999')
  })

  test('refuses equal keys, references to nothing and kinds that nobody knows', () => {
    expect(() => orderGraph([thing('a'), thing('a')], kinds)).toThrow('Two resources have the key a')
    expect(() => orderGraph([thing('a', 'b')], kinds)).toThrow('a depends on b, which is not in the graph')
    expect(() => orderGraph([{ ...thing('a'), kind: 'mars/rock' }], kinds)).toThrow('a is a mars/rock, and the provider mars')
  })
})

describe('names and tokens', () => {
  const owner = { platformId: 'p', scope: 'app/shop/api/production', key: 'deployment/d7f3/A_Very-long.key that goes on and on', generation: 1 }

  test('are short, readable and the same every time', () => {
    expect(resourceName(owner)).toMatch(/^pilot-deployment-d7f3-a-ve?r?y?-[0-9a-f]{12}$/)
    expect(resourceName(owner).length).toBeLessThanOrEqual(40)
    expect(resourceName({ ...owner, key: '…' })).toMatch(/^pilot-[0-9a-f]{12}$/)
    expect(resourceToken(owner)).toMatch(/^[0-9a-f]{32}$/)
    expect(resourceName({ ...owner })).toBe(resourceName(owner))
  })

  test('differ with every part of the owner', () => {
    const others = [{ ...owner, platformId: 'q' }, { ...owner, scope: 'platform' }, { ...owner, key: `${owner.key}!` }, { ...owner, generation: 2 }]
    expect(new Set([owner, ...others].map(resourceName)).size).toBe(5)
    expect(new Set([owner, ...others].map(resourceToken)).size).toBe(5)
  })
})

describe('values', () => {
  const password = secretRef({ store: 's', name: 'n', version: 1 })
  const context = { output: (key: string, name: string) => (key === 'db' ? { value: `${key}.${name}` } : undefined), secretHash: () => 'h' }

  test('are projected without opening a secret', () => {
    expect(project({ url: template('x://', password, '@', ref('db').output('host')) }, context)).toEqual({ value: { url: { $sealed: ['x://', { hash: 'h' }, '@', 'db.host'] } }, unknown: [], sealed: true })
    expect(project([template('a', 1, ref('db').output('port'))], context)).toEqual({ value: ['a1db.port'], unknown: [], sealed: false })
    expect(project(template('a', ref('later').output('id')), context)).toEqual({ value: { $unknown: 'later.id' }, unknown: ['later'], sealed: false })
  })

  test('tell what they refer to', () => {
    expect(refsIn({ a: [{ b: ref('x').output('id') }], c: template(ref('y').output('z')) })).toEqual([{ key: 'x', output: 'id' }, { key: 'y', output: 'z' }])
  })

  test('are equal when their canonical JSON is', () => {
    expect(canonicalJson({ b: [1, { d: null, c: undefined }], a: 'x' })).toBe('{"a":"x","b":[1,{"d":null}]}')
  })
})
