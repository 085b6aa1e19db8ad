import type { AnyKind } from '../provider/kind.ts'
import { PilotError } from '../errors/pilot-error.ts'
import type { ScopeStore } from '../store/store.ts'

/** Something goes wrong at one call, before or after it had its effect. */
export interface Fault {
  readonly action:
    /** An error that says nothing. */
    | 'fail'
    /** No answer, ever. */
    | 'hang'
    /** The connection breaks (fake cloud), or this process is killed (`withFaults`). */
    | 'crash'
    /** Waits until it is released (fake cloud only). */
    | 'hold'
    | 'throttle'
    /** Like `throttle` only `before`: a refusal that had its effect all the same would be a lie. */
    | 'deny'
  readonly moment: 'before' | 'after'
  /** The how manieth of the calls that match, from 1; default: each. */
  readonly call?: number
  /** `call` and the ones after it, this many in all; default 1. */
  readonly times?: number
  /** Default: all. `change`: create, update, delete. */
  readonly operation?: FaultOperation | 'change'
  readonly type?: string
}

export type FaultOperation = 'create' | 'get' | 'list' | 'update' | 'delete'

interface Counted {
  readonly operation: FaultOperation
  readonly type: string
}

/** The fault that strikes the last of these calls. */
export function faultFor(faults: readonly Fault[], calls: readonly Counted[]): Fault | undefined {
  const current = calls.at(-1)
  if (current === undefined) return undefined
  return faults.find((fault) => {
    if (!matches(fault, current)) return false
    if (fault.call === undefined) return true
    const n = calls.filter((call) => matches(fault, call)).length
    return n >= fault.call && n < fault.call + (fault.times ?? 1)
  })
}

function matches({ operation, type }: Fault, call: Counted): boolean {
  if (type !== undefined && type !== call.type) return false
  if (operation === 'change') return call.operation === 'create' || call.operation === 'update' || call.operation === 'delete'
  return operation === undefined || operation === call.operation
}

/**
 * The kinds of any provider, with faults at their handlers: `type` is the kind's name, `get` stands for `read` and `settle`.
 * `crash` kills this process with SIGKILL. Calls are counted over all kinds of one call to this function.
 */
export function withFaults(kinds: readonly AnyKind[], faults: readonly Fault[]): readonly AnyKind[] {
  const calls: Counted[] = []
  return kinds.map((kind) => {
    const at =
      (operation: FaultOperation, handler: (call: never) => Promise<unknown>) =>
      async (call: { readonly signal: AbortSignal }): Promise<never> => {
        calls.push({ operation, type: kind.kind })
        const fault = faultFor(faults, calls)
        if (fault?.moment === 'before') await strike(fault, call.signal)
        const result = await handler(call as never)
        if (fault?.moment === 'after') await strike(fault, call.signal)
        return result as never
      }
    return {
      ...kind,
      create: at('create', (call) => kind.create(call)),
      settle: at('get', (call) => kind.settle(call)),
      read: at('get', (call) => kind.read(call)),
      list: at('list', (call) => kind.list(call)),
      delete: at('delete', (call) => kind.delete(call)),
      ...(kind.update === undefined ? {} : { update: at('update', (call) => kind.update!(call)) }),
    }
  })
}

async function strike({ action, moment }: Fault, signal: AbortSignal): Promise<void> {
  switch (action) {
    case 'fail':
      throw new Error(`Injected failure ${moment} the call`)
    case 'throttle':
      throw new PilotError('THROTTLED', 'Injected throttling')
    case 'deny':
      throw new PilotError('ACCESS_DENIED', 'Injected refusal')
    case 'crash':
      process.kill(process.pid, 'SIGKILL')
      return new Promise(() => {})
    case 'hang':
    case 'hold':
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
  }
}

/** The same scope, in a process that dies with SIGKILL right before or right after its n-th journal entry is durable. */
export function dieAtJournalEntry(scope: ScopeStore, { entry: n, moment }: { readonly entry: number; readonly moment: 'before' | 'after' }): ScopeStore {
  let written = 0
  const die = (): Promise<never> => {
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => {})
  }
  return {
    ...scope,
    async appendJournal(entry, fence) {
      const isLast = ++written === n
      if (isLast && moment === 'before') return die()
      await scope.appendJournal(entry, fence)
      if (isLast) return die()
    },
  }
}
