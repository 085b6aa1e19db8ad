import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/** Files by path: their text, or where a link points. */
export type Files = Readonly<Record<string, string | Buffer | { readonly link: string }>>

/** A temporary folder with these files, for tests; removed with `await using`. */
export async function folderWith(files: Files = {}): Promise<AsyncDisposable & { readonly dir: string; write(more: Files): Promise<void> }> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'pilot-folder-')))
  const write = async (more: Files): Promise<void> => {
    for (const [path, content] of Object.entries(more)) {
      await mkdir(dirname(join(dir, path)), { recursive: true })
      if (typeof content === 'object' && 'link' in content) await symlink(content.link, join(dir, path))
      else await writeFile(join(dir, path), content)
    }
  }
  await write(files)
  return { dir, write, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

/** Git in a folder, without the configuration of the machine. */
export async function gitIn(dir: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@acme.dev', GIT_COMMITTER_NAME: 'Ada', GIT_COMMITTER_EMAIL: 'ada@acme.dev' }
  const { stdout } = await promisify(execFile)('git', ['-C', dir, ...args], { env })
  return stdout
}
