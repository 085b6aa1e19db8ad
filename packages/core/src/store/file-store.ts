import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isPilotError, PilotError } from '../errors/pilot-error.ts'
import { encodeChecked } from './checked-json.ts'
import { listNames, makeSure, removeFolder, removeStaleTemporaries, replaceFile } from './durable-file.ts'
import { journalFiles } from './journal-files.ts'
import { checkFence, leaseFiles } from './lease-files.ts'
import { numberedFiles } from './numbered-files.ts'
import { recordFiles } from './record-files.ts'
import { scopeParts } from './scope-name.ts'
import { corrupt, parseState, type StateMigrations } from './state-format.ts'
import { stateFormat, type Fence, type ScopeName, type ScopeStore, type State, type Store } from './store.ts'

export interface FileStoreOptions {
  /** On a local file system that knows hard links. Created when the first scope is written. */
  readonly dir: string
  /** For tests; default: the table of `state-format.ts`. */
  readonly migrations?: StateMigrations
}

/** How many versions of a scope's state stay. */
export const keptStates = 50

/**
 * A store of plain files, safe against crashes and against other processes on the same machine:
 *
 * ```
 * <dir>/<scope>/state/00000012.json      a version of the state; of two writers of one version exactly one wins
 *               journal/00000007-0000.jsonl   what owner 7 did since the state was written
 *               lease/00000042.json      the newest one tells who owns the scope
 *               records/release/12.json  immutable
 * ```
 */
export function createFileStore({ dir, migrations }: FileStoreOptions): Store {
  const scopes = new Map<ScopeName, ScopeStore>()

  return {
    scope(name) {
      const known = scopes.get(name) ?? fileScope({ name, folder: join(dir, ...scopeParts(name)), migrations })
      scopes.set(name, known)
      return known
    },
    scopes: async (prefix = '') => scopesBelow(dir).filter((scope) => scope.startsWith(prefix) && holdsAnything(join(dir, scope))),
    leasedScopes: async () => scopesBelow(dir).filter((scope) => visible(join(dir, scope, 'lease')).length > 0),
  }
}

