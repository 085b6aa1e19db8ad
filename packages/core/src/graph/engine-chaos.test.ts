import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Graph } from '../provider/graph.ts'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import type { Fault } from '../testing/faults.ts'
import { database, network, openBench, rule, server } from './engine.fixture.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

/** Numbers that look random and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) >>> 0
    return (state >>> 8) % below
  }
}

function randomGraph(pick: (below: number) => number): Graph {
  const maybe = <T>(value: T): readonly T[] => (pick(4) === 0 ? [] : [value])
  const servers = ['a', 'b', 'c'].flatMap((name) => maybe(server(`server-${name}`, { image: `image${pick(2)}`, size: 1 + pick(3) })))
  return [
    network('network', { cidr: `10.${pick(8) === 0 ? 1 : 0}.0.0/16` }),
    ...servers,
    ...servers.flatMap(({ key }, index) => maybe(rule(`rule-${index}`, `slot-${index}-${pick(2)}`, key, { weight: pick(100) }))),
    ...maybe(database('database', { sizeGb: 10 + pick(2) })),
  ]
}

function randomFaults(pick: (below: number) => number): readonly Fault[] {
  return Array.from({ length: 1 + pick(5) }, () => {
    const action = (['fail', 'crash', 'throttle'] as const)[pick(3)]!
    return {
      action,
      // A refusal that had its effect all the same would be a lie, which no client can see through.
      moment: action === 'throttle' || pick(2) === 0 ? ('before' as const) : ('after' as const),
      operation: pick(3) === 0 ? ('get' as const) : ('change' as const),
      call: 1 + pick(12),
      times: 1 + pick(2),
    }
  })
}

test.each(Array.from({ length: 12 }, (_, index) => index + 1))('whatever goes wrong on the way, the end is what was desired (%i)', { timeout: 120_000 }, async (seed) => {
  const pick = numbers(seed)
  const { account, engine, keys } = await openBench(cloud)
  await account.configure({ consistencyMs: 100, slowMs: 20 })
  for (let change = 0; change < 3; change++) {
    const desired = randomGraph(pick)
    const confirmProtected = ['database']
    for (let attempt = 0; ; attempt++) {
      // The faults of a configuration count from its first call: each attempt meets others, the last none.
      const made = (await account.calls()).length
      await account.configure({ faults: attempt < 4 ? randomFaults(pick).map((fault) => ({ ...fault, call: fault.call! + Math.floor(made / 2) })) : [] })
      const error = await engine().apply(desired, { confirmProtected }).then(() => undefined, (thrown: unknown) => thrown)
      if (error === undefined) break
      if (attempt >= 6) throw new Error('it did not end', { cause: error })
    }
    await account.configure({ faults: [] })
    expect(await keys(), `change ${change}`).toEqual(desired.map(({ key }) => key).toSorted())
    expect((await engine().plan(desired)).steps.filter(({ action }) => action !== 'keep')).toEqual([])
  }
  expect((await engine().destroy({ confirmProtected: ['database'] })).foreign).toEqual([])
  expect(await account.resources()).toEqual([])
  expect(await account.violations()).toEqual([])
})
