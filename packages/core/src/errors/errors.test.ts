import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { catalogue } from './catalogue.ts'
import { errorBody, errorFromBody, isPilotError, PilotError, toPilotError } from './pilot-error.ts'
import { errorReference } from './reference.ts'

describe('an error', () => {
  const error = new PilotError('PORT_TAKEN', 'Port 4400 is in use', { reason: 'nginx (pid 12) listens on it.', details: { port: 4400 } })

  it('takes its suggestion from the catalogue unless it has a better one', () => {
    expect(error.suggestion).toBe(catalogue.PORT_TAKEN.suggestion)
    expect(new PilotError('PORT_TAKEN', 'x', { suggestion: 'Stop nginx.' }).suggestion).toBe('Stop nginx.')
  })

  it('survives the way through JSON', () => {
    const copy = errorFromBody(JSON.parse(JSON.stringify(error)))
    expect(errorBody(copy)).toEqual(errorBody(error))
  })

  it('is known by its shape, so that another copy of core counts', () => {
    const foreign = Object.assign(new Error('Port 4400 is in use'), { name: 'PilotError', code: 'PORT_TAKEN', suggestion: 'x' })
    expect(isPilotError(foreign)).toBe(true)
    expect(toPilotError(foreign)).toBe(foreign)
  })

  it('of another kind becomes INTERNAL and keeps its cause', () => {
    const cause = new TypeError('x is not a function')
    expect(toPilotError(cause)).toMatchObject({ code: 'INTERNAL', message: 'x is not a function', cause })
    expect(isPilotError(cause)).toBe(false)
  })

  it('with a code of a newer server keeps its text', () => {
    const body = { code: 'FROM_THE_FUTURE' as 'INTERNAL', message: 'Something new', suggestion: 'Upgrade.' }
    expect(errorFromBody(body)).toMatchObject({ code: 'INTERNAL', message: 'Something new', suggestion: 'Upgrade.' })
  })
})

describe('the catalogue', () => {
  it('says what to try in each row', () => {
    for (const [code, { summary, suggestion }] of Object.entries(catalogue)) {
      expect(summary, code).toMatch(/\.$/)
      expect(suggestion, code).toMatch(/\.$/)
    }
  })

  it('is what docs/reference/errors.md shows; `npm run docs` writes it anew', async () => {
    const page = await readFile(new URL('../../../../docs/reference/errors.md', import.meta.url), 'utf8')
    expect(page).toBe(errorReference())
  })
})
