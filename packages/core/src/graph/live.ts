import type { AnyKind } from '../provider/kind.ts'
import type { SecretRef } from '../provider/value.ts'
import type { ResourceState } from '../store/store.ts'
import { callHandler, type CallContext } from './calls.ts'
import { projectFields, type Live } from './diff.ts'
import type { Kinds } from './graph.ts'
import { slot, type Recorded } from './recorded.ts'
import type { ProjectionContext } from './resolve.ts'

/**
 * Looks at every resource that has an id. An error is an error (access denied is never "absent"). Resources of kinds that
 * nobody knows are not looked at.
 */
export async function readLive(context: CallContext, recorded: Recorded, kinds: Kinds): Promise<Map<string, Live | 'absent'>> {
  const live = new Map<string, Live | 'absent'>()
  await Promise.all(
    recorded.all().map(async (resource) => {
      const kind = kinds.get(resource.kind)
      if (kind === undefined || resource.id === '') return
      live.set(slot(resource), (await readOne(context, { kind, resource, recorded })) ?? 'absent')
    }),
  )
  return live
}

export function readOne(context: CallContext, { kind, resource, recorded }: { kind: AnyKind; resource: ResourceState; recorded: Recorded }): Promise<Live | undefined> {
  return callHandler(context, { kind, resource, what: 'read', mutates: false, isRepeatable: true }, (call) => kind.read({ ...call, id: resource.id, recorded: recordedInputs(resource, recorded) })) as Promise<Live | undefined>
}

/** Inputs as recorded for handlers that get no secrets: fields that hold one, or refer to what is gone, are left out. */
export function recordedInputs(resource: ResourceState, recorded: Recorded): Record<string, unknown> {
  const fields = projectFields(resource.inputs, outputContext(recorded, () => ''))
  return Object.fromEntries([...fields].filter(([, { sealed, unknown }]) => !sealed && unknown.length === 0).map(([field, { value }]) => [field, value]))
}

/** References resolve to what is recorded now. */
export function outputContext(recorded: Recorded, secretHash: (secret: SecretRef) => string): ProjectionContext {
  return {
    secretHash,
    output(key, name) {
      const outputs = recorded.current(key)?.outputs
      return outputs !== undefined && name in outputs ? { value: outputs[name] } : undefined
    },
  }
}
