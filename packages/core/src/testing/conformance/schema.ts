import type * as z from 'zod'
import { isPlain } from '../../graph/resolve.ts'
import { isRef, isSecretRef, isTemplate } from '../../provider/value.ts'

/** The fields of an object schema; undefined for others (unions). By shape: a provider may carry its own copy of zod. */
export function fieldsOf(schema: z.ZodType): readonly string[] | undefined {
  const { shape } = schema as { shape?: Record<string, unknown> }
  return shape === undefined ? undefined : Object.keys(shape)
}

/**
 * What is wrong with inputs that still hold references: complaints about places where a reference stands are none, since
 * what it will be is not known yet.
 */
export function problemsOf(schema: z.ZodType, inputs: Readonly<Record<string, unknown>>): readonly string[] {
  const parsed = schema.safeParse(inputs)
  const problems = (parsed.error?.issues ?? []).filter(({ path }) => isPlain(at(inputs, path)) && !path.some((_, depth) => isReference(at(inputs, path.slice(0, depth + 1))))).map(({ path, message }) => `${path.join('.')}: ${message}`)
  const known = fieldsOf(schema)
  const unknown = known === undefined ? [] : Object.keys(inputs).filter((field) => !known.includes(field))
  return [...problems, ...unknown.map((field) => `${field}: there is no such field`)]
}

const isReference = (value: unknown) => isRef(value) || isSecretRef(value) || isTemplate(value)

const at = (value: unknown, path: readonly PropertyKey[]): unknown => path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key], value)
