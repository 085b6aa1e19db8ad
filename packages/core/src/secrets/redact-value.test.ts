import { describe, expect, it } from 'vitest'
import { PilotError } from '../errors/pilot-error.ts'
import { redactValue } from './redact-value.ts'
import { createRedactor } from './redactor.ts'

describe('redacting a value', () => {
  it('redacts every string in it and leaves keys, numbers and its shape alone', () => {
    const redactor = createRedactor(['536870', 'true', 'memory', 'say "hi"'])
    const value = { memoryBytes: 536870912, ready: true, '536870': null, log: ['PIN is 536870', 'he would say "hi"'], in: { memory: 'of memory' } }
    expect(redactValue(value, redactor)).toEqual({ memoryBytes: 536870912, ready: true, '536870': null, log: ['PIN is [redacted]', 'he would [redacted]'], in: { memory: 'of [redacted]' } })
  })

  it('gives what JSON gives: fields that are undefined go, an error is its body', () => {
    const redactor = createRedactor(['hunter2'])
    const error = new PilotError('UNHEALTHY', 'It said hunter2', { suggestion: 'x' })
    expect(redactValue({ absent: undefined, error }, redactor)).toStrictEqual({ error: { code: 'UNHEALTHY', message: 'It said [redacted]', suggestion: 'x' } })
  })

  it('leaves undefined alone', () => {
    expect(redactValue(undefined, createRedactor(['hunter2']))).toBeUndefined()
  })
})
