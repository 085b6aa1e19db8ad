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
