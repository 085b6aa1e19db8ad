import { createAccount, type AccountControl, type CloudRequest, type CloudResponse } from '../fake-cloud/account.ts'
import type { FakeTransport } from '../fake-cloud/client.ts'
import type { Machine, World } from './world.fixture.ts'

/** An account of the fake cloud with a network before it: requests are on their way for a while, also when their sender is dead. */
export interface SimulatedCloud {
  readonly account: AccountControl
  transportOf(machine: Machine): FakeTransport
  /** Call when the process dies: of its requests under way some never arrive, the others later, but within this time. */
  cut(machine: Machine, lateMs: number): void
  /** What one process did that it must never do. */
  violations(): readonly string[]
}

interface Underway {
  arrive: () => void
  callOff: () => void
}

/** `isSpoiled`: asked for each creation, whether the cloud will give up on it. */
export function createSimulatedCloud({ world, below, isSpoiled }: { world: World; below: (n: number) => number; isSpoiled: () => boolean }): SimulatedCloud {
  const delay = () => below(40)
  const { call, control: account } = createAccount({ now: () => world.now(), sleep: (ms) => new Promise((resolve) => world.after(ms, resolve)) })
  const underway = new Map<Machine, Set<Underway>>()
  const busy = new Map<Machine, Set<string>>()
  const violations: string[] = []

  async function effect(request: CloudRequest): Promise<CloudResponse | 'closed'> {
    const known = new Set(account.resources().map(({ id }) => id))
    const answered = call(request)
    if (request.operation === 'create' && isSpoiled()) {
      for (const { id } of account.resources()) if (!known.has(id)) account.spoil(id)
    }
    return answered
  }

  /** One call that changes a resource at a time. */
  function begin(machine: Machine, { operation, type, id, marks }: CloudRequest): () => void {
    if (operation === 'get' || operation === 'list') return () => {}
    const target = `${type} ${id ?? `${marks?.['key']}#${marks?.['generation']}`}`
    const targets = busy.get(machine) ?? new Set()
    busy.set(machine, targets)
    if (targets.has(target)) violations.push(`${operation} of ${target} while another call changes it`)
    targets.add(target)
    return () => void targets.delete(target)
  }

  return {
    account,
    violations: () => [...account.violations(), ...violations],
    cut(machine, lateMs) {
      for (const { arrive, callOff } of underway.get(machine) ?? []) {
        callOff()
        if (below(3) > 0) world.after(below(lateMs), arrive)
      }
    },
    transportOf: (machine) => (request, signal) =>
      new Promise((resolve, reject) => {
        const requests = underway.get(machine) ?? new Set()
        underway.set(machine, requests)
        const end = begin(machine, request)
        const over = (run: () => void) =>
          machine.deliver(() => {
            signal.removeEventListener('abort', abort)
            end()
            run()
          })
        const abort = () => (end(), reject(signal.reason))
        signal.addEventListener('abort', abort, { once: true })
        const each: Underway = { arrive, callOff: world.after(delay(), arrive) }
        requests.add(each)
        function arrive(): void {
          requests.delete(each)
          void effect(request).then((answer) => world.after(delay(), () => over(() => (answer === 'closed' ? reject(new Error('The connection was closed')) : resolve(answer)))))
        }
      }),
  }
}
