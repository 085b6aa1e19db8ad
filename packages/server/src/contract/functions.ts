import * as z from 'zod'
import type { InvokeResult, QueueState } from '@pilot/core'
import { as } from './shared.ts'

const functionErrorSchema = z.object({ type: z.string(), message: z.string(), trace: z.array(z.string()).optional() })

export const invokedSchema = as<InvokeResult>()(
  z.union([z.object({ requestId: z.string(), payload: z.string().describe('JSON: what the function returned.') }), z.object({ requestId: z.string(), error: functionErrorSchema.describe('Of the function: it threw, ended, or took too long.') })]),
).meta({ id: 'Invoked' })

export const queueStateSchema = as<QueueState>()(
  z.object({
    waiting: z.number().int(),
    inFlight: z.number().int(),
    dead: z.number().int().describe('Put aside, since they failed too often.'),
    deadMessages: z.array(z.object({ id: z.string(), body: z.string(), error: z.string(), receives: z.number().int(), sentAt: z.number(), deadAt: z.number() })).describe('The newest of them; times in milliseconds since 1970.'),
  }),
).meta({ id: 'Queue' })

export const queueChangedSchema = z.object({ count: z.number().int().describe('Of messages.') }).meta({ id: 'QueueChanged' })
export type QueueChanged = z.infer<typeof queueChangedSchema>
