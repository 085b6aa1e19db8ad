import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith } from '../testing/folder.ts'
import { loadProject, projectOf } from './load-project.ts'
import { nameFrom, propose, proposeManifest, writeProposal } from './propose-manifest.ts'
import { writeManifest } from './write-manifest.ts'

const facts = (files: Readonly<Record<string, string>>) => ({ files: Object.keys(files).sort(), text: (path: string) => files[path] })

describe('the proposed manifest', () => {
  it('has six lines at most for one app', () => {
    const { text, notes } = propose({ facts: facts({ Dockerfile: 'FROM node', 'package.json': '{"dependencies":{"pg":"8"}}' }), project: 'shop' })
    expect(text).toBe(['# yaml-language-server: $schema=.pilot/schema.json', 'project: shop', 'apps:', '  web:', '    source: .', '    database: postgres', ''].join('\n'))
    expect(notes).toEqual(['web gets a PostgreSQL database: pg in package.json.'])
  })

  it.each<[boolean | undefined, string, boolean]>([
    [true, '', true],
    [false, 'DATABASE_URL', false],
    [undefined, '', false],
    [undefined, 'DATABASE_URL', true],
  ])('with db %s and %j in the code has a database: %s', (db, code, has) => {
    const { manifest } = propose({ facts: facts({ Dockerfile: '', 'server.js': code }), project: 'x', ...(db === undefined ? {} : { db }) })
    expect(manifest.apps.web?.database !== undefined).toBe(has)
  })

  it('of several folders has an app each', () => {
    const { text, found } = propose({ facts: facts({ 'services/api/Dockerfile': '', 'services/api/main.js': 'DATABASE_URL', 'admin/api/Dockerfile': '', 'web/package.json': '{"scripts":{"build":"vite build"}}', 'index.html': '' }), project: 'shop', db: true })
    expect(text).toBe(['# yaml-language-server: $schema=.pilot/schema.json', 'project: shop', 'apps:', '  api:', '    source: ./admin/api', '  services-api:', '    source: ./services/api', '    database: postgres', '  web:', '    source: ./web', '    static: { output: dist, command: npm run build }', ''].join('\n'))
    expect(found.map(({ app }) => app)).toEqual(['api', 'services-api', 'web'])
    expect(projectOf({ text, file: '/x/pilot.yaml' }).apps).toHaveLength(3)
  })

  it('says what it looked for when it finds nothing', () => {
    expect(() => propose({ facts: facts({ 'a.txt': '' }), project: 'x' })).toThrow(expect.objectContaining({ code: 'NOTHING_DETECTED', reason: expect.stringMatching(/There is no Dockerfile.*; there is a\.txt\./) }))
    expect(() => propose({ facts: facts({ 'package.json': '{"scripts":{"dev":"x"}}' }), project: 'x' })).toThrow(expect.objectContaining({ reason: 'package.json has no start script (it has dev), and there is no server.js or index.js.' }))
    expect(() => propose({ facts: facts({}), project: 'x' })).toThrow(expect.objectContaining({ code: 'NOTHING_DETECTED', reason: 'The folder holds no files.' }))
  })

  it('is written once, with the schema for editors that Git ignores', async () => {
    await using folder = await folderWith({ Dockerfile: 'FROM scratch' })
    const proposal = await proposeManifest({ dir: folder.dir, name: 'shop' })
    expect(await readdir(folder.dir)).toEqual(['Dockerfile'])
    await writeProposal(proposal)
    expect((await loadProject(folder)).name).toBe('shop')
    expect(JSON.parse(await readFile(join(folder.dir, '.pilot/schema.json'), 'utf8'))).toMatchObject({ title: 'pilot.yaml' })
    expect(await readFile(join(folder.dir, '.pilot/.gitignore'), 'utf8')).toBe('*\n')
    await expect(writeProposal(proposal)).rejects.toMatchObject({ code: 'NAME_TAKEN' })
  })

  it('has the name of the folder, or the one that is asked for', async () => {
    await using folder = await folderWith({ 'My Shop/index.html': '' })
    expect((await proposeManifest({ dir: join(folder.dir, 'My Shop') })).manifest.project).toBe('my-shop')
    await expect(proposeManifest({ dir: join(folder.dir, 'My Shop'), name: 'My Shop' })).rejects.toMatchObject({ code: 'USAGE', suggestion: expect.stringContaining('--name my-shop') })
  })

  it.each([['Über_Café 2!', 'uber-cafe-2'], ['日本', 'app'], ['-x-', 'x'], ['a'.repeat(60), 'a'.repeat(40)], [`${'a'.repeat(39)} b`, 'a'.repeat(39)]])('makes of the folder %s the name %s', (folder, name) => expect(nameFrom(folder)).toBe(name))
})

describe('a written manifest', () => {
  it('reads back as what was written', () => {
    const manifest = {
      project: 'acme',
      environments: { preview: { platform: 'local' } },
      apps: { web: { source: './web', build: { dockerfile: 'Dockerfile', args: { A: '1.10', B: 'yes: no' } }, command: ['node', 'server.js'], scale: { min: 1, max: 3 }, uses: ['api'], env: { TEXT: 'a # b', MULTI: 'a\nb', NUMBER: '0123' }, environments: { preview: { memory: '1Gi' } } }, api: {} },
    }
    const text = writeManifest(manifest)
    expect(projectOf({ text, file: '/x/pilot.yaml' }).manifest).toEqual(manifest)
    expect(text).toContain('\n    scale: { min: 1, max: 3 }\n    uses: [ api ]\n')
    expect(text).toContain('\n  api: {}\n')
  })
})
