import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hasMarked, listMarked, readOwner } from './marks.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilot-marks-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('what is not there has no owner, and a folder that is not there holds nothing', async () => {
  expect(await readOwner(join(folder, 'none.json'))).toBeUndefined()
  expect(await hasMarked(join(folder, 'none'))).toBe(false)
})

test('what cannot be read is no absence: nobody takes it over or deletes what others use', async () => {
  await writeFile(join(folder, 'a.json'), '{"owner":')
  await expect(readOwner(join(folder, 'a.json'))).rejects.toMatchObject({ code: 'HOME_UNUSABLE', message: expect.stringContaining('a.json') })
  await expect(listMarked({ folder, platformId: 'p', title: (id) => id })).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  await expect(hasMarked(join(folder, 'a.json'))).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
})
