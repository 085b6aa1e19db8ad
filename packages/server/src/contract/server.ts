import * as z from 'zod'
import { findingSchema, timeSchema } from './shared.ts'

export const infoSchema = z
  .object({
    serverId: z.string().describe('Random, made once per home: stands in `managedBy` of the scopes that this server owns.'),
    version: z.string(),
    build: z.string().optional().describe('Which build of that version, in words of the client that started it.'),
    api: z.number().int(),
    pid: z.number().int(),
    home: z.string(),
    startedAt: timeSchema,
    uptimeMs: z.number(),
    memoryBytes: z.number().describe('Resident memory of the server process.'),
    databaseVersion: z.number().int().describe('The newest migration that is applied.'),
    browser: z.object({ port: z.number().int(), tokenFile: z.string() }).optional().describe('Where browsers reach the server: loopback only, with a token that stands in this file.'),
    jobs: z.object({ running: z.number().int(), queued: z.number().int() }),
  })
  .meta({ id: 'Info' })
export type Info = z.infer<typeof infoSchema>

export const shutdownRequestSchema = z.object({
  wait: z.boolean().default(false).describe('Let running jobs end first; otherwise they stop at the next step and resume when a server starts again.'),
})

export const doctorSchema = z.object({ findings: z.array(findingSchema.and(z.object({ about: z.string().describe('`server` or the name of a provider') }))) })
export type Doctor = z.infer<typeof doctorSchema>

export const providerSchema = z
  .object({
    name: z.string(),
    title: z.string(),
    package: z.string(),
    version: z.string(),
    contract: z.number().int(),
    builtIn: z.boolean(),
    unusable: z.string().optional().describe('Why it cannot be used; the fields below are then absent.'),
    settings: z.record(z.string(), z.unknown()).optional().describe('JSON Schema of the settings: forms are rendered from it.'),
    findings: z.array(findingSchema).optional().describe('Only when asked for with `?check=true`.'),
  })
  .meta({ id: 'Provider' })
export type Provider = z.infer<typeof providerSchema>

export const providerAddedSchema = z.object({
  provider: providerSchema,
  permissions: z.array(z.string()).optional().describe('What its kinds say that they need; absent where it wants settings first.'),
  replaces: z.string().optional().describe('The version that was there before.'),
})
export type ProviderAdded = z.infer<typeof providerAddedSchema>
