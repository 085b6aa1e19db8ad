import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { numberedFiles } from './numbered-files.ts'

const disk = vi.hoisted((): { hold: ((go: () => void) => void) | undefined } => ({ hold: undefined }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  const fsync: typeof real.fsync = Object.assign((file: number, done: (error: NodeJS.ErrnoException | null) => void) => (disk.hold ?? ((go: () => void) => go()))(() => real.fsync(file, done)), real.fsync)
  return { ...real, fsync }
})

describe('numbered files', () => {
  let folder: string
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'pilot-numbers-'))))
  afterEach(() => rm(folder, { recursive: true }))

  it('take only the number after the newest', async () => {
    const files = numberedFiles({ folder, extension: 'json' })
    expect(await files.create(2, 'b')).toBe(false)
    expect(await files.create(1, 'a')).toBe(true)
    expect(await files.create(1, 'A')).toBe(false)
    expect(await files.create(2, 'b')).toBe(true)
    expect([await files.read(1), await files.read(2), await files.read(3)]).toEqual(['a', 'b', undefined])
  })

  it('let nobody win a number that was pruned while it slept between its look and the act', async () => {
    const files = numberedFiles({ folder, extension: 'json', keep: 3 })
    await files.create(1, '1')
    // While its content is being flushed, others move on so far that number 2 is free again.
    const late = slowly(() => files.create(2, 'late'))
    for (let number = 2; number <= 6; number++) await files.create(number, String(number))
    expect(await late()).toBe(false)
    expect(files.numbers()).toEqual([4, 5, 6])
  })

  it('let the first of two win when the other was faster in between', async () => {
    const files = numberedFiles({ folder, extension: 'json', keep: 3 })
    const late = slowly(() => files.create(1, 'late'))
    await files.create(1, 'first')
    expect(await late()).toBe(false)
    expect(await files.read(1)).toBe('first')
  })
})

/** Begins now; what it flushes first is flushed when the returned function is called, which resolves to its result. */
function slowly<T>(begin: () => Promise<T>): () => Promise<T> {
  let flush: (() => void) | undefined
  disk.hold = (go) => {
    flush = go
    disk.hold = undefined
  }
  const result = begin()
  return () => {
    flush!()
    return result
  }
}
