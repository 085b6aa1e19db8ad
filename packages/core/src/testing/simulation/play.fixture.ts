import { deepStrictEqual, ok } from 'node:assert'
import { isPilotError } from '../../errors/pilot-error.ts'
import { createEngine, type Engine } from '../../graph/engine.ts'
import type { Graph } from '../../provider/graph.ts'
import type { SecretStore } from '../../secrets/secret-store.ts'
import { acquireLease } from '../../store/lease.ts'
import { hostIdentity, processIdentity } from '../../store/process-identity.ts'
import type { CloudResource } from '../fake-cloud/account.ts'
import { fakeKinds } from '../fake-cloud/kinds.ts'
import type { Fault } from '../faults.ts'
import { createSimulatedCloud, type SimulatedCloud } from './cloud.fixture.ts'
import type { Interruption, Scenario, Step } from './scenario.fixture.ts'
import { createSimulatedStore } from './store.fixture.ts'
import { createMachine, createWorld, type Machine } from './world.fixture.ts'

const platformId = 'p1'
const lateArrivalMs = 400
const noSecrets = { name: 'none' } as SecretStore

/** Plays a scenario to its end. Throws when a promise of the engine is broken. */
export async function play(scenario: Scenario): Promise<void> {
  const random = Math.random
  const below = (n: number) => scenario.noise.next().value! % n
  // Pauses between attempts vary by chance: the same in each run of the same scenario.
  Math.random = () => below(1_000) / 1_000
  try {
    await playWith(scenario, below)
  } finally {
    Math.random = random
  }
}

