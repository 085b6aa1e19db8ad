import type { JournalEntry, ResourceState, State, UnansweredCreation } from '../store/store.ts'
import { stateFormat } from '../store/store.ts'

/**
 * What is recorded of a scope: the newest state with the journal's entries on top. One reducer serves both the running
 * engine, which applies an entry right when it is written, and recovery, which replays what was written; so what a crash
 * leaves behind is always something that the engine has been in itself.
 */
export interface Recorded {
  /** The one generation of a key that counts: the newest that is neither deposed nor failed. */
  current(key: string): ResourceState | undefined
  get(key: string, generation: number): ResourceState | undefined
  /** Every generation of one key. */
  generations(key: string): readonly ResourceState[]
  /** Every generation of every key, ordered by key and generation. */
  all(): readonly ResourceState[]
  /** Never used before for this key. */
  nextGeneration(key: string): number
  /** Whether we have ever begun to create this generation. */
  isOurs(owner: { readonly key: string; readonly generation: number }): boolean
  /** Creations that may have made, or may still make, more than what is recorded. */
  unanswered(): readonly UnansweredCreation[]
  mayHaveMade(owner: { readonly key: string; readonly generation: number }): boolean
  apply(entry: JournalEntry): void
  /** What a reading or an unchanged plan taught: outputs, edges, protection. Not journaled, since the next plan learns it again. */
  refresh(key: string, generation: number, change: Partial<Pick<ResourceState, 'outputs' | 'inputs' | 'fingerprints' | 'dependsOn' | 'protect' | 'kindVersion'>>): void
  /** Whether anything differs from the state that was read or written last. */
  isChanged(): boolean
  version(): number
  lastSeq(): number
  /** The next version; call `written` once it is durable. */
  toState(options: { readonly at: string; readonly managedBy: string | undefined }): State
  written(state: State): void
}

/** More retired keys than this are folded into the floor. */
export const keptRetired = 256

/** Of more creations without an answer than this the oldest are forgotten: what they made is then shown to a person. */
export const keptUnanswered = 256

