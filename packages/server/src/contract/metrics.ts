import * as z from 'zod'
import { timeSchema } from './shared.ts'

const figures = {
  seconds: z.number().int().describe('How much time it stands for.'),
  requests: z.number().int(),
  errors: z.number().int().describe('Answers with 5xx.'),
  p50Ms: z.number().optional().describe('Half of all answers came within it; absent without an answer.'),
  p95Ms: z.number().optional(),
  p99Ms: z.number().optional(),
  cpu: z.number().optional().describe('Processors used, on average: 0.5 is half of one.'),
  memoryBytes: z.number().int().optional().describe('The most at once, of all instances together.'),
  instances: z.number().int(),
}

export const metricsSchema = z
  .object({
    total: z.object(figures).optional().describe('All points as one; absent without any.'),
    points: z.array(z.object({ at: timeSchema.describe('Its end.'), ...figures })).describe('Oldest first.'),
  })
  .meta({ id: 'Metrics' })
export type Metrics = z.infer<typeof metricsSchema>
