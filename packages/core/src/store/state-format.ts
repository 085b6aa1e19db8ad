import * as z from 'zod'
import { PilotError } from '../errors/pilot-error.ts'
import { decodeChecked } from './checked-json.ts'
import { stateFormat, type State } from './store.ts'

/** From a format to the next one: `migrations[1]` reads format 1 and returns format 2. */
export type StateMigrations = Readonly<Record<number, (state: Record<string, unknown>) => Record<string, unknown>>>

/** Add a row whenever `stateFormat` is raised; rows are never removed. */
const stateMigrations: StateMigrations = {}

/**
 * Reads one stored state. `origin` is the file (or object) for messages. Throws STATE_NEWER when a newer Pilot wrote it,
 * STATE_CORRUPT, with `ifCorrupt` as what to try, when it is damaged. Changes nothing.
 */
export function parseState({ text, origin, migrations = stateMigrations, ifCorrupt }: { text: string; origin: string; migrations?: StateMigrations; ifCorrupt?: string }): { readonly state: State; readonly storedFormat: number } {
  const raw = parseJson({ text, origin, ifCorrupt })
  const storedFormat = raw['format']
  if (typeof storedFormat !== 'number') throw corrupt(origin, 'it has no format number', ifCorrupt)
  if (storedFormat > stateFormat) {
    throw new PilotError('STATE_NEWER', `${origin} has format ${storedFormat}; this Pilot reads up to ${stateFormat}`, { details: { format: storedFormat, supported: stateFormat } })
  }
  let current = raw
  for (let format = storedFormat; format < stateFormat; format++) {
    const migrate = migrations[format]
    if (migrate === undefined) throw corrupt(origin, `format ${format} is not known to this Pilot`, ifCorrupt)
    current = { ...migrate(current), format: format + 1 }
  }
  const parsed = schema.safeParse(current)
  if (parsed.success) return { state: current as unknown as State, storedFormat }
  const issue = parsed.error.issues[0]
  throw corrupt(origin, `${issue?.path.join('.') ?? 'the document'}: ${issue?.message ?? 'invalid'}`, ifCorrupt)
}

export function corrupt(origin: string, reason: string, suggestion?: string): PilotError {
  return new PilotError('STATE_CORRUPT', `${origin} cannot be read`, {
    reason,
    suggestion: suggestion ?? 'Earlier versions are kept: `state history` lists them, `state restore VERSION` goes back to one.',
    details: { origin },
  })
}

function parseJson({ text, origin, ifCorrupt }: { text: string; origin: string; ifCorrupt: string | undefined }): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(decodeChecked(text))
  } catch (error) {
    throw corrupt(origin, (error as Error).message, ifCorrupt)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(origin, 'it is not a JSON object', ifCorrupt)
  return value as Record<string, unknown>
}

const record = z.record(z.string(), z.unknown())
const schema = z.object({
  format: z.literal(stateFormat),
  version: z.int().min(1),
  at: z.string(),
  managedBy: z.string().optional(),
  resources: z.array(
    z.object({
      key: z.string().min(1),
      kind: z.string().min(1),
      kindVersion: z.number(),
      generation: z.int().min(1),
      id: z.string(),
      inputs: record,
      fingerprints: z.record(z.string(), z.string()).optional(),
      outputs: record,
      dependsOn: z.array(z.string()),
      protect: z.boolean().optional(),
      status: z.enum(['unknown', 'created', 'ready', 'tainted', 'deposed']),
      createdAt: z.string(),
    }),
  ),
})
