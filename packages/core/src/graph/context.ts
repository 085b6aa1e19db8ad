import type { Emit } from '../events/event.ts'
import type { ResourceState } from '../store/store.ts'
import type { Recorded } from './recorded.ts'
import type { FindContext } from './unknown.ts'

/** What all parts of one engine share. */
export interface EngineContext extends FindContext {
  readonly emit: Emit
  readonly width: number
}

/** Outputs of everything that is ready, by key. */
export function readyOutputs(recorded: Recorded): ReadonlyMap<string, ResourceState['outputs']> {
  const ready = recorded.all().filter((resource) => resource.status === 'ready' && recorded.current(resource.key) === resource)
  return new Map(ready.map(({ key, outputs }) => [key, outputs]))
}
