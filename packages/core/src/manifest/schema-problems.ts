import { closest, distance } from 'fastest-levenshtein'
import type * as z from 'zod'
import type { Problem } from './problem.ts'
import { manifestSchema } from './schema.ts'
import type { Path, YamlDocument } from './yaml-document.ts'

type Issue = z.core.$ZodIssue

/** Which file it is about: the manifest by default. */
export interface Described {
  readonly schema: z.core.$ZodType
  /** What the file as a whole is called. */
  readonly whole: string
}

/** What the schema says about a value, in words: path, value found, valid forms, "did you mean". */
export function schemaProblems(document: YamlDocument, issues: readonly Issue[], about: Described = { schema: manifestSchema, whole: 'The manifest' }): Problem[] {
  const found = issues.flatMap((issue) => problemsOf({ document, about }, issue, []))
  // A key that was misspelt is not missing too.
  const meant = new Set(found.map(({ means }) => means?.join('\0')))
  return found.filter(({ path, missing }) => !(missing && meant.has(path.join('\0'))))
}

type Found = Problem & { readonly missing?: boolean; readonly means?: Path }

function problemsOf({ document, about }: { document: YamlDocument; about: Described }, issue: Issue, parent: Path): Found[] {
  const path: Path = [...parent, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))]
  const problem = (message: string, part: 'key' | 'value' = 'value'): Found => ({ path, ...document.locate(path, part), message })
  const name = show(path, about.whole)

  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey({ document, key, valid: keysAt(about.schema, path), owner: path }))
  if (issue.code === 'invalid_key') return [problem(`${name}: write ${issue.issues[0]?.message ?? 'another name'}`, 'key')]
  const branch = issue.code === 'invalid_union' ? branchMeant(issue.errors) : undefined
  if (branch) return branch.flatMap((inner) => problemsOf({ document, about }, inner, path))
  const value = valueAt(document.value, path)
  if (value === undefined) return [{ ...problem(`${name} is missing: write ${issue.message}`, 'key'), missing: true }]
  return [problem(`${name} is ${describe(value)}: write ${issue.message}${meant(issue, value)}`)]
}

/** Of a union's branches the one that fits from the outside and fails within: its words are better than the union's. */
function branchMeant(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const deeper = branches.filter((issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys' || (issue.code !== 'invalid_type' && issue.code !== 'invalid_value' && issue.code !== 'invalid_union')))
  return deeper.length === 1 ? deeper[0] : undefined
}

function unknownKey({ document, key, valid, owner }: { document: YamlDocument; key: string; valid: readonly string[]; owner: Path }): Found {
  const path = [...owner, key]
  const where = owner.length === 0 ? '' : ` in ${show(owner)}`
  const near = similar(key, valid)
  const hint = near ? `: did you mean \`${near}\`?` : valid.length > 0 ? `: valid are ${valid.join(', ')}` : ''
  return { path, ...document.locate(path, 'key'), message: `Unknown key \`${oneLine(key)}\`${where}${hint}`, ...(near ? { means: [...owner, near] } : {}) }
}

/** The nearest of the valid words, if it is near enough to be meant. */
export function similar(word: string, valid: readonly string[]): string | undefined {
  if (valid.length === 0 || word.length > 60) return undefined
  const lower = word.toLowerCase()
  const letters = [...lower].sort().join('')
  const clear = valid.find((one) => (word.length >= 3 && one.startsWith(lower)) || (one.length >= 3 && lower.startsWith(one)) || [...one].sort().join('') === letters)
  if (clear) return clear
  const near = closest(lower, [...valid])
  return distance(lower, near) <= Math.max(1, Math.ceil(Math.min(word.length, near.length) / 3)) ? near : undefined
}

/** `apps.web.scale.min`. */
export function show(path: Path, whole = 'The manifest'): string {
  return path.length === 0 ? whole : `\`${path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? oneLine(part) : `.${oneLine(part)}`)).join('')}\``
}

/** Text from the file in a message: without what moves the cursor, and not too long. */
function oneLine(text: string): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\uFFFD')
  return clean.length > 60 ? `${clean.slice(0, 59)}…` : clean
}

/** A value as a person wrote it, shortened. */
export function describe(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a map'
  return oneLine(typeof value === 'number' ? String(value) : JSON.stringify(value))
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
function keysAt(schema: z.core.$ZodType, path: Path): readonly string[] {
  let schemas: z.core.$ZodType[] = [schema]
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
