import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isPilotError, type PilotError } from '../errors/pilot-error.ts'
import { casesOf } from '../testing/campaign.ts'
import { createFileStore } from './file-store.ts'
import { entryOf, leaseOf, stateOf } from './power-oracle.fixture.ts'
import type { Fence, JournalEntry, ScopeStore } from './store.ts'

/** A disk that returns something else than what was written: bytes missing at the end, and bits that flipped. */
let dir: string
let scope: ScopeStore
let fence: Fence
const folder = (...parts: string[]) => join(dir, 'platform', ...parts)
const reopened = () => createFileStore({ dir }).scope('platform')

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilot-damage-'))
  scope = reopened()
  fence = await take(scope)
})
afterEach(() => rm(dir, { recursive: true }))

describe('a journal', () => {
  const file = () => folder('journal', '00000001-0000.jsonl')
  const written: readonly JournalEntry[] = [1, 2, 3, 4, 5].map((seq) => entryOf(seq))
  let content: Buffer
  beforeEach(async () => {
    // 1 alone, then 2 and 3 in one write, then 4 and 5 in one.
    await scope.appendJournal(written[0]!, fence)
    for (const pair of [written.slice(1, 3), written.slice(3)]) await Promise.all(pair.map((entry) => scope.appendJournal(entry, fence)))
    content = await readFile(file())
  })

  test('cut at any byte is read as the entries that are whole, and goes on', async () => {
    const ends = [...content.keys()].filter((index) => content[index] === 10).map((index) => index + 1)
    for (let length = 0; length <= content.length; length++) {
      await writeFile(file(), content.subarray(0, length))
      const whole = written.slice(0, ends.filter((end) => end <= length).length)
      expect(await reopened().readJournal(), `cut at ${length}`).toEqual(whole)
      if (length % 16 !== 0) continue
      await reopened().appendJournal(entryOf(9), fence)
      expect(await reopened().readJournal(), `cut at ${length}`).toEqual([...whole, entryOf(9)])
    }
  })

  test('with any bit flipped is refused, naming the line, and goes on once that line and what follows are deleted', { timeout: 300_000 }, async () => {
    for (const bit of casesOf([...Array(content.length * 8).keys()], 700)) {
      await writeFile(file(), flipped(content, bit))
      const error = await failure(reopened().readJournal(), `bit ${bit}`)
      expect(error).toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining(file()), suggestion: expect.stringMatching(/delete line \d/) })
      await expect(reopened().appendJournal(entryOf(9), fence)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
      expect((await readFile(file())).equals(flipped(content, bit)), 'the damaged file was changed').toBe(true)
      if (bit % 8 !== 3) continue
      const line = Number(/delete line (\d+)/.exec(error.suggestion!)![1])
      await writeFile(file(), flipped(content, bit).toString('latin1').split('\n').slice(0, line - 1).map((text) => `${text}\n`).join(''), 'latin1')
      const kept = await reopened().readJournal()
      expect(kept).toEqual(written.slice(0, line - 1))
      await reopened().appendJournal(entryOf(9), fence)
      expect(await reopened().readJournal()).toEqual([...kept, entryOf(9)])
    }
  })

  test('whose last write a power cut tore is read up to the tear, also when a later part of it got to the disk', async () => {
    const [, , third, fourth] = [...content.keys()].filter((index) => content[index] === 10).map((index) => index + 1) as [number, number, number, number]
    for (let from = third; from < fourth - 1; from++) {
      await writeFile(file(), Buffer.from(content).fill(0, from, from + 2))
      expect(await reopened().readJournal(), `zeros at ${from}`).toEqual(written.slice(0, 3))
    }
  })

  test('with zeros before the last write is refused: that was promised', async () => {
    await writeFile(file(), Buffer.from(content).fill(0, 5, 20))
    await expect(reopened().readJournal()).rejects.toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining('line 1') })
  })

  test('of a newer Pilot is refused and untouched', async () => {
    const { crc32 } = await import('node:zlib')
    const body = `"format":2,"from":${content.length},"something":"else","entry":{"at":"now","seq":6,"type":"unheard of"}}`
    const newer = `${content.toString()}{"crc":"${crc32(body).toString(16).padStart(8, '0')}",${body}\n`
    await writeFile(file(), newer)
    await expect(reopened().readJournal()).rejects.toMatchObject({ code: 'STATE_NEWER', message: expect.stringContaining('format 2') })
    await expect(reopened().appendJournal(entryOf(7), fence)).rejects.toMatchObject({ code: 'STATE_NEWER' })
    expect(await readFile(file(), 'utf8')).toBe(newer)
  })

  test('with lines of the format before is read and continued', async () => {
    const { crc32 } = await import('node:zlib')
    const old = written.map((entry) => JSON.stringify(entry)).map((text) => `{"crc":"${crc32(text).toString(16).padStart(8, '0')}","entry":${text}}\n`)
    await writeFile(file(), old.join(''))
    expect(await reopened().readJournal()).toEqual(written)
    await reopened().appendJournal(entryOf(6), fence)
    expect(await reopened().readJournal()).toEqual([...written, entryOf(6)])
  })
})

