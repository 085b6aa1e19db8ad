import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findPlatform, listPlatforms, platformDir, readPlatforms, registerPlatform, type PlatformRecord } from './registry.ts'

let home: string
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), 'pilot-registry-'))))
afterEach(() => rm(home, { recursive: true, force: true }))

const register = (name: string) => registerPlatform(home, { name, provider: { name: 'fake', package: '@pilot/core', version: '0.0.0' }, settings: {} })
const fileOf = ({ id }: Pick<PlatformRecord, 'id'>) => join(platformDir(home, id), 'platform.json')

describe('a home', () => {
  it('without platforms has none', async () => {
    expect(await listPlatforms(home)).toEqual([])
    await expect(findPlatform(home)).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'There is no platform yet' })
  })

  it('takes each name once, and finds the only platform without its name', async () => {
    const one = await register('one')
    expect(await findPlatform(home)).toEqual(one)
    await expect(register('one')).rejects.toMatchObject({ code: 'NAME_TAKEN' })
    await register('two')
    await expect(findPlatform(home)).rejects.toMatchObject({ code: 'ANSWER_NEEDED', reason: 'They are one, two.' })
    await expect(findPlatform(home, 'three')).rejects.toMatchObject({ code: 'NOT_FOUND', reason: 'There is one, two.' })
  })

  it('whose folder of platforms cannot be read is not taken for an empty one', async () => {
    await writeFile(join(home, 'platforms'), '')
    await expect(listPlatforms(home)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  })
})

describe('a platform whose record is damaged', () => {
  const damages: readonly [string, (text: string) => string, RegExp][] = [
    ['cut off', (text) => text.slice(0, 30), /JSON/],
    ['empty', () => '', /JSON/],
    ['of another shape', () => '{"name":"two"}', /id: /],
    ['of another platform', (text) => text.replace(/"id": "..../, '"id": "0000'), /another platform/],
  ]

  it.each(damages)('%s is named with its file, and the others work', async (_, change, reason) => {
    const one = await register('one')
    const two = await register('two')
    await writeFile(fileOf(two), change(await readFile(fileOf(two), 'utf8')))

    expect(await listPlatforms(home)).toEqual([one])
    expect((await readPlatforms(home)).broken).toMatchObject([{ id: two.id, error: { code: 'HOME_UNUSABLE', message: `${fileOf(two)} cannot be read`, reason: expect.stringMatching(reason) } }])
    expect(await findPlatform(home, 'one')).toEqual(one)
    // It may be the one that is meant, so nobody is told that there is none, and none is made in its place.
    for (const meant of [() => findPlatform(home, 'two'), () => findPlatform(home, two.id), () => findPlatform(home), () => register('two')]) {
      await expect(meant()).rejects.toMatchObject({ code: 'HOME_UNUSABLE', message: expect.stringContaining(two.id) })
    }
  })

  it('counts, while what has no record at all does not: a setup died before it wrote one', async () => {
    const one = await register('one')
    await mkdir(platformDir(home, 'f'.repeat(32)))
    await writeFile(join(home, 'platforms', '.DS_Store'), '')
    expect(await readPlatforms(home)).toEqual({ platforms: [one], broken: [] })
  })
})
