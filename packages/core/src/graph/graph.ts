import { PilotError } from '../errors/pilot-error.ts'
import type { AnyKind } from '../provider/kind.ts'
import type { Graph, Resource } from '../provider/graph.ts'
import { callTimeoutMs, longestCallMs } from './calls.ts'
import { refsIn } from './resolve.ts'

/** A desired graph that was checked: keys are unique, kinds are known, references lead somewhere, nothing goes in circles. */
export interface OrderedGraph {
  /** Dependencies before dependents; otherwise in the order of the blueprint. */
  readonly order: readonly Resource[]
  readonly resources: ReadonlyMap<string, Resource>
  /** What a key needs: `dependsOn` and everything it refers to. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>
}

export type Kinds = ReadonlyMap<string, AnyKind>

/** Throws INTERNAL for a kind whose calls could outlast the lease. */
export function kindsByName(kinds: readonly AnyKind[]): Kinds {
  const slow = kinds.find((kind) => callTimeoutMs(kind) > longestCallMs)
  if (slow) throw mistake(`A call of ${slow.kind} may take ${callTimeoutMs(slow)} ms, and ${longestCallMs} ms is the longest: what takes longer is waited for in \`settle\``, 'kind')
  return new Map(kinds.map((kind) => [kind.kind, kind]))
}

/** Throws INTERNAL for a mistake in a blueprint, KIND_UNKNOWN for a kind of a provider that is not there. */
export function orderGraph(desired: Graph, kinds: Kinds): OrderedGraph {
  const resources = new Map<string, Resource>()
  for (const resource of desired) {
    if (resources.has(resource.key)) throw mistake(`Two resources have the key ${resource.key}`)
    if (!kinds.has(resource.kind)) throw unknownKind(resource.kind, resource.key)
    resources.set(resource.key, resource)
  }
  const dependencies = new Map<string, readonly string[]>()
  for (const resource of desired) {
    const needed = [...new Set([...(resource.dependsOn ?? []), ...refsIn(resource.inputs).map(({ key }) => key)])]
    const missing = needed.find((key) => !resources.has(key))
    if (missing !== undefined) throw mistake(`${resource.key} depends on ${missing}, which is not in the graph`)
    dependencies.set(resource.key, needed)
  }
  const order = topologicalOrder([...resources.keys()], (key) => dependencies.get(key)!)
  return { order: order.map((key) => resources.get(key)!), resources, dependencies }
}

/** Dependencies first; stable. Throws INTERNAL naming the cycle: `a → b → a`. */
export function topologicalOrder(keys: readonly string[], dependenciesOf: (key: string) => readonly string[]): string[] {
  const ordered: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  for (const start of keys) {
    // An explicit stack: chains may be thousands long.
    const path: { key: string; rest: readonly string[]; next: number }[] = []
    const enter = (key: string) => {
      state.set(key, 'open')
      path.push({ key, rest: dependenciesOf(key), next: 0 })
    }
    if (!state.has(start)) enter(start)
    while (path.length > 0) {
      const top = path.at(-1)!
      const key = top.rest[top.next++]
      if (key === undefined) {
        state.set(top.key, 'done')
        ordered.push(top.key)
        path.pop()
      } else if (!state.has(key)) enter(key)
      else if (state.get(key) === 'open') {
        const cycle = [...path.slice(path.findIndex((each) => each.key === key)).map((each) => each.key), key]
        throw new PilotError('INTERNAL', `The graph goes in a circle: ${cycle.join(' → ')}`, { details: { cycle } })
      }
    }
  }
  return ordered
}

export function unknownKind(kind: string, key: string): PilotError {
  const provider = kind.split('/')[0]!
  return new PilotError('KIND_UNKNOWN', `${key} is a ${kind}, and the provider ${provider} that knows this kind is not installed`, {
    suggestion: `Install it into the folder \`providers\` of the home (a package whose package.json says "pilot": { "provider": "${provider}" }), or a newer version of it, and run again.`,
    details: { kind, key, provider },
  })
}

const mistake = (message: string, where = 'blueprint') => new PilotError('INTERNAL', message, { suggestion: `This is a mistake in a ${where} of a provider; please report it there.` })
