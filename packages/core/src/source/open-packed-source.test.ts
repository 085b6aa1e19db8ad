import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGzip, gzipSync } from 'node:zlib'
import { extract, pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { folderWith } from '../testing/folder.ts'
import { openPackedSource } from './open-packed-source.ts'
import { packSource } from './pack-source.ts'

describe('opening a packed source', () => {
  it('gives the facts and the content that were packed', async () => {
    await using folder = await folderWith({ Dockerfile: 'FROM scratch\n', 'package.json': '{}', 'app/docker/web.Dockerfile': 'FROM x', 'src/a.js': 'a', 'bin/b': { link: '../src/a.js' }, [`${'deep/'.repeat(50)}ü`]: 'u', 'big.bin': randomBytes(2_000_000) })
    await using target = await folderWith()
    const tarGzFile = join(target.dir, 'x.tar.gz')
    const local = await packSource(folder)
    await local.writeTarGz(tarGzFile)
    await utimes(tarGzFile, 1_700_000_000, 1_700_000_000)

    const { record, facts, open } = await openPackedSource({ tarGzFile, record: { digest: local.digest, commit: 'abc', dirty: true } })
    expect(record).toEqual({ digest: local.digest, commit: 'abc', dirty: true })
    expect(facts.files).toEqual(local.facts.files)
    expect(facts.text('Dockerfile')).toBe('FROM scratch\n')
    expect(facts.text('app/docker/web.Dockerfile')).toBe('FROM x')
    expect(facts.text('big.bin')).toBeUndefined()
    expect(facts.text('nowhere')).toBeUndefined()

    for (const round of [1, 2]) {
      const entries = await entriesOf(await open())
      expect(entries.find(({ name }) => name === 'src/a.js'), `round ${round}`).toMatchObject({ content: 'a', mtime: new Date(1_700_000_000_000) })
      expect(entries.map(({ name }) => name)).toEqual((await entriesOf(await local.open())).map(({ name }) => name))
    }
  })

  it('refuses another content than the record announces', async () => {
    await using folder = await folderWith({ 'a.js': 'a' })
    const tarGzFile = join(folder.dir, 'x.tar.gz')
    await (await packSource(folder)).writeTarGz(tarGzFile)
    await expect(openPackedSource({ tarGzFile, record: { digest: `sha256:${'0'.repeat(64)}` } })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('not the one that was announced') })
  })

  it.each<[string, Parameters<typeof tarGz>[1]]>([
    ['a path upwards', [{ name: '../evil' }]],
    ['an absolute path', [{ name: '/etc/evil' }]],
    ['a path that is not normal', [{ name: 'a/../b' }]],
    ['an absolute link', [{ name: 'a', type: 'symlink', linkname: '/etc' }]],
    ['a link upwards', [{ name: 'sub/a', type: 'symlink', linkname: '../../x' }]],
    ['a link that leads out by way of another', [{ name: 'a/b/here', type: 'symlink', linkname: '.' }, { name: 'z', type: 'symlink', linkname: 'a/b/here/../../..' }]],
    ['a file below a link', [{ name: 'a', type: 'symlink', linkname: 'b' }, { name: 'a/x' }]],
    ['links in a circle', [{ name: 'a', type: 'symlink', linkname: 'b' }, { name: 'b', type: 'symlink', linkname: 'a' }]],
    ['a path twice', [{ name: 'a' }, { name: './a' }]],
    ['a device', [{ name: 'a', type: 'character-device' }]],
    ['a hard link', [{ name: 'a' }, { name: 'b', type: 'link', linkname: 'a' }]],
  ])('refuses %s', async (_what, entries) => {
    await using folder = await folderWith()
    await expect(openPackedSource({ tarGzFile: await tarGz(folder.dir, entries) })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('not one that Pilot packs') })
  })

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['no gzip', Buffer.from('hello')],
    ['no tar', gzipSync(randomBytes(2000))],
    ['a truncated gzip', gzipSync(randomBytes(4000)).subarray(0, 2000)],
  ])('refuses a file that holds %s', async (_what, content) => {
    await using folder = await folderWith({ 'x.tar.gz': content })
    await expect(openPackedSource({ tarGzFile: join(folder.dir, 'x.tar.gz') })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
  })

  it('refuses a small file that unpacks to a large one, and too many files', async () => {
    await using folder = await folderWith()
    const zeros = await tarGz(folder.dir, [{ name: 'zeros', content: Buffer.alloc(20_000_000) }])
    await expect(openPackedSource({ tarGzFile: zeros, maxBytes: 10 * 1024 ** 2 })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: 'The source is larger than 10 MB' })
    const many = await tarGz(folder.dir, Array.from({ length: 20 }, (_, index) => ({ name: `file-${index}` })))
    await expect(openPackedSource({ tarGzFile: many, maxEntries: 10 })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('more than 10 files') })
  })

  it('says when the file is not there', async () => {
    await expect(openPackedSource({ tarGzFile: '/nowhere/x.tar.gz' })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: 'The source archive x.tar.gz cannot be read' })
  })

  it('fails the stream when the file is damaged later', async () => {
    await using folder = await folderWith({ 'a.bin': randomBytes(500_000) })
    await using target = await folderWith()
    const tarGzFile = join(target.dir, 'x.tar.gz')
    await (await packSource(folder)).writeTarGz(tarGzFile)
    const source = await openPackedSource({ tarGzFile })
    await writeFile(tarGzFile, 'damaged')
    await expect(buffer(await source.open())).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
  })
})

async function tarGz(dir: string, entries: readonly { name: string; type?: 'file' | 'symlink' | 'link' | 'character-device'; linkname?: string; content?: Buffer }[]): Promise<string> {
  const tar = pack()
  for (const { content, ...header } of entries) {
    if ((header.type ?? 'file') === 'file') tar.entry(header, content ?? 'x')
    else tar.entry(header)
  }
  tar.finalize()
  const file = join(dir, 'made.tar.gz')
  await pipeline(tar as unknown as NodeJS.ReadableStream, createGzip(), createWriteStream(file))
  return file
}

async function entriesOf(stream: NodeJS.ReadableStream): Promise<{ name: string; mtime: Date; content: string }[]> {
  const entries = extract()
  const feeding = pipeline(stream, entries as unknown as NodeJS.WritableStream)
  const found: { name: string; mtime: Date; content: string }[] = []
  for await (const entry of entries) found.push({ name: entry.header.name, mtime: entry.header.mtime, content: (await buffer(entry as unknown as AsyncIterable<Buffer>)).subarray(0, 100).toString() })
  await feeding
  return found
}