/** `firstFloor`: generations up to it may have been used by an earlier life of a scope without a state. */
export function createRecorded(state: State | undefined, firstFloor = 0): Recorded {
  const resources = new Map<string, Map<number, ResourceState>>()
  const before = new Map<string, ResourceState>()
  const retired = new Map(Object.entries(state?.retired?.generations ?? {}))
  const unanswered = new Map<string, UnansweredCreation>((state?.unanswered ?? []).map((each) => [slot(each), each]))
  let floor = state === undefined ? firstFloor : (state.retired?.floor ?? 0)
  let version = state?.version ?? 0
  let lastSeq = state?.journalSeq ?? 0
  let changed = false
  for (const resource of state?.resources ?? []) put(resource)
  changed = false

  return {
    current,
    get,
    generations: (key) => [...(resources.get(key)?.values() ?? [])],
    all,
    nextGeneration: (key) => Math.max(retired.get(key) ?? floor, ...(resources.get(key)?.keys() ?? [])) + 1,
    isOurs: ({ key, generation }) => get(key, generation) !== undefined || generation <= (retired.get(key) ?? 0) || generation < (current(key)?.generation ?? 0),
    unanswered: () => [...unanswered.values()],
    mayHaveMade: (owner) => unanswered.has(slot(owner)),
    apply(entry) {
      if (entry.seq <= lastSeq) return
      lastSeq = entry.seq
      reduce(entry)
    },
    refresh(key, generation, change) {
      const resource = get(key, generation)
      if (resource !== undefined) put({ ...resource, ...change })
    },
    isChanged: () => changed,
    version: () => version,
    lastSeq: () => lastSeq,
    toState: ({ at, managedBy }) => ({
      format: stateFormat,
      version: version + 1,
      at,
      ...(managedBy === undefined ? {} : { managedBy }),
      resources: all(),
      journalSeq: lastSeq,
      retired: { floor, generations: Object.fromEntries(retired) },
      ...(unanswered.size === 0 ? {} : { unanswered: [...unanswered.values()] }),
    }),
    written(next) {
      version = next.version
      changed = next.journalSeq !== lastSeq
    },
  }

  function reduce(entry: JournalEntry): void {
    if (entry.type === 'intent') {
      const { resource } = entry
      if (entry.action === 'create') asked(resource, entry.isSearched === true)
      const known = get(resource.key, resource.generation)
      if (entry.action === 'create') return put({ ...(known ?? { outputs: {}, status: 'unknown', createdAt: entry.at }), ...resource, id: known?.id ?? '', changedAt: entry.at })
      if (known === undefined) return
      // Of a delete call without an answer the next look tells all that matters: whether the resource is there.
      if (entry.action === 'delete') return
      before.set(slot(known), known)
      return put({ ...known, ...resource, id: known.id, changedAt: entry.at, unsettled: [...new Set([...(known.unsettled ?? []), ...(entry.changed ?? [])])] })
    }
    const known = get(entry.key, entry.generation)
    if (entry.type === 'deleted') return remove(entry.key, entry.generation)
    if (entry.type === 'stray') return answered(entry)
    if (entry.type === 'failed' && entry.action === 'create' && entry.certain && entry.mayArrive !== true && known?.id === '') answered(entry)
    // An adoption writes down an intent of its own, and sends nothing.
    if (entry.type === 'accepted' && entry.action === 'create') answered(entry, entry.adopted === true ? 2 : 1)
    if (known === undefined) return
    const { operation: _, ...rest } = known
    switch (entry.type) {
      case 'accepted': {
        const operation = entry.operation === undefined ? {} : { operation: entry.operation }
        before.delete(slot(known))
        const adopted = entry.adopted === true ? { adopted: true as const, readyAt: known.readyAt ?? entry.at } : {}
        return put({ ...rest, ...operation, ...adopted, id: entry.id, status: entry.action === 'delete' || known.status === 'deposed' ? 'deposed' : 'created' })
      }
      case 'settled': {
        const { unsettled: __, adopted: ___, ...settled } = rest
        put({ ...settled, outputs: entry.outputs, status: 'ready', readyAt: known.readyAt ?? entry.at })
        return deposeOlder(entry.key, entry.generation)
      }
      case 'failed':
        return failed(entry, known)
    }
  }

  function asked({ key, kind, generation }: Pick<UnansweredCreation, 'key' | 'kind' | 'generation'>, isSearched: boolean): void {
    changed = true
    const before = unanswered.get(slot({ key, generation }))?.calls ?? 0
    unanswered.set(slot({ key, generation }), { key, kind, generation, calls: isSearched ? before + 1 : 1 })
    const oldest = unanswered.keys().next().value!
    if (unanswered.size > keptUnanswered) unanswered.delete(oldest)
  }

  function answered(owner: { readonly key: string; readonly generation: number }, calls = 1): void {
    const found = unanswered.get(slot(owner))
    if (found === undefined) return
    changed = true
    if (found.calls > calls) unanswered.set(slot(owner), { ...found, calls: found.calls - calls })
    else unanswered.delete(slot(owner))
  }

  function failed(entry: JournalEntry & { type: 'failed' }, known: ResourceState): void {
    if (!entry.certain) return
    const previous = before.get(slot(known))
    if (previous !== undefined) {
      // The provider refused an update: all is as it was.
      before.delete(slot(known))
      return put(previous)
    }
    if (entry.action !== 'create') return put({ ...known, status: known.status === 'created' ? 'ready' : known.status })
    if (known.id === '') remove(known.key, known.generation)
    else put({ ...known, status: 'tainted' })
  }

  function deposeOlder(key: string, generation: number): void {
    for (const older of resources.get(key)?.values() ?? []) {
      if (older.generation < generation && older.status !== 'deposed') put({ ...older, status: 'deposed' })
    }
  }

  function current(key: string): ResourceState | undefined {
    let newest: ResourceState | undefined
    for (const resource of resources.get(key)?.values() ?? []) {
      if (resource.status === 'deposed' || resource.status === 'tainted') continue
      if (newest === undefined || resource.generation > newest.generation) newest = resource
    }
    return newest
  }

  function get(key: string, generation: number): ResourceState | undefined {
    return resources.get(key)?.get(generation)
  }

  function all(): readonly ResourceState[] {
    return [...resources.values()].flatMap((generations) => [...generations.values()]).sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.generation - b.generation))
  }

  function put(resource: ResourceState): void {
    changed = true
    const generations = resources.get(resource.key) ?? new Map<number, ResourceState>()
    generations.set(resource.generation, resource)
    resources.set(resource.key, generations)
  }

  function remove(key: string, generation: number): void {
    changed = true
    const generations = resources.get(key)
    generations?.delete(generation)
    if (generations?.size === 0) resources.delete(key)
    retire(key, generation)
  }

  function retire(key: string, generation: number): void {
    const highest = Math.max(generation, retired.get(key) ?? 0)
    retired.delete(key)
    retired.set(key, highest)
    while (retired.size > keptRetired) {
      const [oldest, used] = retired.entries().next().value!
      retired.delete(oldest)
      floor = Math.max(floor, used)
    }
  }
}

export const slot = ({ key, generation }: { readonly key: string; readonly generation: number }): string => `${key}#${generation}`

/** Of each key the one generation that counts, as a state tells: call `engine.recover()` before, so that it is up to date. */
export function currentResources(state: State | undefined): readonly ResourceState[] {
  const recorded = createRecorded(state)
  return [...new Set((state?.resources ?? []).map(({ key }) => key))].flatMap((key) => recorded.current(key) ?? [])
}
