import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { packSource } from '@pilot/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { forgetOldSources, hasSource, keptMs, putSource } from './upload.ts'

let folder: string
let dir: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pilot-test-sources-'))
  dir = await mkdtemp(join(tmpdir(), 'pilot-test-source-'))
  await writeFile(join(dir, 'index.html'), 'hello')
})
afterEach(async () => {
  await rm(folder, { recursive: true })
  await rm(dir, { recursive: true })
})

test('a source is kept under its digest, also when it is sent twice at once', async () => {
  const source = await packSource({ dir })
  expect(await hasSource(folder, source.digest)).toBe(false)
  await Promise.all([1, 2].map(() => putSource({ folder, digest: source.digest, body: source.openTarGz() })))
  expect(await hasSource(folder, source.digest)).toBe(true)
  expect(await readdir(folder)).toEqual([`${source.digest.replace(':', '-')}.tar.gz`])
})

test('a source goes when nobody asked for it for a week', async () => {
  const source = await packSource({ dir })
  await putSource({ folder, digest: source.digest, body: source.openTarGz() })
  expect(await forgetOldSources(folder, { now: Date.now() + keptMs - 60_000 })).toBe(0)
  expect(await forgetOldSources(folder, { now: Date.now() + keptMs + 60_000 })).toBe(1)
  expect(await hasSource(folder, source.digest)).toBe(false)
})

const broken = Readable.from(
  (async function* () {
    yield gzipSync('half')
    throw Object.assign(new Error('The connection broke'), { code: 'ECONNRESET' })
  })(),
)
const sha = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`

test.each<[string, () => { digest: string; body: Readable; maxBytes?: number }]>([
  ['another source than announced', () => ({ digest: sha('other'), body: Readable.from([gzipSync(Buffer.alloc(1024))]) })],
  ['something that is no gzip', () => ({ digest: sha('plain'), body: Readable.from(['plain']) })],
  ['something too large', () => ({ digest: sha('x'), body: Readable.from([Buffer.alloc(2000)]), maxBytes: 1000 })],
  ['a connection that breaks', () => ({ digest: sha('half'), body: broken })],
])('%s is refused and leaves nothing', async (_, call) => {
  await expect(putSource({ folder, ...call() })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
  expect(await readdir(folder)).toEqual([])
})
