import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PilotError, registerPlatform, type CertificateCapability } from '@pilot/core'
import type { Log } from '../log.ts'
import type { Platforms } from '../wiring.ts'
import { pointsTo } from './points-to.ts'
import { startRenewer } from './renewer.ts'

test('every platform is looked after, again and again, although another one is broken or refuses; the end waits for none', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'pilot-renewer-'))
  const looked: string[] = []
  const warnings: string[] = []
  for (const name of ['broken', 'refusing', 'fine']) await registerPlatform(dir, { name, provider: { name: 'fake', package: 'x', version: '1' }, settings: {} })
  const capability = (name: string): Partial<CertificateCapability> => ({
    async renew({ signal }) {
      looked.push(name)
      if (looked.filter((each) => each === 'fine').length === 3) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
      return { failed: name === 'refusing' ? [new PilotError('CERTIFICATE_FAILED', 'refused')] : [] }
    },
  })
  const platforms = {
    visit: () => ({ [Symbol.dispose]: () => {} }),
    async reader(name: string) {
      if (name === 'broken') throw new PilotError('KIND_UNKNOWN', 'no provider')
      return { context: { provider: { certificates: capability(name) } } }
    },
  } as unknown as Platforms
  const log = { info: () => {}, warn: (text: string) => void warnings.push(text), error: () => {} } as unknown as Log
  const renewer = startRenewer({ home: { dir }, platforms, log, everyMs: 20 })
  await expect.poll(() => looked.filter((each) => each === 'fine').length, { timeout: 10_000 }).toBe(3)
  await renewer.stop()
  expect(new Set(warnings)).toEqual(new Set(['could not look after the certificates of a platform', 'refused']))
  await rm(dir, { recursive: true })
})

test('where a name points is told by this machine, and by nobody for what does not exist', async () => {
  expect(await pointsTo('localhost')).toMatchObject({ isHere: true })
  expect(await pointsTo('web.shop.localhost')).toMatchObject({ isHere: true })
  expect(await pointsTo('nobody.invalid')).toEqual({ pointsTo: [], isHere: false })
})
