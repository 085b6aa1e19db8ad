import * as z from 'zod'
import type { PilotEvent } from '@pilot/core'
import { timeSchema } from './shared.ts'

/**
 * An event as it is sent: `data:` of a server-sent event whose `id:` is `seq`. `seq` counts from 1 without gap within the
 * stream that is read (one operation, or the activity of the whole server). Types that a reader does not know stay readable as text.
 */
export const streamEventSchema = z
  .looseObject({
    seq: z.number().int(),
    operation: z.string(),
    v: z.number().int(),
    type: z.string(),
    at: timeSchema,
  })
  .meta({ id: 'Event' }) as unknown as z.ZodType<StreamEvent>
export type StreamEvent = PilotEvent & { readonly seq: number; readonly operation: string }

/** What happened on this server: who, what, when. One entry per operation that begins and ends, and per change outside of operations. */
export const activitySchema = z
  .object({
    seq: z.number().int(),
    at: timeSchema,
    by: z.string(),
    what: z.string().describe('`operation.started`, `operation.finished`, `secret.set`, `secret.unset`, `state.restored`, `state.forgotten`, …'),
    operation: z.string().optional(),
    action: z.string().optional(),
    platform: z.string().optional(),
    project: z.string().optional(),
    environment: z.string().optional(),
    apps: z.array(z.string()).optional(),
    outcome: z.enum(['done', 'failed', 'cancelled']).optional(),
    text: z.string().describe('One line for people.'),
  })
  .meta({ id: 'Activity' })
export type Activity = z.infer<typeof activitySchema>
