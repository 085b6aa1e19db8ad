import type { AnyKind, Reading } from '../provider/kind.ts'
import type { Resource } from '../provider/graph.ts'
import type { ResourceState } from '../store/store.ts'
import { digest, isEqual, isPlainObject } from './canonical.ts'
import { isPlain, project, type Projection, type ProjectionContext } from './resolve.ts'

/** For people and programs; secrets and unknown values are shown as words. */
export interface Change {
  readonly field: string
  readonly from?: unknown
  readonly to?: unknown
}

export interface Difference {
  readonly changes: readonly Change[]
  /** The changed fields that cannot be changed in place. */
  readonly replaces: readonly string[]
}

/** Stands for the fingerprint of a field that was adopted as it is: nobody can read it, and it cannot be changed. */
export const takenOver = 'taken over'

export type Live = Reading<Record<string, unknown>, Record<string, unknown>>

/**
 * What differs between desired and live, in the fields we set. A field that is write-only, holds a secret or cannot be read
 * is compared with what was recorded; an ignored one never is. Without a reading all are compared with what was recorded.
 */
export function diffResource({ desired, recorded, live, kind, context }: { desired: Resource; recorded: ResourceState; live: Live | undefined; kind: AnyKind; context: ProjectionContext }): Difference {
  const wanted = projectFields(desired.inputs, context)
  const normal = normalized(kind, wanted)
  const { immutable = [], writeOnly = [], ignored = [] } = (kind.fields ?? {}) as { [K in keyof NonNullable<AnyKind['fields']>]?: readonly string[] }
  const changes: Change[] = []

  for (const field of new Set([...wanted.keys(), ...Object.keys(recorded.inputs)])) {
    if (ignored.includes(field)) continue
    const want = wanted.get(field)
    const reads = live?.inputs[field]
    if (want === undefined) {
      // No longer set: a change, unless it was what the kind takes by default.
      const usual = normal[field]
      if (recorded.inputs[field] !== undefined && !isEqual(recorded.inputs[field], usual)) changes.push({ field, ...from(reads, recorded, field), ...(usual === undefined ? {} : { to: usual }) })
    } else if (want.unknown.length > 0) {
      changes.push({ field, ...from(reads, recorded, field), to: shown(want.value) })
    } else if (reads !== undefined && !want.sealed && !writeOnly.includes(field)) {
      const value = field in normal ? normal[field] : want.value
      if (!isEqual(value, reads)) changes.push({ field, from: reads, to: value })
    } else if (recorded.unsettled?.includes(field) || ![takenOver, digest(want.value)].includes(fingerprint(recorded, field) ?? '')) {
      changes.push(want.sealed ? { field, to: '(secret changed)' } : { field, ...from(undefined, recorded, field), to: shown(want.value) })
    }
  }
  const fields = changes.map(({ field }) => field)
  return { changes, replaces: kind.update === undefined ? fields : fields.filter((field) => immutable.includes(field)) }
}

/** What is recorded of each field that is not plain JSON, so that later diffs know the value without having it. */
export function fingerprints(inputs: Readonly<Record<string, unknown>>, context: ProjectionContext): Record<string, string> | undefined {
  const dynamic = Object.entries(inputs).filter(([, value]) => value !== undefined && !isPlain(value))
  if (dynamic.length === 0) return undefined
  return Object.fromEntries(dynamic.map(([field, value]) => [field, digest(project(value, context).value)]))
}

export function projectFields(inputs: Readonly<Record<string, unknown>>, context: ProjectionContext): ReadonlyMap<string, Projection> {
  const set = Object.entries(inputs).filter(([, value]) => value !== undefined)
  return new Map(set.map(([field, value]) => [field, project(value, context)]))
}

/** All fields after the kind's own schema (defaults, trims), unless it refuses what stands for unknown values and secrets. */
function normalized(kind: AnyKind, fields: ReadonlyMap<string, Projection>): Readonly<Record<string, unknown>> {
  const sketch = Object.fromEntries([...fields].map(([field, { value, sealed }]) => [field, sealed ? shown(value) : value]))
  const parsed = kind.inputs.safeParse(sketch)
  return parsed.success && isPlainObject(parsed.data) ? parsed.data : {}
}

/** A projection for people. */
export function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown)
  if (!isPlainObject(value)) return value
  if ('$unknown' in value) return '(known after apply)'
  if ('$sealed' in value || '$secret' in value) return '(secret)'
  if ('$template' in value || '$ref' in value) return '(from another resource)'
  return Object.fromEntries(Object.entries(value).map(([key, nested]) => [key, shown(nested)]))
}

function fingerprint(recorded: ResourceState, field: string): string | undefined {
  const stored = recorded.fingerprints?.[field]
  if (stored !== undefined) return stored
  const value = recorded.inputs[field]
  return value === undefined || !isPlain(value) ? undefined : digest(value)
}

function from(reads: unknown, recorded: ResourceState, field: string): { from?: unknown } {
  const value = reads ?? recorded.inputs[field]
  return value === undefined ? {} : { from: shown(value) }
}
