import fc, { type Arbitrary } from 'fast-check'

/** A JSON Schema as it stands in the OpenAPI document. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly items?: JsonSchema
  readonly prefixItems?: readonly JsonSchema[]
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
}

type Components = Readonly<Record<string, JsonSchema>>

/** Texts that break what was not thought of: in a database, a path, a terminal, a prototype, a regular expression, a number. */
export const hostileTexts = ['', '\0', 'a\0b', '\ud800', '\u202e', '../../etc/passwd', '..', '/', '%00', '%', "' or 1=1 --", '"; drop table jobs; --', '${7*7}', '$(id)', '__proto__', 'constructor', 'toString', '\r\nx: y', '\x1b]52;c;eA==\x07', 'x'.repeat(5000), '0', '-1', '1e400', '9'.repeat(30), '2026-02-31T25:61:00Z', '+275760-09-13T00:00:00.001Z', 'NaN', 'null', '{}', '[]', '😀'.repeat(50)] as const
const hostileValues: readonly unknown[] = [...hostileTexts, null, true, 0, -1, 1e308, -0.5, 2 ** 53, [], [[]], {}, { __proto__: null, constructor: {} }]

export const hostileText: Arbitrary<string> = fc.constantFrom(...hostileTexts)
const hostileValue: Arbitrary<unknown> = fc.oneof(fc.constantFrom(...hostileValues), fc.jsonValue({ maxDepth: 3 }))

/** Values that a schema allows; where it says too little to tell, anything. One in so many places holds what is hostile instead. */
export function arbitraryOf(schema: JsonSchema, components: Components, { hostileOneIn = 12, depth = 0 } = {}): Arbitrary<unknown> {
  const inner = (each: JsonSchema): Arbitrary<unknown> => arbitraryOf(each, components, { hostileOneIn, depth: depth + 1 })
  const valid = validFor(schema, components, depth, inner)
  return hostileOneIn === 0 ? valid : fc.oneof({ arbitrary: valid, weight: hostileOneIn - 1 }, { arbitrary: hostileValue, weight: 1 })
}

function validFor(schema: JsonSchema, components: Components, depth: number, inner: (schema: JsonSchema) => Arbitrary<unknown>): Arbitrary<unknown> {
  if (schema.$ref !== undefined) return validFor(components[schema.$ref.split('/').at(-1)!]!, components, depth, inner)
  if (depth > 8) return fc.constant(null)
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return fc.oneof(...choices.map(inner))
  switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
    case 'string':
      return textFor(schema)
    case 'integer':
      return fc.oneof(fc.integer({ min: Math.max(schema.minimum ?? -5, -(2 ** 31)), max: Math.min(schema.maximum ?? 50, 2 ** 31 - 1) }), fc.constantFrom(schema.minimum ?? 0, schema.maximum ?? Number.MAX_SAFE_INTEGER))
    case 'number':
      return fc.double({ min: schema.minimum ?? -1e6, max: schema.maximum ?? 1e6, noNaN: true })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      if (schema.prefixItems !== undefined) return fc.tuple(...schema.prefixItems.map(inner))
      return fc.array(inner(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: Math.max(3, schema.minItems ?? 0) })
    case 'object': {
      const { properties = {}, required = [], additionalProperties } = schema
      const named = fc.record(Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inner(each)])), { requiredKeys: required.filter((name) => name in properties) })
      if (Object.keys(properties).length > 0) return named
      return fc.dictionary(fc.oneof(fc.stringMatching(/^[A-Z_]{1,12}$/), hostileText), inner(typeof additionalProperties === 'object' ? additionalProperties : {}), { maxKeys: 3 })
    }
    default:
      return hostileValue
  }
}

function textFor({ pattern, format, minLength = 0, maxLength = 200 }: JsonSchema): Arbitrary<string> {
  if (format === 'date-time') return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString())
  if (pattern !== undefined) {
    try {
      return fc.stringMatching(new RegExp(pattern)).filter((text) => text.length <= maxLength)
    } catch {
      // A pattern that cannot be turned into texts (a look-ahead): any text.
    }
  }
  return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, Math.max(minLength, 40)) })
}
