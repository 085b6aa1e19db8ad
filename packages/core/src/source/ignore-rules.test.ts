import { describe, expect, it } from 'vitest'
import { folderWith, gitIn, type Files } from '../testing/folder.ts'
import { listSource, type ListOptions } from './list-source.ts'

describe('what belongs to a source', () => {
  it.each<{ title: string; files: Files; goes: string[]; options?: Omit<ListOptions, 'dir'> }>([
    {
      title: 'never .git, .env files and .pilot, at any depth and whatever the ignore files say',
      files: { 'a.js': '', '.env': 'S=1', '.env.production': 'S=1', 'sub/.env.local': 'S=1', '.envrc': '', '.git/HEAD': '', 'sub/.git/HEAD': '', '.pilot/schema.json': '', '.gitignore': '!.env', '.dockerignore': '!.env', '.pilotignore': '!.env\n!sub/.env.local\n!.git' },
      goes: ['.dockerignore', '.gitignore', '.pilotignore', 'a.js'],
    },
    {
      title: 'not what .gitignore leaves out, nested files and negation included',
      files: { '.gitignore': 'dist/\n*.log\n!keep.log\n/only-root', 'dist/a.js': '', 'x.log': '', 'keep.log': '', 'only-root': '', 'sub/only-root': '', 'sub/.gitignore': '*.tmp\n!x.log', 'sub/a.tmp': '', 'sub/x.log': '', 'other/a.tmp': '' },
      goes: ['.gitignore', 'keep.log', 'other/a.tmp', 'sub/.gitignore', 'sub/only-root', 'sub/x.log'],
    },
    {
      title: 'not what .dockerignore leaves out, by the rules of Docker',
      files: { '.dockerignore': '# comment\n*.md\n!README*.md\n**/*.tmp\ndocs\n!docs/keep/this.txt\n/abs\n./dot\napp/(group)\n', 'a.md': '', 'README.md': '', 'sub/a.md': '', 'sub/a.tmp': '', 'docs/a.txt': '', 'docs/keep/this.txt': '', 'docs/keep/that.txt': '', 'abs/x': '', 'dot/x': '', 'app/(group)/page.js': '', 'app/page.js': '' },
      goes: ['.dockerignore', 'README.md', 'app/page.js', 'docs/keep/this.txt', 'sub/a.md'],
    },
    {
      title: 'the Dockerfile and .dockerignore even if .dockerignore leaves out everything else',
      files: { '.dockerignore': '*\n!src', Dockerfile: '', 'deploy/web.Dockerfile': '', 'src/a.js': '', 'b.js': '' },
      goes: ['.dockerignore', 'Dockerfile', 'deploy/web.Dockerfile', 'src/a.js'],
      options: { build: 'deploy/web.Dockerfile' },
    },
    {
      title: 'what NAME.dockerignore says rather than .dockerignore, for a Dockerfile of that name',
      files: { '.dockerignore': 'a.js', 'web.Dockerfile': '', 'web.Dockerfile.dockerignore': 'b.js', 'a.js': '', 'b.js': '' },
      goes: ['.dockerignore', 'a.js', 'web.Dockerfile', 'web.Dockerfile.dockerignore'],
      options: { build: 'web.Dockerfile' },
    },
    {
      title: 'what .pilotignore says last: it leaves out more, and brings back what Git ignores',
      files: { '.gitignore': 'dist\nsecret.txt', '.pilotignore': '!dist\ndist/*.map\nfixtures', 'dist/a.js': '', 'dist/a.map': '', 'dist/deep/b.js': '', 'fixtures/x': '', 'secret.txt': '' },
      goes: ['.gitignore', '.pilotignore', 'dist/a.js', 'dist/deep/b.js'],
    },
    {
      title: 'not node_modules and its like in a folder without any ignore file',
      files: { 'a.js': '', 'node_modules/x/index.js': '', 'sub/__pycache__/x.pyc': '', '.venv/bin/python': { link: '/usr/bin/python3' } },
      goes: ['a.js'],
    },
    { title: 'names with spaces, newlines, other scripts and a backslash', files: { '.gitignore': 'x y', 'x y': '', ' a ': '', 'ü/日本.txt': '', 'new\nline': '', 'back\\slash': '', '...': '' }, goes: [' a ', '...', '.gitignore', 'back\\slash', 'new\nline', 'ü/日本.txt'] },
  ])('is $title', async ({ files, goes, options }) => {
    await using folder = await folderWith(files)
    expect(await filesIn({ dir: folder.dir, ...options })).toEqual(goes)
  })

  it('follows the .gitignore files above the folder up to the root of the repository', async () => {
    await using folder = await folderWith({ '.gitignore': 'node_modules\n/apps/web/local', 'apps/.gitignore': '*.log', 'apps/web/a.js': '', 'apps/web/x.log': '', 'apps/web/local/x': '', 'apps/web/node_modules/y/i.js': '' })
    await gitIn(folder.dir, 'init', '-q')
    await folder.write({ '.git/info/exclude': 'mine\n', 'apps/web/mine': '' })
    expect(await filesIn({ dir: `${folder.dir}/apps/web` })).toEqual(['a.js'])
  })

  it('includes what Git tracks although a .gitignore names it', async () => {
    await using folder = await folderWith({ '.gitignore': 'dist', 'dist/tracked.js': '', 'dist/deep/tracked.js': '', 'dist/not.js': '', 'a.js': '' })
    await gitIn(folder.dir, 'init', '-q')
    await gitIn(folder.dir, 'add', '-f', 'dist/tracked.js', 'dist/deep/tracked.js', 'a.js')
    expect(await filesIn({ dir: folder.dir })).toEqual(['.gitignore', 'a.js', 'dist/deep/tracked.js', 'dist/tracked.js'])
  })

  it('agrees with Git in a folder with many rules', async () => {
    const rules = ['*.log', '!important.log', 'build/', '/root.txt', 'a/**/z', '**/deep/file', 'doc/*.txt', '\\#hash', 'trail ', 'br[ae]ck', '!build/keep', 'x?y']
    const names = ['a.log', 'important.log', 'sub/important.log', 'build/keep', 'sub/build/x', 'root.txt', 'sub/root.txt', 'a/z', 'a/b/z', 'a/b/c/z', 'b/z', 'deep/file', 'q/deep/file', 'doc/a.txt', 'doc/sub/a.txt', '#hash', 'trail', 'brack', 'breck', 'brick', 'xay', 'xy', 'buildx', 'build.txt']
    await using folder = await folderWith({ '.gitignore': rules.join('\n'), ...Object.fromEntries(names.map((name) => [name, ''])) })
    await gitIn(folder.dir, 'init', '-q')
    const git = (await gitIn(folder.dir, 'ls-files', '--others', '--exclude-standard', '-z')).split('\0').filter(Boolean).sort()
    expect(await filesIn({ dir: folder.dir })).toEqual(git)
  })

  it('tells which .env files and usual folders it left out', async () => {
    await using folder = await folderWith({ '.env': '', '.env.example': '', 'node_modules/a/b': '' })
    const { notices } = await listSource({ dir: folder.dir })
    expect(notices).toEqual([
      'Left out, since .env files never go: .env. Set values with `env set` or `secret set`.',
      'Left out as usual: node_modules. A .gitignore or .pilotignore says otherwise.',
    ])
  })
})

async function filesIn(options: ListOptions): Promise<string[]> {
  return (await listSource(options)).entries.filter(({ type }) => type !== 'directory').map(({ path }) => path)
}
