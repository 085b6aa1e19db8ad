import { execFile } from 'node:child_process'
import { realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { SourceRecord } from '../lifecycle/records.ts'

const run = promisify(execFile)

/** The folder with `.git` that is nearest upwards. */
export async function repositoryRoot(dir: string): Promise<string | undefined> {
  for (let folder = dir; ; folder = dirname(folder)) {
    if (await stat(join(folder, '.git')).catch(() => undefined)) return folder
    if (dirname(folder) === folder) return undefined
  }
}

/** What Git knows about the source in a folder. Without Git, a repository or a commit: nothing, and no error. */
export async function gitFacts(dir: string): Promise<Omit<SourceRecord, 'digest'>> {
  if ((await repositoryRoot(await realpath(dir).catch(() => resolve(dir)))) === undefined) return {}
  const [log, status] = await Promise.all([git(dir, ['log', '-1', '--no-show-signature', '--format=%H%x00%s%x00%an']), git(dir, ['status', '--porcelain', '--untracked-files=normal', '--', '.'])])
  const [commit, message, author] = log?.trimEnd().split('\0') ?? []
  if (!commit || !/^[0-9a-f]{40,64}$/.test(commit)) return {}
  return {
    commit,
    ...(message ? { message: message.slice(0, 200) } : {}),
    ...(author ? { author: author.slice(0, 100) } : {}),
    ...(status === undefined ? {} : { dirty: status !== '' }),
  }
}

/** Files that Git tracks although a .gitignore names them: they belong to the source. Relative to `dir`. */
export async function trackedThoughIgnored(dir: string): Promise<Set<string>> {
  const list = await git(dir, ['ls-files', '-z', '--cached', '--ignored', '--exclude-standard'])
  return new Set(list?.split('\0').filter(Boolean))
}

/** What a repository could have Git run while it only looks: the source may be someone else's. */
const withoutPrograms = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null']

/** Undefined when it fails for whatever reason: not installed, no repository, someone else's repository, too slow. */
async function git(dir: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run('git', [...withoutPrograms, '-C', dir, ...args], { timeout: 10_000, maxBuffer: 64 * 1024 ** 2, env: { ...process.env, GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' } })
    return stdout
  } catch {
    return undefined
  }
}
