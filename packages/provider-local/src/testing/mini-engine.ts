import { createHash } from 'node:crypto'
import { isRef, isSecretRef, isTemplate, toPilotError, type AnyKind, type Call, type Graph, type Resource, type SecretStore } from '@pilot/core'

/**
 * Just enough of an engine for tests of kinds: creates a graph in order, settles, and deletes it again. It keeps the contract's
 * rules of calling (names, resolved inputs), and none of the engine's promises (journal, lease, plans).
 */
export interface MiniEngine {
  /** Creates what is missing, updates what exists; returns the outputs by key. Throws what a failed settle carries. */
  apply(graph: Graph): Promise<Readonly<Record<string, Record<string, unknown>>>>
  /** Deletes resources in reverse order; all of them when no keys are given. */
  destroy(keys?: readonly string[]): Promise<void>
  /** Whether its creation has returned. */
  has(key: string): boolean
  id(key: string): string
  call(key: string): Call
  /** What handlers told. */
  readonly log: readonly string[]
}

interface Made {
  readonly resource: Resource
  readonly kind: AnyKind
  readonly id: string
  readonly inputs: Record<string, unknown>
  outputs: Record<string, unknown>
}

export function createMiniEngine({ kinds, platformId, scope, secrets }: { kinds: readonly AnyKind[]; platformId: string; scope: string; secrets?: SecretStore }): MiniEngine {
  const made = new Map<string, Made>()
  const log: string[] = []

  const callOf = (key: string, signal = new AbortController().signal): Call => {
    const owner = { platformId, scope, key, generation: 1 }
    const hash = createHash('sha256').update(JSON.stringify(owner)).digest('hex')
    return { owner, name: `pilot-${key.replaceAll(/[^a-z0-9]+/g, '-').slice(0, 20)}-${hash.slice(0, 12)}`, token: hash.slice(0, 32), signal, checkpoint: async () => {}, log: (line) => void log.push(line) }
  }

  async function resolve(value: unknown): Promise<unknown> {
    if (isRef(value)) {
      const target = made.get(value.$ref.key)
      if (!target || !(value.$ref.output in target.outputs)) throw new Error(`${value.$ref.key} has no output ${value.$ref.output}`)
      return target.outputs[value.$ref.output]
    }
    if (isSecretRef(value)) return secrets!.get(value)
    if (isTemplate(value)) return (await Promise.all(value.$template.map(resolve))).join('')
    if (Array.isArray(value)) return Promise.all(value.map(resolve))
    if (typeof value === 'object' && value !== null) return Object.fromEntries(await Promise.all(Object.entries(value).map(async ([key, nested]) => [key, await resolve(nested)])))
    return value
  }

  async function applyOne(resource: Resource): Promise<void> {
    const kind = kinds.find(({ kind }) => kind === resource.kind)
    if (!kind) throw new Error(`No kind ${resource.kind}`)
    const inputs = kind.inputs.parse(await resolve(resource.inputs))
    const call = { ...callOf(resource.key), inputs }
    const before = made.get(resource.key)
    if (before && JSON.stringify(before.inputs) === JSON.stringify(inputs)) return
    if (before && kind.update) await kind.update({ ...call, id: before.id, recorded: before.inputs, changed: Object.keys(inputs) })
    const { id } = before ?? (await kind.create(call))
    const one: Made = { resource, kind, id, inputs, outputs: {} }
    made.set(resource.key, one)
    const started = performance.now()
    let operation: string | undefined
    for (;;) {
      const settled = await kind.settle({ ...call, id, elapsedMs: performance.now() - started, ...(operation === undefined ? {} : { operation }) })
      if (settled.status === 'ready') {
        one.outputs = kind.outputs.parse(settled.outputs) as Record<string, unknown>
        return
      }
      if (settled.status === 'failed') throw settled.error ?? toPilotError(new Error(settled.reason))
      operation = settled.operation ?? operation
      await new Promise((done) => setTimeout(done, settled.retryAfterMs ?? 100))
    }
  }

  return {
    async apply(graph) {
      for (const resource of ordered(graph)) await applyOne(resource)
      return Object.fromEntries([...made].map(([key, { outputs }]) => [key, outputs]))
    },
    async destroy(keys) {
      for (const { resource, kind, id, inputs } of [...made.values()].reverse()) {
        if (keys && !keys.includes(resource.key)) continue
        await kind.delete({ ...callOf(resource.key), id, recorded: inputs })
        made.delete(resource.key)
      }
    },
    has: (key) => made.has(key),
    id: (key) => made.get(key)!.id,
    call: (key) => callOf(key),
    log,
  }
}

/** What is referred to comes first. */
function ordered(graph: Graph): Graph {
  const done = new Set<string>()
  const result: Resource[] = []
  const visit = (resource: Resource): void => {
    if (done.has(resource.key)) return
    done.add(resource.key)
    for (const key of [...references(resource.inputs), ...(resource.dependsOn ?? [])]) {
      const target = graph.find((other) => other.key === key)
      if (target) visit(target)
    }
    result.push(resource)
  }
  graph.forEach(visit)
  return result
}

function references(value: unknown): readonly string[] {
  if (isRef(value)) return [value.$ref.key]
  if (isTemplate(value)) return value.$template.flatMap(references)
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(references)
}
