import { routes, routeSchemas, type RouteName } from '@pilot/server/contract'
import * as z from 'zod'

/**
 * What a terminal would act on: the clipboard (OSC 52), a link (OSC 8), a title, the cursor, hidden text, C1 forms of the same, a device
 * string, reordered text, backspace, carriage return, NUL, DEL, half of a character; its last byte begins what follows anew.
 */
export const evil = 'evil\u001b]52;c;ZXZpbA==\u0007\u001b]8;;http://evil\u001b\\link\u001b]8;;\u001b\\\u001b]0;title\u0007\u001b[2J\u001b[1;1H\u001b[8m\u009b2J\u009d0;t\u009c\u202egnp\u2066x\u2069\u061c\b\u0007\rover\u007f\u0000\ud800\u001bP+q\u001b\\\u001b'

/** Everything that no text of Pilot holds besides its own colours. */
export const forbidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/u

export interface Hostility {
  /** Which names stay as they are, so that commands get beyond looking for them. */
  readonly keep: Readonly<Record<string, string>>
  /** Of each choice (union, enum, flag) the first or the second. */
  readonly choice: 0 | 1
}

interface Schema {
  /** `#/$defs/NAME` */
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly format?: string
  readonly minimum?: number
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly propertyNames?: Schema
  readonly items?: Schema
  readonly prefixItems?: readonly Schema[]
}

/** An answer to a route in which every text that the contract leaves open is {@link evil}. */
export function hostileAnswer(name: RouteName, hostility: Hostility): unknown {
  const schema = (routeSchemas[name] as { response?: z.ZodType }).response
  if (schema === undefined) return {}
  const root = z.toJSONSchema(schema, { unrepresentable: 'any' }) as Schema
  const made = sample(root, '', { ...hostility, definitions: root.$defs ?? {} })
  return routes[name].answer === 'lines' ? [made, made] : made
}

function sample(schema: Schema, key: string, hostility: Hostility & { readonly definitions: Readonly<Record<string, Schema>> }): unknown {
  const { keep, choice, definitions } = hostility
  if (schema.$ref !== undefined) return sample(definitions[schema.$ref.replace('#/$defs/', '')] ?? {}, key, hostility)
  const inner = (each: Schema, name = key): unknown => sample(each, name, hostility)
  const pick = <T>(all: readonly T[]): T => all[Math.min(choice, all.length - 1)]!
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return pick(schema.enum)
  const several = schema.anyOf ?? schema.oneOf
  if (several !== undefined) return inner(pick(several))
  if (schema.allOf !== undefined) return Object.assign({}, ...schema.allOf.map((each) => inner(each)))
  switch (schema.type) {
    case 'string':
      return schema.format === 'date-time' ? '2026-01-02T03:04:05.000Z' : (keep[key] ?? evil)
    case 'number':
    case 'integer':
      return Math.max(1, schema.minimum ?? 1)
    case 'boolean':
      return choice === 0
    case 'null':
      return null
    case 'array':
      return schema.prefixItems !== undefined ? schema.prefixItems.map((each) => inner(each)) : schema.items === undefined ? [] : [inner(schema.items), inner(schema.items)]
    case 'object': {
      const named = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, each]) => [name, inner(each, name)]))
      const others = schema.additionalProperties
      const { enum: allowed = definitions[schema.propertyNames?.$ref?.replace('#/$defs/', '') ?? '']?.enum } = schema.propertyNames ?? {}
      const names = (allowed as readonly string[] | undefined) ?? [keep['key'] ?? evil]
      const open = typeof others === 'object' && schema.properties === undefined ? Object.fromEntries(names.map((name) => [name, inner(others, '')])) : {}
      return { ...open, ...named }
    }
    default:
      return evil
  }
}
