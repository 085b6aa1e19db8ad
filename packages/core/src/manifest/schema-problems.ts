import { closest, distance } from 'fastest-levenshtein'
import type * as z from 'zod'
import type { Problem } from './problem.ts'
import { manifestSchema } from './schema.ts'
import type { Path, YamlDocument } from './yaml-document.ts'

type Issue = z.core.$ZodIssue

/** What the schema says about a value, in words: path, value found, valid forms, "did you mean". */
export function schemaProblems(document: YamlDocument, issues: readonly Issue[]): Problem[] {
  return issues.flatMap((issue) => problemsOf(document, issue, []))
}

function problemsOf(document: YamlDocument, issue: Issue, parent: Path): Problem[] {
  const path: Path = [...parent, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))]
  const problem = (message: string, at: Path = path, part: 'key' | 'value' = 'value'): Problem => ({ path: at, ...document.locate(at, part), message })

  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => problem(unknownKey({ key, valid: keysAt(path), owner: path }), [...path, key], 'key'))
    case 'invalid_key':
      return [problem(`${show(path)}: write ${issue.issues[0]?.message ?? 'another name'}`, path, 'key')]
    case 'invalid_union': {
      const branch = branchMeant(issue.errors)
      if (branch) return branch.flatMap((inner) => problemsOf(document, inner, path))
      break
    }
  }
  const found = valueAt(document.value, path)
  if (found === undefined) return [problem(`${show(path)} is missing: write ${issue.message}`, path, 'key')]
  return [problem(`${show(path)} is ${describe(found)}: write ${issue.message}${meant(issue, found)}`)]
}

/** Of a union's branches the one that fits from the outside and fails within: its words are better than the union's. */
function branchMeant(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const deeper = branches.filter((issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys' || (issue.code !== 'invalid_type' && issue.code !== 'invalid_value' && issue.code !== 'invalid_union')))
  return deeper.length === 1 ? deeper[0] : undefined
}

export function unknownKey({ key, valid, owner }: { key: string; valid: readonly string[]; owner: Path }): string {
  const where = owner.length === 0 ? '' : ` in ${show(owner)}`
  const near = similar(key, valid)
  if (near) return `Unknown key \`${key}\`${where}: did you mean \`${near}\`?`
  return `Unknown key \`${key}\`${where}${valid.length > 0 ? `: valid are ${valid.join(', ')}` : ''}`
}

/** The nearest of the valid words, if it is near enough to be meant. */
export function similar(word: string, valid: readonly string[]): string | undefined {
  if (valid.length === 0 || word.length > 60) return undefined
  const lower = word.toLowerCase()
  const beginning = word.length >= 3 ? valid.find((one) => one.toLowerCase().startsWith(lower) || (one.length >= 3 && lower.startsWith(one.toLowerCase()))) : undefined
  const near = beginning ?? closest(lower, [...valid])
  return near === beginning || distance(lower, near.toLowerCase()) <= Math.max(1, Math.ceil(Math.min(word.length, near.length) / 3)) ? near : undefined
}

/** `apps.web.scale.min`. */
export function show(path: Path): string {
  return path.length === 0 ? 'The manifest' : `\`${path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')}\``
}

/** A value as a person wrote it, shortened. */
export function describe(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a map'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

function meant(issue: Issue, found: unknown): string {
  if (issue.code !== 'invalid_value' || typeof found !== 'string') return ''
  const near = similar(found, issue.values.map(String))
  return near ? ` (did you mean ${near}?)` : ''
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((found, part) => (typeof found === 'object' && found !== null && Object.hasOwn(found, part) ? (found as Record<string, unknown>)[part] : undefined), value)
}

/** The keys that the schema allows at a path. */
function keysAt(path: Path): readonly string[] {
  let schemas: z.core.$ZodType[] = [manifestSchema]
  for (const part of path) schemas = schemas.flatMap(unwrap).flatMap((schema) => step(schema, part))
  return [...new Set(schemas.flatMap(unwrap).flatMap((schema) => (isObject(schema) ? Object.keys(schema._zod.def.shape) : [])))]
}

function step(schema: z.core.$ZodType, part: string | number): z.core.$ZodType[] {
  if (isObject(schema)) return Object.hasOwn(schema._zod.def.shape, part) ? [schema._zod.def.shape[part] as z.core.$ZodType] : []
  const { type } = schema._zod.def
  if (type === 'record') return [(schema as z.core.$ZodRecord)._zod.def.valueType]
  if (type === 'array') return [(schema as z.core.$ZodArray)._zod.def.element]
  return []
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType[] {
  const { type } = schema._zod.def
  if (type === 'optional') return unwrap((schema as z.core.$ZodOptional)._zod.def.innerType)
  if (type === 'union') return (schema as z.core.$ZodUnion)._zod.def.options.flatMap((option) => unwrap(option))
  return [schema]
}

function isObject(schema: z.core.$ZodType): schema is z.core.$ZodObject {
  return schema._zod.def.type === 'object'
}
