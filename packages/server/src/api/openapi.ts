import * as z from 'zod'
import { errorBodySchema } from '../contract/shared.ts'
import { routeSchemas } from '../contract/route-schemas.ts'
import { routes, type Route, type RouteName } from '../contract/routes.ts'
import { apiVersion } from '../contract/version.ts'
import { version } from '../version.ts'

type JsonSchema = Readonly<Record<string, unknown>>
interface RouteSchemas {
  readonly params?: z.ZodType
  readonly query?: z.ZodType
  readonly body?: z.ZodType
  readonly response?: z.ZodType
}

const contentTypes = { json: 'application/json', events: 'text/event-stream', lines: 'application/x-ndjson', bytes: 'text/plain', socket: undefined, empty: undefined } as const

/** The API as an OpenAPI 3.1 document, whose schemas are JSON Schema 2020-12: what zod writes itself. */
export function openApiDocument(): JsonSchema {
  const components: Record<string, JsonSchema> = { Error: named(errorBodySchema, 'output', {}) }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][]) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(name, route, routeSchemas[name] as unknown as RouteSchemas, components) }
  }
  return {
    openapi: '3.1.1',
    info: { title: 'Pilot', version, description: `Version ${apiVersion} of the API of a Pilot server. Commands reach it over a unix socket in the home; browsers over a loopback port with a token.` },
    paths,
    components: { schemas: components, securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'On the TCP port only; the file `keys/server.token` of the home holds it.' } } },
    security: [{ token: [] }, {}],
  }
}

function operationOf(name: RouteName, route: Route, { params, query, body, response }: RouteSchemas, components: Record<string, JsonSchema>): JsonSchema {
  const contentType = contentTypes[route.answer]
  const content = response !== undefined && contentType !== undefined ? { content: { [contentType]: { schema: named(response, 'output', components) } } } : {}
  const requestBody = name === 'putSource' ? { content: { 'application/gzip': { schema: { type: 'string', format: 'binary' } } } } : body === undefined ? undefined : { required: true, content: { 'application/json': { schema: named(body, 'input', components) } } }
  return {
    operationId: name,
    summary: route.title,
    parameters: [...parametersOf(params, 'path', components), ...parametersOf(query, 'query', components)],
    ...(requestBody === undefined ? {} : { requestBody }),
    responses: { [route.status]: { description: 'Done', ...content }, default: { description: 'What went wrong', content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } } },
  }
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query', components: Record<string, JsonSchema>): readonly JsonSchema[] {
  if (schema === undefined) return []
  // Without the id that the object may have: parameters stand by themselves.
  const { properties = {}, required = [] } = jsonSchema(z.object((schema as z.ZodObject).shape), 'input', components) as { properties?: Record<string, JsonSchema>; required?: readonly string[] }
  return Object.entries(properties).map(([name, property]) => ({ name, in: place, required: place === 'path' || required.includes(name), schema: property }))
}

/** Schemas with an id stand among the components once, and are referred to. */
function named(schema: z.ZodType, io: 'input' | 'output', components: Record<string, JsonSchema>): JsonSchema {
  const { id, ...rest } = jsonSchema(schema, io, components) as { id?: string }
  if (id === undefined) return rest
  components[id] ??= rest
  return { $ref: `#/components/schemas/${id}` }
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output', components: Record<string, JsonSchema>): JsonSchema {
  const { $schema: _, $defs = {}, ...result } = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' }) as { $schema?: string; $defs?: Record<string, JsonSchema> }
  for (const [id, { id: __, ...definition }] of Object.entries($defs) as [string, JsonSchema][]) components[id] ??= relinked(definition) as JsonSchema
  return relinked(result) as JsonSchema
}

/** `#/$defs/Job` → `#/components/schemas/Job`. */
function relinked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relinked)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, key === '$ref' && typeof inner === 'string' ? inner.replace('#/$defs/', '#/components/schemas/') : relinked(inner)]))
}
