import { expect, it } from 'vitest'
import type { Builder } from '../provider/builder.ts'
import type { Capabilities } from '../provider/provider.ts'
import type { AppDefinition } from './app-definition.ts'
import { chooseBuilder } from './build.ts'

const app = { app: { project: 'shop', app: 'cache', environment: 'production' } } as AppDefinition
const facts = { files: [], text: () => undefined, image: 'redis:7' }
const builder = (name: string, fits: Builder['fits']): Builder => ({ name, target: 'container', fits, build: () => expect.unreachable(), exists: () => expect.unreachable() })
const platform = (...builders: Builder[]): Capabilities => ({ builders, compute: { container: {} } }) as unknown as Capabilities

it('an image on a platform without containers is an error that says what to do', () => {
  expect(() => chooseBuilder(platform(builder('process', () => undefined)), app, facts)).toThrow(
    expect.objectContaining({ code: 'NEEDS_CONTAINERS', message: 'shop/cache is the image redis:7, and this platform runs no containers', suggestion: expect.stringContaining('--runtime docker') }),
  )
})

it('`build: buildpack` where nothing builds with buildpacks says so, instead of advice that was followed already', () => {
  expect(() => chooseBuilder(platform(builder('process', () => undefined)), app, { files: ['index.js'], text: () => undefined, build: 'buildpack' })).toThrow(
    expect.objectContaining({ code: 'NOTHING_DETECTED', message: 'shop/cache wants to be built with buildpacks, and this platform has no builder for them', suggestion: expect.stringContaining('Take `build: buildpack` out') }),
  )
})

it('an image goes to the builder that takes images', () => {
  const image = builder('image', ({ image }) => (image === undefined ? undefined : { reason: `the image ${image}` }))
  expect(chooseBuilder(platform(builder('dockerfile', () => undefined), image), app, facts)).toEqual({ builder: image, reason: 'the image redis:7' })
})
