import type { Clock } from '../store/clock.ts'
import type { Fence, JournalEntry, ScopeStore } from '../store/store.ts'
import type { Recorded } from './recorded.ts'

type WithoutStamp<E> = E extends JournalEntry ? Omit<E, 'at' | 'seq'> : never
export type JournalFact = WithoutStamp<JournalEntry>

export interface Journal {
  /**
   * Records a fact at once in memory; the promise resolves when it is durable. Facts become durable in the order of the
   * calls, so whoever waits for one has all earlier ones too. The store flushes what waits together.
   * After a write that failed (a lost lease, a full disk) every further call fails the same way.
   */
  append(fact: JournalFact): Promise<void>
  /** Resolves when everything is durable. */
  flush(): Promise<void>
  /** Writes the next version of the state, if anything changed. */
  writeState(): Promise<void>
  /** Writes the state and forgets the journal. Only when nothing is under way. */
  close(): Promise<void>
}

export function createJournal({ scope, fence, recorded, isEmpty, clock, managedBy }: { scope: ScopeStore; fence: Fence; recorded: Recorded; isEmpty: boolean; clock: Clock; managedBy: string | undefined }): Journal {
  let isTruncated = isEmpty
  let broken: { readonly error: unknown } | undefined
  let last: Promise<void> = Promise.resolve()
  let lastState: Promise<void> = Promise.resolve()

  async function writeState(): Promise<void> {
    if (broken !== undefined) throw broken.error
    if (!recorded.isChanged()) return
    const state = recorded.toState({ at: clock.date().toISOString(), managedBy })
    await scope.writeState(state, fence)
    recorded.written(state)
  }

  async function flush(): Promise<void> {
    await last
    if (broken !== undefined) throw broken.error
  }

  return {
    append(fact) {
      if (broken !== undefined) return Promise.reject(broken.error)
      const entry = { ...fact, at: clock.date().toISOString(), seq: recorded.lastSeq() + 1 } as JournalEntry
      recorded.apply(entry)
      isTruncated = false
      const written = scope.appendJournal(entry, fence).catch((error: unknown) => {
        broken ??= { error }
        throw error
      })
      last = written.catch(() => {})
      return written
    },
    flush,
    writeState: () => (lastState = lastState.catch(() => {}).then(writeState)),
    async close() {
      await flush()
      await lastState.catch(() => {})
      await writeState()
      if (isTruncated) return
      await scope.truncateJournal(fence)
      isTruncated = true
    },
  }
}
