import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdir, rename, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { inCampaign } from '../testing/campaign.ts'
import { folderWith } from '../testing/folder.ts'
import { openPackedSource } from './open-packed-source.ts'
import { packSource } from './pack-source.ts'

const names = ['-rf', '--help', ' leading and trailing ', 'a\nb', "it's", '"quoted"', '$(id)', '`id`', '*', '[a]', '{b,c}', 'back\\slash', '!important', '#comment', '~', '..a', '...', 'caf\u00e9', 'cafe\u0301', '\ud83d\ude00', '\u202etxt.exe', '\u001b[31mred', 'x'.repeat(255), 'CON', 'a:b', 'tab\there', '\ufffd']

test('names of every sort arrive as they are, files and folders, also through ignore files', async () => {
  await using folder = await folderWith({ '.gitignore': 'nothing\n', '.dockerignore': 'nothing\n', '.pilotignore': 'nothing\n' })
  for (const name of names) {
    await mkdir(join(folder.dir, 'folders', name), { recursive: true })
    await writeFile(join(folder.dir, 'folders', name, name), name)
    await writeFile(join(folder.dir, name), name)
  }
  const source = await packSource(folder)
  expect(source.facts.files).toEqual(expect.arrayContaining(names.flatMap((name) => [name, `folders/${name}/${name}`])))
  await using target = await folderWith()
  const tarGzFile = join(target.dir, 'x.tar.gz')
  await source.writeTarGz(tarGzFile)
  expect((await openPackedSource({ tarGzFile, record: source.record })).facts.files).toEqual([...source.facts.files].sort())
})

test('a name that is not UTF-8 is told as such, in a file and in a folder', async () => {
  for (const make of [(path: Buffer) => writeFile(path, ''), (path: Buffer) => mkdir(path)]) {
    await using folder = await folderWith({ 'a.js': '' })
    await make(Buffer.concat([Buffer.from(`${folder.dir}/caf`), Buffer.from([0xe9])]))
    await expect(packSource(folder)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: 'The name of caf\ufffd is not UTF-8', suggestion: 'Rename it, or move it out of the source.' })
  }
})

test('sockets, fifos and devices are left out with a word, and never opened', async () => {
  await using folder = await folderWith({ 'a.js': '', 'to-pipe.txt': { link: 'pipe' }, Dockerfile: { link: 'pipe' } })
  const listener = createServer().listen(join(folder.dir, 'app.sock'))
  await once(listener, 'listening')
  for (const name of ['pipe', '.gitignore', '.dockerignore', '.pilotignore']) execFileSync('mkfifo', [join(folder.dir, name)])
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('mknod', [join(folder.dir, 'device'), 'c', '1', '5'])
  const { facts, notices } = await packSource(folder)
  listener.close()
  expect(facts.files).toEqual(['Dockerfile', 'a.js', 'to-pipe.txt'])
  expect(facts.text('Dockerfile')).toBeUndefined()
  expect(notices).toEqual([expect.stringMatching(/^Left out, since they are no files: .* and \d more\.$/)])
})

test('a file of 1 GB is refused before a byte of it is read, with what is large and how to leave it out', async () => {
  await using folder = await folderWith({ 'a.js': '', 'data/dump\nof\tall.sql': '' })
  await truncate(join(folder.dir, 'data/dump\nof\tall.sql'), 1024 ** 3)
  const started = process.cpuUsage()
  await expect(packSource(folder)).rejects.toMatchObject({
    code: 'SOURCE_UNREADABLE',
    message: `The source in ${folder.dir} is 1.0 GB, more than 500 MB`,
    reason: 'The largest files: "data/dump\\nof\\tall.sql" (1.0 GB).',
    suggestion: 'Leave out what the app does not need: write it into .pilotignore.',
    details: { bytes: 1024 ** 3 },
  })
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(1000)
})

test('a file that changes while it is sent is told, and one that grows is sent as it was', async () => {
  const changes: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
    'is written anew': (file) => writeFile(file, Buffer.alloc(3_000_000, 'y')),
    shrinks: (file) => truncate(file, 1000),
    goes: (file) => rename(file, `${file}.gone`),
    'becomes a link out': async (file) => rename(file, `${file}.gone`).then(() => symlink('/etc/passwd', file)),
  }
  for (const [what, change] of Object.entries(changes)) {
    await using folder = await folderWith({ 'a.js': '', 'large.bin': Buffer.alloc(3_000_000, 'x') })
    const source = await packSource(folder)
    const tar = source.openTarGz()
    await change(join(folder.dir, 'large.bin'))
    const sent = (async () => {
      for await (const _ of tar);
    })()
    await expect(sent, what).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
  }
  await using folder = await folderWith({ 'a.log': 'x'.repeat(300_000) })
  await using target = await folderWith()
  const source = await packSource(folder)
  await appendFile(join(folder.dir, 'a.log'), 'more')
  const tarGzFile = join(target.dir, 'x.tar.gz')
  await source.writeTarGz(tarGzFile)
  await openPackedSource({ tarGzFile, record: source.record })
})

test('very many files are one source', async () => {
  const count = inCampaign({ full: 100_000, short: 4_000 })
  await using folder = await folderWith()
  for (let index = 0; index < count; index++) {
    if (index % 1000 === 0) await mkdir(join(folder.dir, String(index / 1000)))
    await writeFile(join(folder.dir, String(Math.floor(index / 1000)), `${index}.txt`), String(index))
  }
  expect((await packSource(folder)).facts.files).toHaveLength(count)
}, 300_000)
