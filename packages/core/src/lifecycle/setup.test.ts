import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startFakeCloud, type FakeCloud } from '../testing/fake-cloud/index.ts'
import { openWorkplace } from './lifecycle.fixture.ts'
import { planSetup, setup } from './setup.ts'

let cloud: FakeCloud
beforeAll(async () => void (cloud = await startFakeCloud()))
afterAll(() => cloud.stop())

it('a plan that found something out while it was made can be approved', async () => {
  await using place = await openWorkplace(cloud)
  await setup(place.context)
  await rm(join(dirname(place.context.workDir), 'store'), { recursive: true })
  const approved = await planSetup(place.context)
  expect(approved).toMatchObject({ stateVersion: 1, steps: [{ key: 'network', action: 'keep' }] })
  expect(await setup(place.context, { approved })).toEqual({ changed: false })
  expect(await place.cloud.resources()).toHaveLength(1)
})
