import * as fc from 'fast-check'
import type { Graph, Resource } from '../../provider/graph.ts'
import { ref } from '../../provider/value.ts'
import type { Fault } from '../faults.ts'

/** What happens to the process that applies. */
export interface Interruption {
  /**
   * `crash`: it dies. `freeze`: it is stopped, another one takes over, and it goes on later. `sleep`: the whole machine is asleep for
   * ten minutes. `jump`: its wall clock is set.
   */
  readonly kind: 'crash' | 'freeze' | 'sleep' | 'jump'
  /** After so many events of the simulation. */
  readonly events: number
  /** Of a crash: whether the next one can see that it is dead, or has to wait until its lease ran out. */
  readonly isSeen: boolean
  /** Of a crash: how many of its writes that are under way are kept. */
  readonly kept: number
  /** Of a freeze: after how many events of its successor it goes on. Of a jump: how many hours. */
  readonly later: number
}

export interface Step {
  readonly desired: Graph
  /** One list per attempt; the attempts after them meet none. */
  readonly faults: readonly (readonly Fault[])[]
  readonly interruptions: readonly Interruption[]
}

export interface Scenario {
  readonly steps: readonly Step[]
  /** How the end goes, when all is destroyed. */
  readonly end: Omit<Step, 'desired'>
  readonly consistencyMs: number
  readonly slowMs: number
  /** One creation in so many fails for good. */
  readonly spoiledOneIn: number
  /** Everything else that is left to chance. */
  readonly noise: fc.Stream<number>
}

const upTo = (max: number) => fc.nat({ max })
const maybe = <T>(each: fc.Arbitrary<T>) => fc.option(each, { freq: 4, nil: undefined })

const parts = fc.record({
  cidr: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
  second: fc.boolean(),
  servers: fc.array(maybe(fc.record({ image: upTo(1), size: upTo(2), network: upTo(1), rule: maybe(fc.record({ slot: upTo(1), weight: upTo(99) })) })), { minLength: 3, maxLength: 3 }),
  databases: fc.array(maybe(fc.record({ sizeGb: upTo(2), isInside: fc.boolean() })), { minLength: 2, maxLength: 2 }),
  volume: fc.boolean(),
  deployment: maybe(upTo(2)),
})

const graph: fc.Arbitrary<Graph> = parts.map(({ cidr, second, servers, databases, volume, deployment }) => {
  const networks: Resource[] = [{ key: 'network-0', kind: 'fake/network', inputs: { cidr: `10.${cidr}.0.0/16` } }, ...(second ? [{ key: 'network-1', kind: 'fake/network', inputs: {} }] : [])]
  const networkOf = (n: number) => ref(networks[n % networks.length]!.key).output('id')
  const machines = servers.flatMap((server, index): Resource[] => {
    if (server === undefined) return []
    const key = `server-${index}`
    const rule: Resource[] = server.rule === undefined ? [] : [{ key: `rule-${index}`, kind: 'fake/rule', inputs: { slot: `slot-${index}-${server.rule.slot}`, target: ref(key).output('id'), weight: server.rule.weight } }]
    return [{ key, kind: 'fake/server', inputs: { network: networkOf(server.network), image: `image-${server.image}`, size: 1 + server.size } }, ...rule]
  })
  const data = databases.flatMap((database, index): Resource[] => (database === undefined ? [] : [{ key: `database-${index}`, kind: 'fake/database', inputs: { sizeGb: 10 + database.sizeGb, ...(database.isInside ? { network: networkOf(0) } : {}) } }]))
  const app: Resource[] =
    deployment === undefined ? [] : [{ key: 'deployment', kind: 'fake/deployment', inputs: { network: networkOf(1), deployment: 'd', digest: `sha256:${deployment}`, env: {}, port: 80, memoryBytes: 1, cpu: 1, instances: 1 } }]
  return [...networks, ...machines, ...data, ...(volume ? [{ key: 'volume', kind: 'fake/volume', inputs: {} }] : []), ...app]
})

const fault: fc.Arbitrary<Fault> = fc
  .record({ action: fc.constantFrom('fail' as const, 'crash' as const, 'throttle' as const, 'deny' as const, 'hang' as const), moment: fc.constantFrom('before' as const, 'after' as const), operation: fc.constantFrom('change' as const, 'change' as const, 'get' as const, 'list' as const), call: fc.integer({ min: 1, max: 14 }), times: fc.integer({ min: 1, max: 3 }) })
  // A refusal that had its effect all the same would be a lie, which no client can see through.
  .map((each) => (each.action === 'throttle' || each.action === 'deny' ? { ...each, moment: 'before' as const } : each))

const interruption: fc.Arbitrary<Interruption> = fc.record({
  kind: fc.constantFrom('crash' as const, 'crash' as const, 'crash' as const, 'freeze' as const, 'sleep' as const, 'jump' as const),
  events: upTo(500),
  isSeen: fc.boolean(),
  kept: upTo(4),
  later: upTo(600),
})

const troubles = { faults: fc.array(fc.array(fault, { maxLength: 3 }), { maxLength: 3 }), interruptions: fc.array(interruption, { maxLength: 4 }) }

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  steps: fc.array(fc.record({ desired: graph, ...troubles }), { minLength: 1, maxLength: 3 }),
  end: fc.record(troubles),
  consistencyMs: fc.constantFrom(0, 300, 3_000),
  slowMs: fc.constantFrom(0, 200, 20_000),
  spoiledOneIn: fc.constantFrom(8, 1_000_000),
  noise: fc.noShrink(fc.infiniteStream(upTo(999_999), { noHistory: true })),
})
