import { readFile, stat } from 'node:fs/promises'
import { join, posix, relative, sep } from 'node:path'
import dockerignoreModule from '@balena/dockerignore'
import ignore, { type Ignore } from 'ignore'
import { repositoryRoot, trackedThoughIgnored } from './git.ts'

// Its types speak of a default export; at run time the module itself is the function.
const dockerignore = dockerignoreModule as unknown as typeof dockerignoreModule.default

/**
 * Which files of a folder belong to its source:
 *
 * - never `.git`, `.env*` and `.pilot`, at any depth;
 * - not what `.gitignore` files leave out (of the folder, below it, and above it up to the repository's root), unless Git tracks it;
 * - not what `.dockerignore` leaves out, by Docker's own rules;
 * - `.pilotignore` has the last word: it is written like a `.gitignore`, and `!name` brings back what Git ignores.
 *
 * A folder without any of these files leaves out what nobody deploys ({@link usuallyIgnored}).
 */
export interface IgnoreRules {
  /** Called for a folder before the entries in it are judged. */
  enter(folder: string): Promise<void>
  /** `prune`: nothing below it can be wanted. `look`: not itself, but perhaps something below. */
  judge(entry: { readonly path: string; readonly directory: boolean; readonly broughtBack: boolean }): Verdict
}

export interface Verdict {
  readonly verdict: 'take' | 'look' | 'prune'
  /** `.pilotignore` brought it back, and with it what is below. */
  readonly broughtBack: boolean
  /** Left out although somebody may expect it: `.env*` always, the usual folders where nothing said so. */
  readonly tell?: 'secret' | 'usual'
}

const usuallyIgnored: readonly string[] = ['node_modules', '.venv', 'venv', '__pycache__', '.DS_Store']

/** Docker sends its Dockerfile even if .dockerignore leaves it out; which one is used may be known only later. */
const dockerfileRule = /^(?:Dockerfile|Containerfile)(?:\.[^/]*)?$|\.Dockerfile$/i
const exampleRule = /\.(?:example|sample|template|dist|test)$/

export interface IgnoreOptions {
  readonly dir: string
  /** `build:` of the manifest. A Dockerfile that it names is always sent, and `NAME.dockerignore` beside it counts before `.dockerignore`. */
  readonly build?: string | undefined
}

export async function ignoreRules({ dir, build }: IgnoreOptions): Promise<IgnoreRules> {
  const dockerfile = build === undefined || build === 'buildpack' ? 'Dockerfile' : build
  const root = await repositoryRoot(dir)
  const git = new Map<string, Ignore>()
  for (const folder of root === undefined ? [] : foldersBetween(root, dir)) await addGitignore(git, folder)
  const exclude = root === undefined ? undefined : await text(join(root, '.git', 'info', 'exclude'))
  const ownDocker = (await text(join(dir, `${dockerfile}.dockerignore`))) ?? (await text(join(dir, '.dockerignore')))
  const ownPilot = await text(join(dir, '.pilotignore'))
  const tracked = git.size === 0 && !(await text(join(dir, '.gitignore'))) ? new Set<string>() : await trackedThoughIgnored(dir)
  const trackedFolders = new Set([...tracked].flatMap(parents))
  const usual = ownDocker === undefined && ownPilot === undefined && git.size === 0 && (await text(join(dir, '.gitignore'))) === undefined

  const repository = exclude === undefined ? undefined : ignore().add(exclude)
  const pilot = ignore().add(ownPilot ?? '')
  const docker = ownDocker === undefined ? undefined : dockerignore().add(dockerPatterns(ownDocker))
  const dockerReincludes = ownDocker !== undefined && /^\s*!/m.test(ownDocker)
  const always = new Set([dockerfile, '.dockerignore', `${dockerfile}.dockerignore`].map((path) => posix.normalize(path)))
  const alwaysFolders = new Set([...always].flatMap(parents))
  const alwaysIgnore = ignore().add([...usuallyIgnored])

  const ignoredByGit = (path: string, directory: boolean): boolean => {
    if (tracked.has(path)) return false
    let ignored = repository?.ignores(relativeTo(root as string, dir, path, directory)) ?? false
    // From the repository's root downwards: the nearest file that says something decides.
    for (const [folder, rules] of git) {
      const inner = relative(folder, join(dir, path))
      if (inner === '' || inner === '..' || inner.startsWith(`..${sep}`)) continue
      const result = rules.test(slashed(inner, directory))
      if (result.ignored) ignored = true
      else if (result.unignored) ignored = false
    }
    return ignored
  }

  return {
    async enter(folder) {
      const path = join(dir, folder)
      if (!git.has(path)) await addGitignore(git, path)
    },
    judge({ path, directory, broughtBack }) {
      const name = posix.basename(path)
      if (name === '.git' || (name === '.pilot' && directory)) return { verdict: 'prune', broughtBack: false }
      if (name.startsWith('.env')) return { verdict: 'prune', broughtBack: false, ...(exampleRule.test(name) ? {} : { tell: 'secret' as const }) }
      const full = slashed(path, directory)
      if (usual && alwaysIgnore.ignores(full)) return { verdict: 'prune', broughtBack: false, tell: 'usual' }

      const own = pilot.test(full)
      if (own.ignored) return { verdict: 'prune', broughtBack: false }
      const back = broughtBack || own.unignored
      if (!back && ignoredByGit(path, directory)) return { verdict: directory && trackedFolders.has(path) ? 'look' : 'prune', broughtBack: false }
      if (docker?.ignores(path) && !always.has(path) && !dockerfileRule.test(name)) return { verdict: directory && (dockerReincludes || alwaysFolders.has(path)) ? 'look' : 'prune', broughtBack: back }
      return { verdict: 'take', broughtBack: back }
    },
  }
}

async function addGitignore(rules: Map<string, Ignore>, folder: string): Promise<void> {
  const content = await text(join(folder, '.gitignore'))
  if (content !== undefined) rules.set(folder, ignore().add(content))
}

/** From `root` down to and including `dir`. */
function foldersBetween(root: string, dir: string): string[] {
  const parts = relative(root, dir).split(sep).filter(Boolean)
  return [root, ...parts.map((_, index) => join(root, ...parts.slice(0, index + 1)))]
}

/** The library takes ( ) and + for its own regular expressions; in a .dockerignore they are plain characters. */
function dockerPatterns(content: string): string {
  return content.replace(/^\uFEFF/, '').replaceAll(/(?<!\\)[()+]/g, '\\$&')
}

function parents(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

const slashed = (path: string, directory: boolean): string => (directory ? `${path}/` : path)
const relativeTo = (root: string, dir: string, path: string, directory: boolean): string => slashed(relative(root, join(dir, path)), directory)

/** Of a file only: a fifo of that name would be waited for. */
async function text(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined)
  return found?.isFile() ? readFile(file, 'utf8').catch(() => undefined) : undefined
}
