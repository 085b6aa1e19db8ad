import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { numberedFiles } from './numbered-files.ts'

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
    // Content that takes its time: while it is written, others move on so far that number 2 is free again.
    async function* late() {
      for (let number = 2; number <= 6; number++) await files.create(number, String(number))
      yield 'late'
    }
    expect(await files.create(2, late() as unknown as string)).toBe(false)
    expect(files.numbers()).toEqual([4, 5, 6])
  })

  it('let the first of two win when the other was faster in between', async () => {
    const files = numberedFiles({ folder, extension: 'json', keep: 3 })
    async function* late() {
      await files.create(1, 'first')
      yield 'late'
    }
    expect(await files.create(1, late() as unknown as string)).toBe(false)
    expect(await files.read(1)).toBe('first')
  })
})
