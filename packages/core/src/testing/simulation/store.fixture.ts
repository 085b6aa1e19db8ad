import { isDeepStrictEqual } from 'node:util'
import { leaseLost } from '../../store/lease-files.ts'
import type { Fence, JournalEntry, LeaseRecord, ScopeStore, State } from '../../store/store.ts'
import type { Machine, World } from './world.fixture.ts'

/** A store in memory whose writes take time: of a process that dies, those under way are kept up to some point, and the rest is lost. */
export interface SimulatedStore {
  /** As this process sees it. */
  scopeOn(machine: Machine): ScopeStore
  state(): State | undefined
  /** Call when the process dies: the first so many of its writes that are under way still happen. */
  cut(machine: Machine, kept: number): void
}

export function createSimulatedStore({ world, below }: { world: World; below: (n: number) => number }): SimulatedStore {
  const name = 'platform'
  const pending = new Map<Machine, (() => void)[]>()
  let states: readonly State[] = []
  let journal: readonly JournalEntry[] = []
  let lease: LeaseRecord | undefined

  const check = ({ token }: Fence): void => {
    if (lease?.token !== token || lease.holder === undefined) throw leaseLost(name, lease)
  }

  /** In the order of the calls of each process, as a disk does it. */
  function write<T>(machine: Machine, run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const queue = pending.get(machine) ?? []
      pending.set(machine, queue)
      queue.push(() => {
        try {
          const result = run()
          machine.deliver(() => resolve(result))
        } catch (error) {
          machine.deliver(() => reject(error))
        }
      })
      world.after(below(10), () => queue.shift()?.())
    })
  }
  const read = <T>(machine: Machine, run: () => T): Promise<T> => new Promise((resolve) => world.after(below(3), () => machine.deliver(() => resolve(structuredClone(run())))))

  return {
    state: () => states.at(-1),
    cut(machine, kept) {
      const queue = pending.get(machine) ?? []
      for (const run of queue.splice(0).slice(0, kept)) run()
    },
    scopeOn: (machine) => ({
      name,
      readState: () => read(machine, () => states.at(-1)),
      writeState: (state, fence) =>
        write(machine, () => {
          check(fence)
          if (state.version !== (states.at(-1)?.version ?? 0) + 1) throw leaseLost(name, lease)
          states = [...states.slice(-2), structuredClone(state)]
        }),
      stateHistory: () => Promise.reject(new Error('Not simulated')),
      readStateVersion: () => Promise.reject(new Error('Not simulated')),
      appendJournal(entry, fence) {
        const written = structuredClone(entry)
        return write(machine, () => {
          check(fence)
          journal = [...journal, written]
        })
      },
      readJournal: () => read(machine, () => journal),
      truncateJournal: (fence) =>
        write(machine, () => {
          check(fence)
          journal = []
        }),
      lease: {
        read: () => read(machine, () => lease),
        swap: (previous, next) =>
          write(machine, () => {
            if (!isDeepStrictEqual(lease, previous)) return false
            lease = structuredClone(next)
            return true
          }),
      },
      putRecord: () => Promise.reject(new Error('Not simulated')),
      deleteRecord: () => Promise.reject(new Error('Not simulated')),
      getRecord: () => Promise.reject(new Error('Not simulated')),
      listRecords: () => Promise.reject(new Error('Not simulated')),
      remove: () => Promise.reject(new Error('Not simulated')),
    }),
  }
}
