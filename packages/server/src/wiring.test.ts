import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { changePlatformSettings, contractVersion, defineProvider, forgetPlatform, registerPlatform, type AnyProvider, type PlatformRecord } from '@pilot/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { openProviders } from './providers/installed.ts'
import fakeProvider from './testing/fake-provider.ts'
import { openPlatforms, type Platforms } from './wiring.ts'

let home: string
let closed: string[]
let platforms: Platforms
let record: PlatformRecord

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'pilot-test-wiring-'))
  closed = []
  const provider = defineProvider({
    ...fakeProvider,
    name: 'sized',
    contract: contractVersion,
    settings: z.object({ size: z.string() }),
    connect: async (context) => ({ ...(await fakeProvider.connect({ ...context, settings: { url: 'http://127.0.0.1:1' } } as never)), close: async () => void closed.push((context.settings as { size: string }).size) }),
  }) as AnyProvider
  platforms = openPlatforms({ home, providers: openProviders({ home, extra: [provider] }), serverId: 'server-1' })
  record = await registerPlatform(home, { name: 'one', provider: { name: 'sized', package: 'sized', version: '1.0.0' }, settings: { size: 'small' } })
})
afterEach(async () => {
  await platforms.close()
  await rm(home, { recursive: true })
})

const change = (size: string) => changePlatformSettings(home, record, { size })

test('what was read before a change of settings brings the old ones not back', async () => {
  await platforms.openRecord(record)
  const changed = await platforms.openRecord(await change('large'))
  expect(await platforms.openRecord(record)).toBe(changed)
  expect(await platforms.open('one')).toBe(changed)
  expect(closed).toEqual(['small'])
})

test('a change that another process made is seen by the next who opens it', async () => {
  const before = await platforms.open()
  await change('large')
  const after = await platforms.open()
  expect(after).not.toBe(before)
  expect(after.platform.settings).toEqual({ size: 'large' })
})

test('what was replaced is closed after the last who may work with it, and not for those who came later', async () => {
  const [first, second] = [platforms.visit(), platforms.visit()]
  await platforms.openRecord(record)
  await platforms.openRecord(await change('large'))
  using _later = platforms.visit()
  first[Symbol.dispose]()
  await settled()
  expect(closed).toEqual([])
  second[Symbol.dispose]()
  await settled()
  expect(closed).toEqual(['small'])
})

test('one that is forgotten meanwhile is not opened again', async () => {
  await platforms.openRecord(record)
  await platforms.forget(record.id)
  await forgetPlatform(home, record.id)
  await settled()
  expect(closed).toEqual(['small'])
  await expect(platforms.openRecord(record)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('all that is open is closed at the end, whoever is still there', async () => {
  using _visit = platforms.visit()
  await platforms.openRecord(record)
  await platforms.openRecord(await change('large'))
  await platforms.close()
  expect(closed.toSorted()).toEqual(['large', 'small'])
})

const settled = () => new Promise((resolve) => setTimeout(resolve, 20))
