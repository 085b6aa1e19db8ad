import type { Cost, PilotError, Settled } from '@pilot/core'
import * as z from 'zod'

export const freeOfCharge = (): Cost => ({ monthly: 0, currency: 'USD', basis: 'runs on this machine' })

export const appIdentity = z.object({ project: z.string(), app: z.string(), environment: z.string() })

export const healthCheck = z.object({ path: z.string(), acceptBelow: z.number(), intervalMs: z.number(), timeoutMs: z.number(), graceMs: z.number() })

export type Failed = Extract<Settled<never>, { status: 'failed' }>

export const failedWith = (error: PilotError): Failed => ({ status: 'failed', reason: [error.message, error.reason].filter(Boolean).join(': '), error })
