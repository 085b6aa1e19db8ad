import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { casesOf } from '../testing/campaign.ts'
import type { DiskOperation } from '../testing/power/disk-model.ts'
import { disksAfterCut, marksBefore, writeDisk } from '../testing/power/disk-states.ts'
import { createFileSecretStore } from './file-secret-store.ts'
import { loadOrCreateKey } from './key-file.ts'
import type { SecretStore } from './secret-store.ts'

const disk = await vi.hoisted(async () => (await import('../testing/power/recorded-disk.ts')).installRecordedDisk())

let root: string
let folders = 0
beforeAll(async () => void (root = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'pilot-secrets-power-'))))
afterAll(() => rm(root, { recursive: true }))

/** Name → value that was given to somebody; undefined: it was removed. */
type Fact = { readonly name: string; readonly value: string | undefined }

const open = async (dir: string): Promise<SecretStore> => createFileSecretStore({ dir: join(dir, 'secrets'), key: await loadOrCreateKey(join(dir, 'keys/secrets.key')) })
const promise = (name: string, value: string | undefined): void => disk.mark({ name, value } satisfies Fact)

async function work(dir: string): Promise<void> {
  const store = await open(dir)
  promise('password', await store.get(await store.ensure('app/password', () => 'generated')))
  await store.put('app/token', 'first')
  promise('token', 'first')
  await store.remove('app/token')
  promise('token', undefined)
}

test('a secret that anybody got is the same after a power cut, and one that was removed stays removed', async () => {
  await everyDisk(await recorded(work), 300)
})

test('also when the process that made it had died in a flush, and another had gone on with it', async () => {
  const flushes = (await recorded(work)).filter(({ type }) => type === 'flush').length
  for (const flush of casesOf(Array.from({ length: flushes }, (_, index) => index + 1), 16)) {
    const operations = await recorded(async (dir) => {
      await Promise.race([disk.dieInFlush(flush), work(dir)])
      await work(dir)
    })
    await everyDisk(operations, 30)
  }
})

async function recorded(run: (dir: string) => Promise<void>): Promise<readonly DiskOperation[]> {
  const dir = join(root, `recorded-${folders++}`)
  disk.record(dir)
  mkdirSync(dir)
  await run(dir)
  return disk.stop()
}

async function everyDisk(operations: readonly DiskOperation[], most: number): Promise<void> {
  for (const state of casesOf([...disksAfterCut(operations, { tears: 3 })], most)) {
    const dir = join(root, `cut-${folders++}`)
    writeDisk(dir, state)
    const facts = marksBefore<Fact>(operations, state.at)
    const newest = (name: string) => facts.findLast((fact) => fact.name === name)
    try {
      const store = await open(dir)
      const password = await store.get(await store.ensure('app/password', () => 'generated again'))
      if (newest('password') !== undefined) expect(password).toBe(newest('password')!.value)
      // The last thing that was promised is that the token was removed.
      if (state.at === operations.length) expect(newest('token'), 'the token').toEqual({ name: 'token', value: undefined })
      if (state.at === operations.length) expect((await store.list('app')).map(({ name }) => name)).toEqual(['app/password'])
    } catch (error) {
      throw new Error(`power cut after ${state.at} of ${operations.length} operations (${state.how}): ${(error as Error).message}`, { cause: error })
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
}
