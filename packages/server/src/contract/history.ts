import * as z from 'zod'
import { timeSchema } from './shared.ts'

export const historyEntrySchema = z
  .object({
    at: timeSchema.describe('When it was asked for.'),
    by: z.string(),
    what: z.string().describe('`up`, `rollback`, `secret.set`, …'),
    platform: z.string().optional(),
    project: z.string().optional(),
    environment: z.string().optional(),
    apps: z.array(z.string()),
    outcome: z.string().describe('`done`, `failed`, `cancelled`; `queued` and `running` while it is under way.'),
    ms: z.number().int().optional().describe('How long it ran.'),
    operation: z.string().optional().describe('Its id, where it is an operation.'),
    text: z.string().optional().describe('More about it: the error, or which secret.'),
  })
  .meta({ id: 'HistoryEntry' })
export type HistoryEntry = z.infer<typeof historyEntrySchema>
