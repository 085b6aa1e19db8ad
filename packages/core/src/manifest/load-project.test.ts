import { execFileSync } from 'node:child_process'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSourceFacts } from '../source/facts.ts'
import { folderWith } from '../testing/folder.ts'
import { detect } from './detect.ts'
import { loadProject } from './load-project.ts'
import { unappliedKeys } from './unapplied.ts'

describe('loading a project', () => {
  it('finds the nearest pilot.yaml upwards, and where each app has its source', async () => {
    await using folder = await folderWith({
      'pilot.yaml': 'project: outer\napps: { web: {} }',
      'shop/pilot.yaml': 'project: shop\napps:\n  web: { source: ./web }\n  root: {}\n  auth: { source: { git: https://git.acme.dev/auth.git, ref: main } }\n  cache: { image: redis:7 }',
      'shop/web/src/a.js': '',
    })
    const project = await loadProject({ dir: join(folder.dir, 'shop/web/src') })
    expect(project).toMatchObject({ name: 'shop', dir: join(folder.dir, 'shop'), file: join(folder.dir, 'shop/pilot.yaml') })
    expect(project.apps).toEqual([
      { name: 'web', source: { type: 'directory', dir: join(folder.dir, 'shop/web') } },
      { name: 'root', source: { type: 'directory', dir: join(folder.dir, 'shop') } },
      { name: 'auth', source: { type: 'git', url: 'https://git.acme.dev/auth.git', ref: 'main' } },
      { name: 'cache', source: { type: 'image', image: 'redis:7' } },
    ])
  })

  it('says where it looked when there is none', async () => {
    await using folder = await folderWith({ 'a.js': '' })
    await expect(loadProject(folder)).rejects.toMatchObject({ code: 'MANIFEST_MISSING', message: `There is no pilot.yaml in ${folder.dir} or above it` })
    await folder.write({ 'pilot.yml': '' })
    await expect(loadProject(folder)).rejects.toMatchObject({ code: 'MANIFEST_MISSING', reason: `${join(folder.dir, 'pilot.yml')} is there, but the name must be pilot.yaml.` })
    await expect(loadProject({ dir: join(folder.dir, 'nowhere') })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', message: `There is no folder ${join(folder.dir, 'nowhere')}` })
  })

  it.each<[string, (file: string) => Promise<unknown> | void, object]>([
    ['a folder', (file) => mkdir(file), { code: 'SOURCE_UNREADABLE', reason: 'It is a folder.' }],
    ['a fifo, which nobody writes to', (file) => void execFileSync('mkfifo', [file]), { code: 'SOURCE_UNREADABLE', reason: 'It is no file.' }],
    ['a link to nothing', (file) => symlink('../gone.yaml', file), { code: 'SOURCE_UNREADABLE', reason: 'It is a link to ../gone.yaml, which is not there.' }],
    ['a link to itself', (file) => symlink('pilot.yaml', file), { code: 'SOURCE_UNREADABLE' }],
    ['of 10 MB', (file) => writeFile(file, `project: x\n${'# a comment\n'.repeat(900_000)}`), { code: 'MANIFEST_INVALID', message: expect.stringContaining('pilot.yaml:1:1: The file is larger than 256 KB') }],
    ['empty', (file) => writeFile(file, ''), { code: 'MANIFEST_INVALID', message: expect.stringContaining('The manifest is empty') }],
    ['of another encoding', (file) => writeFile(file, Buffer.from('project: x\n# caf\u00e9\n', 'latin1')), { code: 'MANIFEST_INVALID', message: expect.stringMatching(/pilot\.yaml is not UTF-8$/), reason: 'Line 2 holds bytes that are no text.', suggestion: 'Save it as UTF-8.' }],
    ['of UTF-16', (file) => writeFile(file, Buffer.from('\ufeffproject: x\n', 'utf16le')), { code: 'MANIFEST_INVALID', reason: expect.stringContaining('UTF-16') }],
    ['a binary', (file) => writeFile(file, Buffer.alloc(1000)), { code: 'MANIFEST_INVALID' }],
  ])('says what is wrong with a pilot.yaml that is %s, and takes none from above', async (_what, make, says) => {
    await using folder = await folderWith({ 'pilot.yaml': 'project: outer\napps: { web: {} }', 'shop/a.js': '' })
    await make(join(folder.dir, 'shop/pilot.yaml'))
    await expect(loadProject({ dir: join(folder.dir, 'shop') })).rejects.toMatchObject(says)
  })

  it('follows a link to a manifest, and says who may not read one', async () => {
    await using folder = await folderWith({ 'shared.yaml': 'project: shop\napps: { web: {} }', 'shop/a.js': '' })
    await symlink('../shared.yaml', join(folder.dir, 'shop/pilot.yaml'))
    expect(await loadProject({ dir: join(folder.dir, 'shop') })).toMatchObject({ name: 'shop', dir: join(folder.dir, 'shop') })
    // Root reads everything.
    if (process.getuid?.() === 0) return
    await chmod(join(folder.dir, 'shared.yaml'), 0)
    await expect(loadProject({ dir: join(folder.dir, 'shop') })).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', reason: expect.stringContaining('EACCES') })
  })

  it('names the file in errors', async () => {
    await using folder = await folderWith({ 'pilot.yaml': 'project: x\napps: { web: { prot: 1 } }' })
    await expect(loadProject(folder)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', message: `${join(folder.dir, 'pilot.yaml')}:2:16: Unknown key \`prot\` in \`apps.web\`: did you mean \`port\`?` })
  })

  it.each(['todo', 'dockerfile'])('reads examples/%s, which uses nothing that is not applied yet', async (example) => {
    const project = await loadProject({ dir: fileURLToPath(new URL(`../../../../examples/${example}`, import.meta.url)) })
    expect(unappliedKeys({ project, environment: 'production' })).toEqual([])
    for (const { source } of project.apps) expect(detect(await readSourceFacts({ dir: source.type === 'directory' ? source.dir : '' }))).toMatchObject({ builder: 'dockerfile', port: 3000 })
  })
})
