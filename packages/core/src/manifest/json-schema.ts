import * as z from 'zod'
import { manifestSchema } from './schema.ts'

/** The JSON Schema of pilot.yaml, for editors: published as docs/reference/pilot.schema.json, and written to .pilot/schema.json by `init`. */
export function pilotSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(manifestSchema, { target: 'draft-7', io: 'input' }) as Record<string, unknown>
  return { $schema, title: 'pilot.yaml', ...schema }
}

/** Its text, as in both files. */
export function pilotSchemaText(): string {
  return `${JSON.stringify(pilotSchema(), undefined, 2)}\n`
}
