import * as z from 'zod'
import { appIdentitySchema, errorBodySchema, timeSchema } from './shared.ts'

export const scheduledRunSchema = z
  .object({
    id: z.string(),
    platform: z.string(),
    app: appIdentitySchema,
    type: z.string().describe('`cron`, `backup`, or another kind of schedule that a newer server knows.'),
    name: z.string(),
    dueAt: timeSchema.optional().describe('The time that it is for; absent: somebody asked for it.'),
    by: z.string(),
    state: z.enum(['running', 'done', 'failed', 'interrupted', 'cancelled', 'replaced', 'skipped', 'missed']).describe('`missed`: its time passed while no server ran. `skipped`: the run before still ran. `interrupted`: the server ended meanwhile.'),
    version: z.number().int().describe('Of the deployment whose code it is.'),
    startedAt: timeSchema,
    finishedAt: timeSchema.optional(),
    exitCode: z.number().int().optional(),
    error: errorBodySchema.optional(),
    operation: z.string().optional().describe('That it went on as.'),
  })
  .meta({ id: 'ScheduledRun' })
export type ScheduledRunView = z.infer<typeof scheduledRunSchema>

export const scheduleSchema = z
  .object({
    platform: z.string(),
    app: appIdentitySchema,
    type: z.string(),
    name: z.string(),
    schedule: z.string(),
    timeZone: z.string(),
    overlap: z.enum(['skip', 'allow', 'replace']),
    missed: z.enum(['skip', 'once']),
    what: z.string().describe('The command, or what it does.'),
    next: timeSchema.optional(),
    last: scheduledRunSchema.optional().describe('The newest run, whatever became of it.'),
  })
  .meta({ id: 'Schedule' })
export type ScheduleView = z.infer<typeof scheduleSchema>
