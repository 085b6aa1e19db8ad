import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { appendFile, chmod, readdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { folderWith, gitIn } from '../testing/folder.ts'
import { packSource } from './pack-source.ts'

const run = promisify(execFile)

describe('packing a source', () => {
  it('gives the same digest for the same content at another place, time, owner and mode', async () => {
    await using first = await folderWith({ 'a.js': 'a', 'sub/b.js': 'b', 'run.sh': '#!/bin/sh' })
    await using second = await folderWith({ 'run.sh': '#!/bin/sh', 'sub/b.js': 'b', 'a.js': 'a' })
    await Promise.all([chmod(join(first.dir, 'run.sh'), 0o755), chmod(join(second.dir, 'run.sh'), 0o700), chmod(join(second.dir, 'a.js'), 0o600), utimes(join(second.dir, 'a.js'), 1, 1)])
    const [one, two] = await Promise.all([packSource(first), packSource(second)])
    expect(one.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(two.digest).toBe(one.digest)
    expect(two.record).toEqual({ digest: one.digest })
  })

  it.each<[string, (dir: string) => Promise<unknown>]>([
    ['content', (dir) => writeFile(join(dir, 'a.js'), 'b')],
    ['the name of a file', (dir) => writeFile(join(dir, 'b.js'), '')],
    ['whether a file can be executed', (dir) => chmod(join(dir, 'a.js'), 0o755)],
  ])('gives another digest for another %s', async (_what, change) => {
    await using folder = await folderWith({ 'a.js': 'a' })
    const before = await packSource(folder)
    await change(folder.dir)
    expect((await packSource(folder)).digest).not.toBe(before.digest)
  })

  it('is a tar that other programs unpack, with links, odd names and times that are real', async () => {
    const name = `${'long/'.repeat(60)}file with spaces\nand a new line – ü日本.txt`
    await using folder = await folderWith({ [name]: 'odd', 'data.bin': randomBytes(3_000_000), 'bin/run': '#!/bin/sh', 'link.txt': { link: 'bin/run' }, 'bin/up': { link: '../data.bin' }, dangling: { link: 'made/by/build' }, empty: '' })
    await chmod(join(folder.dir, 'bin/run'), 0o755)
    await utimes(join(folder.dir, 'empty'), 1_600_000_000, 1_600_000_000)
    const source = await packSource(folder)

    await using target = await folderWith()
    await pipeline(await source.open(), createWriteStream(join(target.dir, 'x.tar')))
    await run('tar', ['-xf', 'x.tar'], { cwd: target.dir })
    await rm(join(target.dir, 'x.tar'))
    await run('diff', ['-r', '--no-dereference', folder.dir, target.dir])
    expect((await stat(join(target.dir, 'empty'))).mtime.getTime()).toBe(1_600_000_000_000)
    expect((await packSource(target)).digest).toBe(source.digest)
  })

  it('has as digest the SHA-256 of the uncompressed tar that is sent', async () => {
    await using folder = await folderWith({ 'a.js': 'a', 'big.bin': randomBytes(2_500_000) })
    await using target = await folderWith()
    const source = await packSource(folder)
    await source.writeTarGz(join(target.dir, 'x.tar.gz'))
    const tar = gunzipSync(await readFile(join(target.dir, 'x.tar.gz')))
    expect(`sha256:${createHash('sha256').update(tar).digest('hex')}`).toBe(source.digest)
    expect((await stat(join(target.dir, 'x.tar.gz'))).mode & 0o777).toBe(0o600)
  })

  it('notices that a file changed between the digest and the sending', async () => {
    await using folder = await folderWith({ 'a.js': 'a', 'big.bin': randomBytes(2_000_000) })
    const small = await packSource(folder)
    await writeFile(join(folder.dir, 'a.js'), 'b')
    await expect(text(small.openTarGz())).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('changed') })
    const large = await packSource(folder)
    await writeFile(join(folder.dir, 'big.bin'), 'short')
    await expect(text(large.openTarGz())).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: 'big.bin cannot be read', reason: 'It changed while it was read.' })
    const gone = await packSource(folder)
    await rm(join(folder.dir, 'a.js'))
    await expect(text(await gone.open())).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: 'a.js cannot be read' })
  })

  it('records commit, message, author and whether something is not committed', async () => {
    await using folder = await folderWith({ 'app/a.js': 'a', 'other.txt': '' })
    await gitIn(folder.dir, 'init', '-q')
    await gitIn(folder.dir, 'add', '.')
    await gitIn(folder.dir, 'commit', '-q', '-m', 'Say "hello"\n\nand more')
    const commit = (await gitIn(folder.dir, 'rev-parse', 'HEAD')).trim()
    const app = { dir: join(folder.dir, 'app') }
    const { record, digest } = await packSource(app)
    expect(record).toEqual({ digest, commit, message: 'Say "hello"', author: 'Ada', dirty: false })
    await appendFile(join(folder.dir, 'other.txt'), 'outside of the app')
    expect((await packSource(app)).record.dirty).toBe(false)
    await folder.write({ 'app/new.js': '' })
    expect((await packSource(app)).record.dirty).toBe(true)
  })

  it('runs no program that the repository of a source names', async () => {
    await using folder = await folderWith({ 'a.js': 'a', 'spy': { link: 'a.js' } })
    await gitIn(folder.dir, 'init', '-q')
    await gitIn(folder.dir, 'add', '.')
    await gitIn(folder.dir, 'commit', '-q', '-m', 'one')
    await folder.write({ '.git/spy.sh': `#!/bin/sh\ntouch ${folder.dir}/.git/was-run\n` })
    await chmod(join(folder.dir, '.git/spy.sh'), 0o755)
    await gitIn(folder.dir, 'config', 'core.fsmonitor', join(folder.dir, '.git/spy.sh'))
    await packSource(folder)
    expect(await readdir(join(folder.dir, '.git'))).not.toContain('was-run')
  })

  it('works in a repository without a commit', async () => {
    await using folder = await folderWith({ 'a.js': 'a' })
    await gitIn(folder.dir, 'init', '-q')
    expect((await packSource(folder)).record).toEqual({ digest: expect.any(String) })
  })

  it.each(['/etc/passwd', '../../outside', '../x/../../../y'])('refuses a link to %s and names it', async (target) => {
    await using folder = await folderWith({ '.gitignore': '', 'a.js': '', 'sub/evil': { link: target } })
    await expect(packSource(folder)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('sub/evil is a link to') })
    await folder.write({ '.pilotignore': 'sub/evil' })
    expect((await packSource(folder)).facts.files).toEqual(['.gitignore', '.pilotignore', 'a.js'])
  })

  it('refuses a link that leads out by way of another one', async () => {
    await using folder = await folderWith({ 'a/b/here': { link: '.' }, 'z': { link: 'a/b/here/../../..' } })
    await expect(packSource(folder)).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('z is a link') })
  })

  it('leaves out what is no file, and says so', async () => {
    await using folder = await folderWith({ 'a.js': '' })
    await run('mkfifo', [join(folder.dir, 'pipe')])
    const { facts, notices } = await packSource(folder)
    expect(facts.files).toEqual(['a.js'])
    expect(notices).toEqual(['Left out, since they are no files: pipe.'])
  })

  it('names the largest files of a source that is too large', async () => {
    await using folder = await folderWith({ 'a.js': 'a', 'video.mp4': Buffer.alloc(2_000_000), 'data/dump.sql': Buffer.alloc(1_000_000) })
    await expect(packSource({ dir: folder.dir, maxBytes: 1_500_000 })).rejects.toMatchObject({
      code: 'SOURCE_UNREADABLE',
      message: `The source in ${folder.dir} is 2.9 MB, more than 1.4 MB`,
      reason: expect.stringContaining('video.mp4 (1.9 MB), data/dump.sql (977 KB)'),
      suggestion: expect.stringContaining('.pilotignore'),
    })
    await expect(packSource({ dir: folder.dir, maxEntries: 2 })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('more than 2 files') })
  })

  it('says what is wrong with a folder that is not there or is a file', async () => {
    await using folder = await folderWith({ 'a.js': '' })
    await expect(packSource({ dir: join(folder.dir, 'nowhere') })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('nowhere cannot be read') })
    await expect(packSource({ dir: join(folder.dir, 'a.js') })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: expect.stringContaining('is not a folder') })
  })

  it('needs no more memory for a large file than for a small one', async () => {
    await using folder = await folderWith({ 'big.bin': Buffer.alloc(150_000_000) })
    const { stdout } = await run(process.execPath, ['--conditions=@pilot/source', '--input-type=module', '-e', `
      import { packSource } from ${JSON.stringify(new URL('./pack-source.ts', import.meta.url).href)}
      const source = await packSource({ dir: ${JSON.stringify(folder.dir)} })
      let bytes = 0
      for await (const chunk of await source.open()) { bytes += chunk.length; await new Promise(setImmediate) }
      console.log(bytes, Math.round(process.resourceUsage().maxRSS / 1024))
    `])
    const [bytes, megabytes] = stdout.trim().split(' ').map(Number) as [number, number]
    expect(bytes).toBeGreaterThan(150_000_000)
    expect(megabytes).toBeLessThan(160)
  })

  it('stops reading when nobody takes the rest', async () => {
    await using folder = await folderWith({ 'a.bin': randomBytes(2_000_000), 'b.bin': randomBytes(2_000_000) })
    const source = await packSource(folder)
    for await (const _chunk of await source.open()) break
    const open = async (): Promise<string[]> => {
      const links = (await readdir('/proc/self/fd').catch(() => [])).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
      return (await Promise.all(links)).filter((path) => path.startsWith(folder.dir))
    }
    await expect.poll(open, { timeout: 5000 }).toEqual([])
  })
})
