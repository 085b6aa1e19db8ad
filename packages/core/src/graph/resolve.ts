import { PilotError } from '../errors/pilot-error.ts'
import { isRef, isSecretRef, isTemplate, type Ref, type SecretRef } from '../provider/value.ts'
import type { SecretStore } from '../secrets/secret-store.ts'
import { isPlainObject } from './canonical.ts'

/** Outputs by key of the resource. */
export type Outputs = ReadonlyMap<string, Readonly<Record<string, unknown>>>

/** Every reference in a value, nested ones and those inside templates included. */
export function refsIn(value: unknown): readonly Ref['$ref'][] {
  const found: Ref['$ref'][] = []
  walk(value, { ref: (ref) => found.push(ref.$ref), secret: () => {} })
  return found
}

export function secretsIn(value: unknown): readonly SecretRef[] {
  const found: SecretRef[] = []
  walk(value, { ref: () => {}, secret: (secret) => found.push(secret) })
  return found
}

/** Plain JSON, without references and secrets. */
export const isPlain = (value: unknown): boolean => {
  let plain = true
  walk(value, { ref: () => (plain = false), secret: () => (plain = false) })
  return plain
}

/** Stands in a projection for an output that nobody knows yet. */
export interface Unknown {
  readonly $unknown: string
}
/** Stands in a projection for text that holds a secret: texts in the clear, secrets as keyed hashes. */
export interface Sealed {
  readonly $sealed: readonly (string | { readonly hash: string })[]
}

export interface Projection {
  readonly value: unknown
  /** Keys whose outputs are not known yet. */
  readonly unknown: readonly string[]
  readonly sealed: boolean
}

export interface ProjectionContext {
  /** `undefined`: not known before apply. */
  readonly output: (key: string, name: string) => { readonly value: unknown } | undefined
  readonly secretHash: (secret: SecretRef) => string
}

/**
 * A value as far as it can be known without opening a secret: for plans, diffs and digests. Safe to store and to show,
 * apart from the hashes, which `isSealed` finds.
 */
export function project(value: unknown, context: ProjectionContext): Projection {
  const unknown = new Set<string>()
  let sealed = false
  const resolved = visit(value)
  return { value: resolved, unknown: [...unknown], sealed }

  function visit(node: unknown): unknown {
    if (isRef(node)) return outputOf(node)
    if (isSecretRef(node)) {
      sealed = true
      return { $sealed: [{ hash: context.secretHash(node) }] } satisfies Sealed
    }
    if (isTemplate(node)) return joined(node.$template)
    if (Array.isArray(node)) return node.map(visit)
    if (isPlainObject(node)) return Object.fromEntries(Object.entries(node).map(([key, nested]) => [key, visit(nested)]))
    return node
  }

  function outputOf({ $ref }: Ref): unknown {
    const known = context.output($ref.key, $ref.output)
    if (known !== undefined) return known.value
    unknown.add($ref.key)
    return { $unknown: `${$ref.key}.${$ref.output}` } satisfies Unknown
  }

  function joined(parts: readonly (string | Ref<string | number> | SecretRef)[]): unknown {
    const visited = parts.map((part) => (isSecretRef(part) ? { hash: context.secretHash(part) } : isRef(part) ? outputOf(part) : part))
    const missing = visited.find(isUnknown)
    if (parts.some(isSecretRef)) sealed = true
    if (missing !== undefined) return missing
    if (!parts.some(isSecretRef)) return visited.map(String).join('')
    return { $sealed: visited.map((part) => (isPlainObject(part) ? (part as { hash: string }) : String(part))) } satisfies Sealed
  }
}

const isUnknown = (value: unknown): value is Unknown => isPlainObject(value) && typeof value['$unknown'] === 'string' && Object.keys(value).length === 1

/**
 * The value itself: references replaced by outputs, secrets opened, templates joined. `opened` is called with the text of
 * every secret, for redaction. Throws INTERNAL when an output is missing, NOT_FOUND when a secret is.
 */
export async function resolveValue<T = unknown>(value: unknown, outputs: Outputs, secrets: SecretStore, opened: (secret: string) => void = () => {}): Promise<T> {
  return (await visit(value)) as T

  async function visit(node: unknown): Promise<unknown> {
    if (isRef(node)) return outputOf(outputs, node.$ref)
    if (isSecretRef(node)) return open(node)
    if (isTemplate(node)) return (await Promise.all(node.$template.map(visit))).map(String).join('')
    if (Array.isArray(node)) return Promise.all(node.map(visit))
    if (isPlainObject(node)) return Object.fromEntries(await Promise.all(Object.entries(node).map(async ([key, nested]) => [key, await visit(nested)] as const)))
    return node
  }

  async function open(node: SecretRef): Promise<string> {
    const text = await secrets.get(node)
    opened(text)
    return text
  }
}

function outputOf(outputs: Outputs, { key, output }: Ref['$ref']): unknown {
  const known = outputs.get(key)
  if (known !== undefined && output in known) return known[output]
  throw new PilotError('INTERNAL', `${key} has no output ${output}`, {
    reason: known === undefined ? `${key} is not ready.` : `It has ${Object.keys(known).join(', ') || 'none'}.`,
    suggestion: 'This is a mistake in the blueprint of a provider; please report it there.',
  })
}

function walk(value: unknown, visitor: { ref: (ref: Ref) => void; secret: (secret: SecretRef) => void }): void {
  if (isRef(value)) visitor.ref(value)
  else if (isSecretRef(value)) visitor.secret(value)
  else if (isTemplate(value)) for (const part of value.$template) walk(part, visitor)
  else if (Array.isArray(value)) for (const nested of value) walk(nested, visitor)
  else if (isPlainObject(value)) for (const nested of Object.values(value)) walk(nested, visitor)
}
