import { describe, expect, it } from 'vitest'
import { secretRef, template } from '../provider/value.ts'
import { effectiveConfiguration, environmentOf, sameLayers } from './configuration.ts'

const jwt = secretRef({ store: 'file', name: 'app/shop/api/production/JWT_KEY', version: 2 })
const layers = { manifest: { LOG_LEVEL: 'info', REGION: 'eu' }, set: { LOG_LEVEL: 'debug' }, secrets: { JWT_KEY: jwt } }

describe('effective configuration', () => {
  it('lets `env set` win over the manifest and says what it hides', () => {
    expect(effectiveConfiguration(layers, {})['LOG_LEVEL']).toEqual({ value: 'debug', source: 'env set', hides: ['manifest'] })
  })

  it('lets a user who writes DATABASE_URL win over the platform', () => {
    const effective = effectiveConfiguration({ ...layers, manifest: { DATABASE_URL: 'postgres://elsewhere' } }, { DATABASE_URL: 'postgres://here' })
    expect(effective['DATABASE_URL']).toEqual({ value: 'postgres://elsewhere', source: 'manifest', hides: ['platform'] })
  })

  it('hands secrets on as references', () => {
    expect(environmentOf(effectiveConfiguration(layers, {}))).toEqual({ LOG_LEVEL: 'debug', REGION: 'eu', JWT_KEY: jwt })
  })

  it('keeps a URL that is joined from parts as a template', () => {
    const url = template('postgres://app:', jwt, '@127.0.0.1/app')
    expect(environmentOf(effectiveConfiguration(layers, { DATABASE_URL: url }))['DATABASE_URL']).toEqual(url)
  })
})

describe('same layers', () => {
  it('does not mind the order of names', () => {
    expect(sameLayers(layers, { ...layers, manifest: { REGION: 'eu', LOG_LEVEL: 'info' } })).toBe(true)
  })

  it('tells a new version of a secret', () => {
    expect(sameLayers(layers, { ...layers, secrets: { JWT_KEY: secretRef({ ...jwt.$secret, version: 3 }) } })).toBe(false)
  })

  it('tells a value that moved from one layer to another', () => {
    expect(sameLayers({ manifest: { A: '1' }, set: {}, secrets: {} }, { manifest: {}, set: { A: '1' }, secrets: {} })).toBe(false)
  })
})
