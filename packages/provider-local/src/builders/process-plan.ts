import { commandWords, detectProgram, parsePackageJson, scriptOf, type Detection, type PackageJson, type SourceFacts } from '@pilot/core'
import { programsFolder } from '../process/programs.ts'

/** How a source becomes an artifact without Docker: pure over the listed files. What it is and how it starts is what detection found. */
export interface ProcessPlan {
  /** One line for people. */
  readonly reason: string
  readonly steps: readonly Step[]
  /** How it starts; found on the PATH of the app. Absent: a Procfile without `web:`, so nothing of it listens. */
  readonly start?: readonly string[]
  /** Of a Procfile: what runs beside it. */
  readonly processes?: Readonly<Record<string, readonly string[]>>
  /** Of a Procfile: what runs once before a release. */
  readonly release?: readonly string[]
}

export interface Step {
  readonly command: readonly string[]
  /** What to do when the program is not on this machine. */
  readonly needs: string
}

/** Undefined when the source is no program, or asks for another builder. */
export function planProcess(facts: SourceFacts): ProcessPlan | undefined {
  const found = facts.build === undefined ? detectProgram(facts) : undefined
  if (!found) return undefined
  const { reason, processes, release } = found
  const start = found.start ?? (found.builder === 'go' && processes === undefined ? `./${goProgram(found, facts)}` : undefined)
  return {
    reason,
    steps: stepsOf(found, facts),
    ...(start === undefined ? {} : { start: commandWords(start) }),
    ...(processes === undefined ? {} : { processes: Object.fromEntries(Object.entries(processes).map(([name, command]) => [name, commandWords(command)])) }),
    ...(release === undefined ? {} : { release: commandWords(release) }),
  }
}

function stepsOf(found: Detection, facts: SourceFacts): readonly Step[] {
  if (found.builder === 'node') return nodeSteps(found, facts)
  if (found.builder === 'python') return pythonSteps(facts)
  return found.builder === 'go' ? goSteps(found, facts) : []
}

export function nodeSteps(found: Pick<Detection, 'packageManager' | 'lockfile'>, facts: SourceFacts): readonly Step[] {
  const json = parsePackageJson(facts.text('package.json')) ?? {}
  const { install, installProduction, build, prune, needs } = nodeManager(found, json, facts)
  const isEmpty = Object.keys({ ...json.dependencies, ...json.devDependencies }).length === 0
  const hasBuild = scriptOf(json, 'build') !== undefined
  const commands = [...(isEmpty ? [] : [hasBuild ? install : installProduction]), ...(hasBuild ? [build, ...(isEmpty || !prune ? [] : [prune])] : [])]
  return commands.map((command) => ({ command, needs }))
}

/** Installs everything that a build needs; undefined where there is nothing to install. */
export function installStep(manager: Pick<Detection, 'packageManager' | 'lockfile'>, facts: SourceFacts): Step | undefined {
  const json = parsePackageJson(facts.text('package.json')) ?? {}
  if (Object.keys({ ...json.dependencies, ...json.devDependencies }).length === 0) return undefined
  const { install, needs } = nodeManager(manager, json, facts)
  return { command: install, needs }
}

/** `pnpm run site` for a machine that may lack pnpm. */
export function withManager(words: readonly string[], manager: Pick<Detection, 'packageManager' | 'lockfile'>, facts: SourceFacts): readonly string[] {
  if (words[0] !== manager.packageManager) return words
  const { build } = nodeManager(manager, parsePackageJson(facts.text('package.json')) ?? {}, facts)
  return [...build.slice(0, -2), ...words.slice(1)]
}

interface NodeManager {
  readonly install: readonly string[]
  /** Without what only a build needs. */
  readonly installProduction: readonly string[]
  readonly build: readonly string[]
  readonly prune?: readonly string[]
  readonly needs: string
}

/** bun is not installed for this: npm installs the same packages, in the newest versions that package.json allows. */
function nodeManager({ packageManager, lockfile }: Pick<Detection, 'packageManager' | 'lockfile'>, json: PackageJson, { files }: SourceFacts): NodeManager {
  const version = typeof json.packageManager === 'string' ? json.packageManager : ''
  const needs = 'npm, which brings npx'
  if (packageManager === 'pnpm') {
    const run = (...args: string[]): string[] => ['npx', '--yes', version.split('+')[0] || 'pnpm@10', ...args]
    const frozen = lockfile ? ['--frozen-lockfile'] : []
    // Not as links into its store: the files of an artifact change owner and mode.
    const copy = '--package-import-method=copy'
    return { install: run('install', ...frozen, copy), installProduction: run('install', ...frozen, '--prod', copy), build: run('run', 'build'), prune: run('prune', '--prod'), needs }
  }
  if (packageManager === 'yarn') {
    const isClassic = !files.includes('.yarnrc.yml') && !/^yarn@[2-9]/.test(version)
    const run = (...args: string[]): string[] => ['npx', '--yes', isClassic ? 'yarn@1.22.22' : '@yarnpkg/cli-dist@4', ...args]
    const frozen = lockfile ? [isClassic ? '--frozen-lockfile' : '--immutable'] : []
    return isClassic
      ? { install: run('install', ...frozen, '--production=false'), installProduction: run('install', ...frozen, '--production'), build: run('run', 'build'), prune: run('install', ...frozen, '--production', '--ignore-scripts', '--prefer-offline'), needs }
      : { install: run('install', ...frozen), installProduction: run('install', ...frozen), build: run('run', 'build'), needs }
  }
  const quiet = ['--no-audit', '--no-fund']
  const verb = packageManager === 'npm' && lockfile ? 'ci' : 'install'
  return { install: ['npm', verb, '--include=dev', ...quiet], installProduction: ['npm', verb, '--omit=dev', ...quiet], build: ['npm', 'run', 'build'], prune: ['npm', 'prune', '--omit=dev', ...quiet], needs: 'npm' }
}

export function pythonSteps({ files }: SourceFacts): readonly Step[] {
  const needs = 'Python 3 with venv (Debian: `apt install python3-venv`)'
  const requirements = files.includes('requirements.txt') ? ['-r', 'requirements.txt'] : files.includes('pyproject.toml') ? ['.'] : undefined
  return [
    { command: ['python3', '-m', 'venv', '.venv'], needs },
    ...(requirements ? [{ command: ['.venv/bin/python', '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', ...requirements], needs }] : []),
  ]
}

const goSteps = (found: Detection, facts: SourceFacts): readonly Step[] => [
  { command: ['go', 'build', '-trimpath', '-o', goProgram(found, facts), found.goPackage ?? '.'], needs: 'Go (https://go.dev/dl)' },
]

/** Named after the module or the command, as `go install` does it: a Procfile calls it by that name. `module example.com/shop/v2` → `shop`. */
function goProgram({ goPackage = '.' }: Detection, facts: SourceFacts): string {
  const named = goPackage === '.' ? (/^module\s+"?([^\s"]+)/m.exec(facts.text('go.mod') ?? '')?.[1] ?? '') : goPackage
  return `${programsFolder}/${named.replace(/\/v\d+$/, '').split('/').at(-1) || 'app'}`
}
