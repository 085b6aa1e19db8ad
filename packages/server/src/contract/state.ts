import * as z from 'zod'
import { errorBodySchema, timeSchema } from './shared.ts'

/** Scope names hold slashes: in a path they are percent-encoded. */
export const scopeSchema = z
  .object({
    scope: z.string(),
    platform: z.string(),
    version: z.number().int().optional(),
    at: timeSchema.optional(),
    resources: z.number().int(),
    managedBy: z.string().optional(),
    heldBy: z.string().optional().describe('Who holds the lease now.'),
    problem: errorBodySchema.optional().describe('Why the newest version cannot be read.'),
  })
  .meta({ id: 'Scope' })
export type Scope = z.infer<typeof scopeSchema>

export const stateHistorySchema = z.object({
  scope: z.string(),
  versions: z.array(z.object({ version: z.number().int(), at: timeSchema })).describe('Newest first.'),
  resources: z.array(z.object({ key: z.string(), kind: z.string(), id: z.string(), status: z.string(), generation: z.number().int() })).describe('Of the newest version, with what a crash left in the journal.'),
  problem: errorBodySchema.optional().describe('Why the newest version or the journal cannot be read; `resources` is then empty.'),
})
export type StateHistory = z.infer<typeof stateHistorySchema>

export const stateChangedSchema = z.object({ scope: z.string(), version: z.number().int() })
export type StateChanged = z.infer<typeof stateChangedSchema>
