import * as z from 'zod'
import type { AppIdentity, ErrorBody, ErrorCode, Finding } from '@pilot/core'

/**
 * Checks at compile time that a schema says the same as a type of core: what it yields fits the type, and no key of the type
 * is forgotten (unknown keys are dropped when a request is read, so a forgotten key would vanish silently). Outputs are
 * compared, never whole schemas: the compiler takes seconds for each of those.
 */
export function like<T>() {
  return <S extends { readonly _output: unknown }>(schema: S, ..._mismatch: Mismatch<T, S['_output']>): S => schema
}

/** The same, and the schema is then known by core's own type: what holds readonly arrays may be passed as it is. */
export function as<T>() {
  return <S extends { readonly _output: unknown }>(schema: S, ..._mismatch: Mismatch<T, S['_output']>) => schema as unknown as z.ZodType<T, T>
}

type Mismatch<T, Output> = Output extends T ? (keyof T extends keyof Output ? [] : [forgotten: Exclude<keyof T, keyof Output>]) : [mismatch: Output]

/** A part of a scope's name: project, app, environment, platform. */
export const nameSchema = z
  .string()
  .max(63)
  .regex(/^[a-z0-9][a-z0-9-]*$/, 'lower case letters, digits and hyphens, beginning with a letter or digit')

export const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hexadecimal digits')

export const timeSchema = z.string().describe('ISO 8601')

export const appIdentitySchema = like<AppIdentity>()(z.object({ project: nameSchema, app: nameSchema, environment: nameSchema })).meta({ id: 'AppIdentity' })

/** `code` is open here: a newer server may know more codes than this client. */
export const errorBodySchema = z
  .object({
    code: z.string().describe('One of docs/reference/errors.md'),
    message: z.string(),
    reason: z.string().optional(),
    suggestion: z.string(),
    details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Error' }) as unknown as z.ZodType<ErrorBody>

export const findingSchema = like<Finding>()(
  z.object({
    id: z.string(),
    status: z.enum(['ok', 'warning', 'problem']),
    title: z.string(),
    fix: z.string().optional(),
    code: (z.string() as unknown as z.ZodType<ErrorCode>).optional().describe('The error that a problem makes setup stop with.'),
    explains: z.string().optional().describe('Name of the setting whose default follows from this.'),
  }),
).meta({ id: 'Finding' })

/** An answer that only says that it was done. */
export const doneSchema = z.object({ done: z.literal(true) })
export type Done = z.infer<typeof doneSchema>