function fileScope({ name, folder, migrations }: { name: ScopeName; folder: string; migrations: StateMigrations | undefined }): ScopeStore {
  const states = numberedFiles({ folder: join(folder, 'state'), extension: 'json', keep: keptStates })
  const lease = leaseFiles({ folder: join(folder, 'lease') })
  const check = (fence: Fence) => checkFence({ lease, fence, scope: name })
  const journal = journalFiles({ folder: join(folder, 'journal'), check })
  const records = recordFiles({ folder: join(folder, 'records') })

  return {
    name,
    lease,

    readState,
    async writeState(state, fence) {
      await check(fence)
      const newest = states.newest()
      if (state.version !== (newest ?? 0) + 1) throw overtaken(state.version, newest)
      if (newest !== undefined) await keepCopyOfOlderFormat(newest)
      if (!(await states.create(state.version, encodeChecked(JSON.stringify(state, undefined, 2))))) throw overtaken(state.version, states.newest())
    },
    async stateHistory() {
      const versions = states.numbers().toReversed()
      const found = await Promise.all(versions.map(async (version) => ({ version, at: await writtenAt(version) })))
      return found.flatMap(({ version, at }) => (at === undefined ? [] : [{ version, at }]))
    },
    async readStateVersion(version) {
      const text = Number.isSafeInteger(version) && version > 0 ? await states.read(version) : undefined
      if (text === undefined) throw new PilotError('NOT_FOUND', `${name} has no version ${version} of its state`, { suggestion: `The last ${keptStates} versions are kept: see \`state history\`.` })
      return parse(version, text).state
    },

    appendJournal: (entry, fence) => journal.append(entry, fence),
    readJournal: () => journal.read(),
    async truncateJournal(fence) {
      await check(fence)
      // The entries are in the newest state, which an owner may have written that was killed before its name was safe.
      const newest = states.newest()
      if (newest !== undefined) await makeSure(states.path(newest))
      await journal.truncate(fence)
    },

    async putRecord(type, id, record, fence) {
      await check(fence)
      await records.put(type, id, record)
    },
    async deleteRecord(type, id, fence) {
      await check(fence)
      await records.delete(type, id)
    },
    getRecord: (type, id) => records.get(type, id),
    listRecords: (type) => records.list(type),
    findLastRecord: (type, isIt) => records.findLast(type, isIt),

    async remove(fence) {
      await check(fence)
      const state = await readState()
      if (state !== undefined && state.resources.length > 0) {
        throw new PilotError('BLOCKED', `The state of ${name} still holds ${state.resources.length} resources`, {
          suggestion: 'Destroy what it holds first.',
          details: { keys: state.resources.map((resource) => resource.key) },
        })
      }
      // The lease stays: a token that was given out once must never be given out again.
      // State last: until it is gone, the scope is there and can be removed again.
      for (const part of ['records', 'journal', 'state']) await removeFolder(join(folder, part))
      await removeStaleTemporaries(folder)
    },
  }

  async function readState(): Promise<State | undefined> {
    for (;;) {
      const version = states.newest()
      if (version === undefined) return undefined
      const text = await states.read(version)
      // Pruned between the look and the read: there is a newer one.
      if (text !== undefined) return parse(version, text).state
    }
  }

  function parse(version: number, text: string): { readonly state: State; readonly storedFormat: number } {
    const origin = states.path(version)
    const only = states.numbers().length === 1 ? { ifCorrupt: 'There is no other version of it: restore the file from a backup of the home.' } : {}
    const parsed = parseState({ text, origin, ...only, ...(migrations === undefined ? {} : { migrations }) })
    if (parsed.state.version !== version) throw corrupt(origin, `it says that it is version ${parsed.state.version}`, only.ifCorrupt)
    return parsed
  }

  // What an older Pilot wrote stays beside the history, whatever the pruning does, so that going back is possible.
  // A damaged newest state is no obstacle: writing an earlier version again is how one goes on.
  async function keepCopyOfOlderFormat(version: number): Promise<void> {
    const text = await states.read(version)
    if (text === undefined) return
    const storedFormat = formatOf(version, text)
    if (storedFormat < stateFormat) await replaceFile(`${states.path(version)}.format-${storedFormat}`, text)
  }

  function formatOf(version: number, text: string): number {
    try {
      return parse(version, text).storedFormat
    } catch (error) {
      if (isPilotError(error) && error.code === 'STATE_CORRUPT') return stateFormat
      throw error
    }
  }

  async function writtenAt(version: number): Promise<string | undefined> {
    const text = await states.read(version)
    const at = text === undefined ? undefined : /"at": *"([^"]+)"/.exec(text)?.[1]
    return at ?? (await stat(states.path(version)).then((found) => found.mtime.toISOString(), () => undefined))
  }

  function overtaken(version: number, newest: number | undefined): PilotError {
    return new PilotError('LEASE_LOST', `The state of ${name} is at version ${newest ?? 0}, so version ${version} cannot be written`, { reason: 'another owner wrote in between', details: { scope: name, version, newest: newest ?? 0 } })
  }
}

const scopesBelow = (dir: string): readonly ScopeName[] => ['platform', ...below(join(dir, 'app'), 3).map((parts) => ['app', ...parts].join('/'))]

/** Names of folders exactly `depth` levels below. */
function below(folder: string, depth: number): readonly (readonly string[])[] {
  if (depth === 0) return [[]]
  return visible(folder).flatMap((name) => below(join(folder, name), depth - 1).map((rest) => [name, ...rest]))
}

function holdsAnything(folder: string): boolean {
  const types = visible(join(folder, 'records')).map((type) => join('records', type))
  return ['state', 'journal', ...types].some((part) => visible(join(folder, part)).length > 0)
}

const visible = (folder: string) => listNames(folder).filter((name) => !name.startsWith('.')).sort()