async function playWith({ steps, end, consistencyMs, slowMs, spoiledOneIn }: Scenario, below: (n: number) => number): Promise<void> {
  const world = createWorld()
  let mayTrouble = true
  const store = createSimulatedStore({ world, below })
  const cloud = createSimulatedCloud({ world, below, isSpoiled: () => mayTrouble && below(spoiledOneIn) === 0 })
  cloud.account.configure({ consistencyMs, slowMs })
  const foreign: CloudResource[] = []
  const plant = (planted: Partial<CloudResource> & { readonly type: string }) => {
    const id = cloud.account.plant(planted)
    foreign.push(cloud.account.resources().find((each) => each.id === id)!)
  }
  const marks = (key: string, more: Readonly<Record<string, string>>) => ({ platformId, scope: 'platform', key, generation: '1', ...more })
  plant({ type: 'network', name: 'pilot-network-0-0123456789ab' })
  for (const key of ['network-0', 'server-0', 'rule-0', 'database-0', 'volume']) plant({ type: key.replace(/-\d/, ''), name: `other-${key}`, slot: `other-${key}`, token: key, marks: marks(key, { platformId: 'another' }) })
  plant({ type: 'server', marks: marks('server-1', { scope: 'app/shop/api/production' }) })

  for (const { desired, ...troubles } of steps) {
    await bring(desired, troubles)
    copyMarks()
  }
  await bring([], end)
  deepStrictEqual(cloud.violations(), [])

  async function bring(desired: Graph, { faults, interruptions }: Omit<Step, 'desired'>): Promise<void> {
    const frozen: { readonly machine: Machine; readonly work: Promise<unknown>; readonly later: number }[] = []
    for (let attempt = 0; ; attempt++) {
      mayTrouble = attempt < 4
      cloud.account.configure({ faults: faultsFrom(cloud, faults[attempt] ?? []) })
      const result = await tryOnce({ desired, interruption: interruptions[attempt], frozen })
      if (result?.status === 'fulfilled') break
      if (attempt > 12) throw new Error('It does not end', { cause: result?.reason })
    }
    mayTrouble = false
    cloud.account.configure({ faults: [] })
    if (frozen.length === 0) assertKeys(desired)
    for (const { machine, work } of frozen) {
      machine.thaw()
      ok(await world.until(work), 'a process that was frozen never ends')
    }
    // What was on its way has arrived, and is seen: the next plan settles it.
    await world.pass(lateArrivalMs + consistencyMs + slowMs)
    const again = await tryOnce({ desired, interruption: undefined, frozen: [] })
    if (again?.status !== 'fulfilled') throw new Error('It does not work again', { cause: again?.reason })
    assertKeys(desired)
    const before = changesOf(cloud)
    const plan = await world.until(session({ machine: createMachine(world), run: (engine) => engine.plan(desired) }))
    deepStrictEqual(plan?.status === 'fulfilled' ? plan.value.steps.filter(({ action }) => action !== 'keep') : plan, [])
    deepStrictEqual(changesOf(cloud), before)
  }

  /** Undefined when the process did not come to an end. */
  async function tryOnce({ desired, interruption, frozen }: { desired: Graph; interruption: Interruption | undefined; frozen: { machine: Machine; work: Promise<unknown>; later: number }[] }): Promise<PromiseSettledResult<unknown> | undefined> {
    const machine = createMachine(world)
    const confirmProtected = ['database-0', 'database-1', 'volume']
    const run = (engine: Engine): Promise<unknown> => (desired.length > 0 ? engine.apply(desired, { confirmProtected }) : engine.destroy({ confirmProtected }))
    const work = session({ machine, run, isSeen: interruption?.kind === 'crash' && interruption.isSeen })
    work.catch(() => {})
    const thaws = frozen.map(({ machine: other, later }) => ({ at: later, strike: () => void other.thaw() }))
    const own = interruption === undefined ? [] : [{ at: interruption.events, strike: () => strike(interruption, { machine, work, frozen }) }]
    let passed = 0
    for (const { at, strike } of [...thaws, ...own].toSorted((a, b) => a.at - b.at)) {
      const result = await world.until(work, at - passed)
      if (result !== undefined) return result
      passed = at
      if ((await strike()) === 'over') return undefined
    }
    const result = await world.until(work)
    const isAlone = frozen.length === 0 && interruption?.kind !== 'crash'
    if (isAlone && result?.status === 'rejected' && isPilotError(result.reason)) ok(result.reason.code !== 'LEASE_LOST', `${interruption?.kind} broke the lease`)
    return result
  }

  async function strike({ kind, kept, later, isSeen }: Interruption, { machine, work, frozen }: { machine: Machine; work: Promise<unknown>; frozen: { machine: Machine; work: Promise<unknown>; later: number }[] }): Promise<'over' | undefined> {
    switch (kind) {
      case 'crash':
        machine.kill()
        store.cut(machine, kept)
        cloud.cut(machine, lateArrivalMs)
        return 'over'
      case 'freeze':
        machine.freeze()
        frozen.push({ machine, work, later })
        return 'over'
      case 'sleep':
        machine.freeze()
        await world.pass(600_000)
        machine.thaw(isSeen ? 600_000 : 0)
        return undefined
      case 'jump':
        machine.jump((later - 300) * 3_600_000)
        return undefined
    }
  }

  async function session<T>({ machine, run, isSeen = false }: { machine: Machine; run: (engine: Engine) => Promise<T>; isSeen?: boolean }): Promise<T> {
    const { clock } = machine
    const scope = store.scopeOn(machine)
    const identity = { ...processIdentity()!, ...hostIdentity(), ...(isSeen ? { startTime: '1' } : { bootId: 'elsewhere', host: 'elsewhere' }) }
    const lease = await acquireLease({ store: scope, title: 'session', waitMs: 3_600_000, clock, identity })
    try {
      const kinds = fakeKinds({ url: cloud.transportOf(machine), consistencyMs })
      return await run(createEngine({ kinds, scope, lease, platformId, secrets: noSecrets, width: 4, lateArrivalMs, clock, signal: lease.signal, managedBy: 'simulation' }))
    } finally {
      await lease.release()
    }
  }

  function assertKeys(desired: Graph): void {
    const isForeign = ({ id }: CloudResource) => foreign.some((each) => each.id === id)
    const there = cloud.account.resources()
    deepStrictEqual(there.filter((each) => !isForeign(each)).map(({ marks }) => marks['key']).toSorted(), desired.map(({ key }) => key).toSorted())
    deepStrictEqual(there.filter(isForeign).map(({ state: _, ...rest }) => rest), foreign.map(({ state: _, ...rest }) => rest))
  }

  /** Somebody copies the marks of what is ours. Of a creation that had no answer nobody could tell the copy from what that made. */
  function copyMarks(): void {
    const unanswered = new Set(store.state()?.unanswered?.map(({ key, generation }) => `${key}#${generation}`))
    for (const { id, type, marks } of cloud.account.resources()) {
      if (foreign.some((each) => each.id === id) || unanswered.has(`${marks['key']}#${marks['generation']}`) || below(3) > 0) continue
      plant({ type, name: `copy of ${id}`, slot: `copy of ${id}`, token: `copy of ${id}`, marks })
    }
  }
}

/** They count from here. */
function faultsFrom({ account }: SimulatedCloud, faults: readonly Fault[]): readonly Fault[] {
  const calls = account.calls()
  const made = (fault: Fault) => calls.filter(({ operation }) => (fault.operation === 'change' ? operation !== 'get' && operation !== 'list' : operation === fault.operation)).length
  return faults.map((fault) => ({ ...fault, call: fault.call! + made(fault) }))
}

const changesOf = ({ account }: SimulatedCloud): number => account.calls().filter(({ operation }) => operation !== 'get' && operation !== 'list').length

