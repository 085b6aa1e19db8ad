import { detect, type SourceFacts } from '@pilot/core'

/** How a source becomes an artifact without Docker: pure over the listed files. */
export interface ProcessPlan {
  /** One line for people. */
  readonly reason: string
  readonly steps: readonly Step[]
  /** How it starts; found on the PATH of the app. */
  readonly start: readonly string[]
}

export interface Step {
  readonly command: readonly string[]
  /** What to do when the program is not on this machine. */
  readonly needs: string
}

interface PackageJson {
  readonly main?: string
  readonly packageManager?: string
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Where programs are built to; on the PATH of the app. */
export const programsFolder = '.pilot-bin'

/** The first that fits, in the order of interface: Node, Python, Go, Procfile. Undefined when none does. */
export function planProcess(facts: SourceFacts): ProcessPlan | undefined {
  if (facts.build !== undefined) return undefined
  const web = procfileCommand(facts.text('Procfile'))
  return planNode(facts, web) ?? planPython(facts, web) ?? planGo(facts, web) ?? (web ? { reason: 'there is a Procfile', steps: [], start: shell(web) } : undefined)
}

function planNode(facts: SourceFacts, web: string | undefined): ProcessPlan | undefined {
  const json = parse(facts.text('package.json'))
  if (!json) return undefined
  const start = web ?? startScript(json) ?? mainFile(facts, json) ?? detectedStart(facts, 'node')
  if (!start) return undefined
  const manager = nodeManager(facts, json)
  const hasBuild = json.scripts?.['build'] !== undefined
  const isEmpty = Object.keys({ ...json.dependencies, ...json.devDependencies }).length === 0
  const steps = [...(isEmpty ? [] : [hasBuild ? manager.install : manager.installProduction]), ...(hasBuild ? [manager.build, ...(isEmpty || !manager.prune ? [] : [manager.prune])] : [])]
  return { reason: `there is a package.json${manager.lockfile ? ` with ${manager.lockfile}` : ''}`, steps: steps.map((command) => ({ command, needs: manager.needs })), start: shell(start) }
}

/** As `npm start` runs it: with what must come before. */
function startScript({ scripts }: PackageJson): string | undefined {
  const start = scripts?.['start']
  return start && scripts['prestart'] ? `${scripts['prestart']} && ${start}` : start
}

function mainFile({ files }: SourceFacts, { main }: PackageJson): string | undefined {
  const file = [main, 'server.js', 'index.js', 'app.js', 'server.mjs', 'index.mjs', 'server.ts'].find((file) => file && files.includes(file.replace(/^\.\//, '')))
  return file && `node ${JSON.stringify(file)}`
}

interface NodeManager {
  readonly lockfile?: string
  readonly install: readonly string[]
  /** Without what only a build needs. */
  readonly installProduction: readonly string[]
  readonly build: readonly string[]
  readonly prune?: readonly string[]
  readonly needs: string
}

function nodeManager({ files }: SourceFacts, { packageManager = '' }: PackageJson): NodeManager {
  const quiet = ['--no-audit', '--no-fund']
  if (files.includes('pnpm-lock.yaml')) {
    const pnpm = packageManager.startsWith('pnpm@') ? packageManager.split('+')[0]! : 'pnpm@10'
    const run = (...args: string[]): string[] => ['npx', '--yes', pnpm, ...args]
    // Not as links into its store: the files of an artifact change owner and mode.
    const copy = '--package-import-method=copy'
    return { lockfile: 'pnpm-lock.yaml', install: run('install', '--frozen-lockfile', copy), installProduction: run('install', '--frozen-lockfile', '--prod', copy), build: run('run', 'build'), prune: run('prune', '--prod'), needs: 'npm, which brings npx' }
  }
  if (files.includes('yarn.lock')) {
    const isClassic = !files.includes('.yarnrc.yml') && !/^yarn@[2-9]/.test(packageManager)
    const run = (...args: string[]): string[] => ['npx', '--yes', isClassic ? 'yarn@1.22.22' : '@yarnpkg/cli-dist@4', ...args]
    return isClassic
      ? { lockfile: 'yarn.lock', install: run('install', '--frozen-lockfile', '--production=false'), installProduction: run('install', '--frozen-lockfile', '--production'), build: run('run', 'build'), prune: run('install', '--frozen-lockfile', '--production', '--ignore-scripts', '--prefer-offline'), needs: 'npm, which brings npx' }
      : { lockfile: 'yarn.lock', install: run('install', '--immutable'), installProduction: run('install', '--immutable'), build: run('run', 'build'), needs: 'npm, which brings npx' }
  }
  const lockfile = ['package-lock.json', 'npm-shrinkwrap.json'].find((file) => files.includes(file))
  const verb = lockfile ? 'ci' : 'install'
  return { ...(lockfile ? { lockfile } : {}), install: ['npm', verb, '--include=dev', ...quiet], installProduction: ['npm', verb, '--omit=dev', ...quiet], build: ['npm', 'run', 'build'], prune: ['npm', 'prune', '--omit=dev', ...quiet], needs: 'npm' }
}

function planPython(facts: SourceFacts, web: string | undefined): ProcessPlan | undefined {
  const { files } = facts
  const requirements = files.includes('requirements.txt') ? ['-r', 'requirements.txt'] : files.includes('pyproject.toml') ? ['.'] : undefined
  const main = ['main.py', 'app.py', 'server.py'].find((file) => files.includes(file))
  const start = web ?? detectedStart(facts, 'python') ?? (main ? `python ${main}` : undefined)
  if (!start || (!requirements && !main)) return undefined
  const needs = 'Python 3 with venv (Debian: `apt install python3-venv`)'
  return {
    reason: requirements ? `there is a ${requirements[1] ?? 'pyproject.toml'}` : `there is a ${main}`,
    steps: [
      { command: ['python3', '-m', 'venv', '.venv'], needs },
      ...(requirements ? [{ command: ['.venv/bin/python', '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', ...requirements], needs }] : []),
    ],
    start: shell(start),
  }
}

function planGo(facts: SourceFacts, web: string | undefined): ProcessPlan | undefined {
  const { files } = facts
  if (!files.includes('go.mod')) return undefined
  const commands: readonly string[] = [...new Set<string>(files.flatMap((file) => /^(cmd\/[^/]+)\/[^/]+\.go$/.exec(file)?.[1] ?? []))]
  const main = files.some((file) => /^[^/]+\.go$/.test(file) && !file.endsWith('_test.go')) ? '.' : commands.length === 1 ? `./${commands[0]}` : undefined
  if (!main) return undefined
  // Named after the module, as `go install` does it: a Procfile calls it by that name.
  const name = goName(main === '.' ? facts.text('go.mod') : main)
  return { reason: 'there is a go.mod', steps: [{ command: ['go', 'build', '-trimpath', '-o', `${programsFolder}/${name}`, main], needs: 'Go (https://go.dev/dl)' }], start: web ? shell(web) : [`./${programsFolder}/${name}`] }
}

/** `module example.com/shop/v2` → `shop`. */
function goName(text: string | undefined): string {
  const module = /^module\s+"?([^\s"]+)/m.exec(text ?? '')?.[1] ?? text ?? ''
  return module.replace(/\/v\d+$/, '').split('/').at(-1) || 'app'
}

/** What `init` would show, on the loopback address: a process shares the machine's network, and the edge is on it. */
function detectedStart(facts: SourceFacts, builder: 'node' | 'python'): string | undefined {
  const files = facts.files.filter((file) => file !== 'Dockerfile')
  const found = detect({ files, text: (path) => facts.text(path) })
  return found?.builder === builder ? found.start?.replaceAll('0.0.0.0', '127.0.0.1') : undefined
}

/** The command of the line `web:`. */
function procfileCommand(text: string | undefined): string | undefined {
  return /^web:\s*(.+?)\s*$/m.exec(text ?? '')?.[1]
}

/** Plain words start without a shell, which would stand between the app and its signals. */
function shell(command: string): readonly string[] {
  return /^[\w@%+=:,./ -]+$/.test(command) && !/^\s*\w+=/.test(command) ? command.trim().split(/\s+/) : ['sh', '-c', command]
}

function parse(text: string | undefined): PackageJson | undefined {
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null ? (value as PackageJson) : undefined
  } catch {
    return undefined
  }
}