describe('a state', () => {
  const file = () => folder('state', '00000002.json')
  let content: Buffer
  beforeEach(async () => {
    await scope.writeState(stateOf(1, 0, ['first']), fence)
    await scope.writeState(stateOf(2, 0, ['first', 'second']), fence)
    content = await readFile(file())
  })

  test('cut at any byte, or with any bit flipped, is refused by its name, and the version before can be had', { timeout: 120_000 }, async () => {
    const cuts = casesOf([...content.keys()], 150).map((length) => content.subarray(0, length))
    const flips = casesOf([...Array(content.length * 8).keys()], 500).map((bit) => flipped(content, bit))
    for (const damaged of [...cuts, ...flips]) {
      await writeFile(file(), damaged)
      const error = await failure(reopened().readState(), damaged.toString('latin1'))
      expect(error).toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining(file()), suggestion: expect.stringContaining('state restore') })
    }
    expect((await reopened().stateHistory()).map(({ version }) => version)).toEqual([2, 1])
    const earlier = await reopened().readStateVersion(1)
    await reopened().writeState({ ...earlier, version: 3 }, fence)
    expect(await reopened().readState()).toEqual({ ...stateOf(1, 0, ['first']), version: 3 })
  })

  test('without a checksum, from an older Pilot or edited by hand, is read', async () => {
    await writeFile(file(), JSON.stringify(stateOf(2, 0, ['by hand'])))
    expect(await reopened().readState()).toEqual(stateOf(2, 0, ['by hand']))
  })
})

test('a record cut at any byte, or with any bit flipped, is refused by its name, and moved away it may be written again', async () => {
  const file = folder('records', 'release', '7.json')
  await scope.putRecord('release', '7', { number: 7, weights: [10, 90] }, fence)
  const content = await readFile(file)
  for (const damaged of [...[...content.keys()].map((length) => content.subarray(0, length)), ...[...Array(content.length * 8).keys()].map((bit) => flipped(content, bit))]) {
    await writeFile(file, damaged)
    for (const look of [() => reopened().getRecord('release', '7'), () => reopened().listRecords('release')]) {
      expect(await failure(look(), damaged.toString('latin1'))).toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining(file), suggestion: expect.stringContaining('move it away') })
    }
  }
  await rm(file)
  await reopened().putRecord('release', '7', { number: 7, weights: [50, 50] }, fence)
  expect(await reopened().getRecord('release', '7')).toEqual({ number: 7, weights: [50, 50] })
})

test('a lease cut at any byte, or with any bit flipped, is refused by its name, and without that file the next owner gets a token', async () => {
  const file = folder('lease', '00000003.json')
  fence = await take(scope)
  fence = await take(scope)
  const content = await readFile(file)
  for (const damaged of [...[...content.keys()].map((length) => content.subarray(0, length)), ...casesOf([...Array(content.length * 8).keys()], 500).map((bit) => flipped(content, bit))]) {
    await writeFile(file, damaged)
    expect(await failure(reopened().lease.read(), damaged.toString('latin1'))).toMatchObject({ code: 'STATE_CORRUPT', message: expect.stringContaining(file), suggestion: expect.stringContaining('delete this one file') })
    await expect(reopened().appendJournal(entryOf(1), fence)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
  }
  await rm(file)
  const next = await take(reopened())
  await reopened().appendJournal(entryOf(1), next)
  expect(await reopened().readJournal()).toEqual([entryOf(1)])
  expect((await readdir(folder('lease'))).toSorted()).toEqual(['00000001.json', '00000002.json', '00000003.json'])
})

function flipped(content: Buffer, bit: number): Buffer {
  const copy = Buffer.from(content)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

async function failure(promise: Promise<unknown>, what: string): Promise<PilotError> {
  try {
    throw new Error(`It was read as ${JSON.stringify(await promise)}: ${what}`)
  } catch (error) {
    if (isPilotError(error)) return error
    throw error
  }
}

async function take(store: ScopeStore): Promise<Fence> {
  const stored = await store.lease.read()
  const token = (stored?.token ?? 0) + 1
  expect(await store.lease.swap(stored, leaseOf(token))).toBe(true)
  return { token }
}
