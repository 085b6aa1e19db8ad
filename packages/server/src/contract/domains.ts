import * as z from 'zod'
import type { CertificateAuthority, CertificateStatus } from '@pilot/core'
import { appIdentitySchema, errorBodySchema, like, timeSchema } from './shared.ts'

const certificate = {
  domain: z.string(),
  app: appIdentitySchema,
  issuer: z.string().describe('Who is asked: `local`, or the address of an ACME directory.'),
  state: z.enum(['valid', 'failing', 'expired', 'missing']).describe('`failing`: there is one, and the last attempt to renew it failed.'),
  url: z.string().optional(),
  issuedBy: z.string().optional(),
  notBefore: timeSchema.optional(),
  notAfter: timeSchema.optional(),
  renewAt: timeSchema.optional(),
  sha256: z.string().optional(),
  error: errorBodySchema.optional().describe('Of the last attempt, when that failed.'),
  nextTryAt: timeSchema.optional(),
}
like<CertificateStatus>()(z.object(certificate))

export const domainSchema = z
  .object({
    ...certificate,
    platform: z.string(),
    pointsTo: z.array(z.string()).describe('Addresses that this machine gets for the name; empty: none.'),
    isHere: z.boolean().describe('Whether one of them is an address of this machine.'),
  })
  .meta({ id: 'Domain' })
export type Domain = z.infer<typeof domainSchema>

export const authoritySchema = like<CertificateAuthority>()(
  z.object({
    path: z.string().describe('Its certificate as PEM.'),
    name: z.string(),
    sha256: z.string(),
    notAfter: timeSchema,
    trusted: z.boolean().describe('Whether the user has this machine trust it, as far as Pilot was told.'),
  }),
).meta({ id: 'CertificateAuthority' })
export type Authority = z.infer<typeof authoritySchema>

export const domainNameSchema = z.string().max(253).regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'a host name in lower case')
