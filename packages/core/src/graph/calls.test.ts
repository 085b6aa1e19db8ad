import { expect, test } from 'vitest'
import { PilotError } from '../errors/pilot-error.ts'
import { redactError, redactText } from './calls.ts'

const secret = 'line one "quoted"\nline two'
const redact = redactText(new Set([secret]))

test('an error that holds an opened secret is told without it, with the rest of its facts', () => {
  const error = new PilotError('UNHEALTHY', 'shop/api stopped', { reason: `it said ${secret}`, details: { exitCode: 3, log: ['starting', `key is ${secret}`] }, cause: new Error(secret) })
  const clean = redactError(error, redact) as PilotError
  expect(clean).toMatchObject({ code: 'UNHEALTHY', message: 'shop/api stopped', details: { exitCode: 3, log: ['starting', expect.stringContaining('[redacted]')] } })
  expect(JSON.stringify([clean, clean.cause, clean.stack])).not.toContain('quoted')
})

test('an error without a secret stays the same object', () => {
  const error = new PilotError('UNHEALTHY', 'shop/api stopped', { details: { exitCode: 3 } })
  expect(redactError(error, redact)).toBe(error)
})

test('a numeric secret leaves numbers and keys of the details as they are', () => {
  const details = { memoryBytes: 536870912, '536870': 'a key', log: ['PIN 536870 accepted'], at: undefined }
  const clean = redactError(new PilotError('UNHEALTHY', 'shop/api stopped', { details }), redactText(new Set(['536870']))) as PilotError
  expect(clean.details).toEqual({ memoryBytes: 536870912, '536870': 'a key', log: ['PIN [redacted] accepted'] })
})

test('an error whose numbers only look like a secret stays the same object', () => {
  const error = new PilotError('UNHEALTHY', 'shop/api stopped', { details: { memoryBytes: 536870912 } })
  expect(redactError(error, redactText(new Set(['536870'])))).toBe(error)
})
