import { PilotError } from '../errors/pilot-error.ts'
import type { Fence, ResourceState, ScopeStore, State } from '../store/store.ts'
import type { Kinds } from './graph.ts'
import { createRecorded, type Recorded } from './recorded.ts'

/**
 * State and journal as one: what the last owner knew when it ended, however it ended. Reads only. Resources whose create
 * call has no result are `unknown`; `settleUnknown` finds out about them.
 */
export async function recover({ scope, kinds, fence }: { scope: ScopeStore; kinds: Kinds; fence: Fence }): Promise<{ readonly recorded: Recorded; /** Whether the journal is. */ readonly isEmpty: boolean }> {
  const state = await scope.readState()
  // A scope that was destroyed and removed begins anew, but its names and tokens must not: providers remember tokens of what
  // was deleted. Only the lease outlives it, and its token grows with every owner.
  const recorded = createRecorded(state && migrateResources(state, kinds), fence.token - 1)
  const entries = await scope.readJournal()
  for (const entry of entries) recorded.apply(entry)
  return { recorded, isEmpty: entries.length === 0 }
}

/** Resources of older versions of their kinds in today's shape. Those of unknown kinds stay as they are. */
function migrateResources(state: State, kinds: Kinds): State {
  return { ...state, resources: state.resources.map((resource) => migrateResource(resource, kinds)) }
}

function migrateResource(resource: ResourceState, kinds: Kinds): ResourceState {
  const kind = kinds.get(resource.kind)
  if (kind === undefined || kind.version === resource.kindVersion) return resource
  if (resource.kindVersion > kind.version) {
    throw new PilotError('STATE_NEWER', `${resource.key} was recorded by version ${resource.kindVersion} of ${kind.kind}; the installed provider knows up to ${kind.version}`, {
      suggestion: `Install a newer version of the provider ${kind.kind.split('/')[0]}; nothing was changed.`,
    })
  }
  if (kind.migrate === undefined) {
    throw new PilotError('INTERNAL', `${kind.kind} cannot read what its version ${resource.kindVersion} recorded for ${resource.key}`, {
      suggestion: 'The provider lacks a migration; please report it there, and use the version before until then.',
    })
  }
  const { inputs, outputs } = kind.migrate({ version: resource.kindVersion, inputs: resource.inputs, outputs: resource.outputs })
  return { ...resource, kindVersion: kind.version, inputs: inputs as ResourceState['inputs'], outputs: outputs as ResourceState['outputs'] }
}
