import { posix } from 'node:path'
import type { SourceFacts } from '../provider/builder.ts'
import type { Target } from '../provider/app-identity.ts'
import { detectDatabase, type DatabaseEvidence } from './detect-database.ts'
import { exposedPort } from './dockerfile.ts'
import { parseProcfile, type Procfile } from './procfile.ts'
import { parsePackageJson, scriptOf, type PackageJson } from './package-json.ts'

export interface Detection {
  readonly builder: 'dockerfile' | 'node' | 'python' | 'go' | 'procfile' | 'static'
  readonly target: Target
  /** One line for people: what was found. */
  readonly reason: string
  /** The folder in the source that it was found in; empty: the source itself. */
  readonly folder: string
  /** Relative to `folder`. */
  readonly dockerfile?: string
  /** The only EXPOSE of the Dockerfile. */
  readonly port?: number
  /** What starts it, as text for a shell (`commandWords` makes words of it); absent when the image or the built program says it. */
  readonly start?: string
  /** Of a Procfile: what runs beside the app, as text for a shell. With these and without `start` there is nothing that listens. */
  readonly processes?: Readonly<Record<string, string>>
  /** Of a Procfile: what runs once before each release. */
  readonly release?: string
  /** For node: what installs the dependencies. */
  readonly packageManager?: 'npm' | 'yarn' | 'pnpm' | 'bun'
  /** For node: that manager's own. */
  readonly lockfile?: string
  /** For go: the package that is built, such as `.` or `./cmd/api`. */
  readonly goPackage?: string
  readonly static?: { readonly output?: string; readonly command?: string }
  readonly needsDatabase?: DatabaseEvidence
}

/**
 * How a source runs, from its files alone, in this order: Dockerfile, package.json, Python, Go, Procfile, a site. Undefined when
 * nothing fits. A `build:` of the manifest (`facts.build`) names the Dockerfile.
 */
export function detect(facts: SourceFacts, folder = ''): Detection | undefined {
  const source = folder === '' ? facts : below(facts, folder)
  const found = dockerfile(source) ?? program(source) ?? builtSite(source) ?? python(source) ?? staticFiles(source)
  if (!found) return undefined
  const database = detectDatabase(source)
  return { ...found, folder, ...(database ? { needsDatabase: database } : {}) }
}

/** How a source runs without an image, whether it has a Dockerfile or not: what `detect` shows is what then runs. */
export function detectProgram(facts: SourceFacts): Detection | undefined {
  const found = program(facts)
  return found && { ...found, folder: '' }
}

/** What installs the packages of a source; undefined without a package.json. */
export function packageManagerOf(facts: SourceFacts): Pick<Detection, 'packageManager' | 'lockfile'> | undefined {
  const json = packageJson(facts)
  if (!json) return undefined
  const { manager, lockfile } = packages(facts, json)
  return { packageManager: manager, ...(lockfile ? { lockfile } : {}) }
}

/** A site: one that package.json builds, else the files as they are. */
export function detectSite(facts: SourceFacts): Detection | undefined {
  const found = builtSite(facts) ?? staticFiles(facts)
  return found && { ...found, folder: '' }
}

/**
 * The folders of a source that look like apps of their own, each with its detection: for a source that is none itself, such as
 * a repository with `services/auth` and `web`. At most two levels deep.
 */
export function detectApps(facts: SourceFacts): Detection[] {
  const folders = new Set<string>()
  for (const file of facts.files) {
    const parts = file.split('/').slice(0, -1)
    for (let depth = 1; depth <= Math.min(2, parts.length); depth++) folders.add(parts.slice(0, depth).join('/'))
  }
  const found = [...folders]
    .filter((folder) => !notApps.test(folder))
    .sort()
    .map((folder) => detect(facts, folder))
    .filter((detection): detection is Detection => detection !== undefined && (detection.builder !== 'static' || detection.static?.command !== undefined))
  // What stands inside another app's folder is part of that one.
  return found.filter(({ folder }) => !found.some((other) => other.folder !== folder && folder.startsWith(`${other.folder}/`)))
}

const notApps = /(?:^|\/)(?:test|tests|__tests__|docs?|examples?|scripts|node_modules|vendor|dist|build|e2e|fixtures|\.[^/]*)(?:\/|$)/

type Found = Omit<Detection, 'folder'>

function dockerfile(facts: SourceFacts): Found | undefined {
  if (facts.build === 'buildpack') return undefined
  const path = facts.build ?? 'Dockerfile'
  if (!facts.files.includes(posix.normalize(path))) return undefined
  const port = exposedPort(facts.text(posix.normalize(path)) ?? '')
  return { builder: 'dockerfile', target: 'container', reason: `${path} found`, dockerfile: path, ...(port === undefined ? {} : { port }) }
}

/** What runs comes before what is only built: a server in Python may have a package.json for its style sheets. */
function program(facts: SourceFacts): Found | undefined {
  const declared = procfileOf(facts)
  const found = node(facts) ?? pythonProgram(facts) ?? go(facts) ?? procfile(facts)
  if (!found || !declared) return found
  const { web: _, ...processes } = declared.processes
  const { start, ...rest } = found
  // A Procfile with processes and without `web:` says that nothing of the app listens.
  const starts = start !== undefined && !withoutWeb(declared)
  return { ...rest, ...(starts ? { start } : {}), ...(Object.keys(processes).length > 0 ? { processes } : {}), ...(declared.release === undefined ? {} : { release: declared.release }) }
}

function node(facts: SourceFacts): Found | undefined {
  const json = packageJson(facts)
  if (!json) return undefined
  const { manager, lockfile, reason } = packages(facts, json)
  const entry = nodeEntry(facts, json)
  const start = procfileCommand(facts) ?? startScript(json) ?? (entry === undefined ? undefined : `node ${quoted(entry)}`)
  if (start === undefined && !withoutWeb(procfileOf(facts))) return undefined
  return { builder: 'node', target: 'process', reason, ...(start === undefined ? {} : { start }), packageManager: manager, ...(lockfile ? { lockfile } : {}) }
}

/** A package.json that builds and starts nothing. */
function builtSite(facts: SourceFacts): Found | undefined {
  const json = packageJson(facts)
  if (!json || !scriptOf(json, 'build')) return undefined
  const { manager, lockfile, reason } = packages(facts, json)
  const output = json.devDependencies?.['react-scripts'] || json.dependencies?.['react-scripts'] ? 'build' : 'dist'
  return { builder: 'static', target: 'static', reason: `${reason} that builds a site`, packageManager: manager, ...(lockfile ? { lockfile } : {}), static: { output, command: `${manager} run build` } }
}

const packageJson = (facts: SourceFacts): PackageJson | undefined => (facts.files.includes('package.json') ? parsePackageJson(facts.text('package.json')) : undefined)

/** What `npm start` runs, with what must come before; npm itself would stand between the app and its signals. */
function startScript(json: PackageJson): string | undefined {
  const start = scriptOf(json, 'start')
  const before = scriptOf(json, 'prestart')
  return start && before ? `${before} && ${start}` : start
}

function nodeEntry(facts: SourceFacts, json: PackageJson): string | undefined {
  if (typeof json.main === 'string' && facts.files.includes(posix.normalize(json.main))) return json.main
  const servers = ['server.js', 'server.mjs', 'server.ts']
  const names = [...servers, 'index.js', 'index.mjs', 'app.js', 'main.js']
  // With a build script and no start script it is a site more likely than a server.
  const usual = scriptOf(json, 'build') ? servers : [...names, ...names.map((name) => `src/${name}`)]
  return usual.find((file) => facts.files.includes(file))
}

const quoted = (word: string): string => (/^[\w@%+,./:-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)

const lockfiles = [['package-lock.json', 'npm'], ['npm-shrinkwrap.json', 'npm'], ['pnpm-lock.yaml', 'pnpm'], ['yarn.lock', 'yarn'], ['bun.lock', 'bun'], ['bun.lockb', 'bun']] as const

function packages(facts: SourceFacts, json: PackageJson): { manager: NonNullable<Detection['packageManager']>; lockfile?: string; reason: string } {
  const named = typeof json.packageManager === 'string' ? /^(npm|yarn|pnpm|bun)@/.exec(json.packageManager)?.[1] : undefined
  const present = lockfiles.filter(([file]) => facts.files.includes(file))
  const manager = (named as Detection['packageManager']) ?? present[0]?.[1] ?? 'npm'
  const lockfile = present.find(([, of]) => of === manager)?.[0]
  return { manager, ...(lockfile ? { lockfile } : {}), reason: `package.json${lockfile ? ` with ${lockfile}` : ' (without a lockfile: versions may differ between builds)'}` }
}

function pythonProgram(facts: SourceFacts): Found | undefined {
  const found = python(facts)
  return found?.start === undefined && !withoutWeb(procfileOf(facts)) ? undefined : found
}

function python(facts: SourceFacts): Found | undefined {
  const marker = ['requirements.txt', 'pyproject.toml', 'Pipfile', 'setup.py', 'manage.py'].find((file) => facts.files.includes(file))
  const entry = ['app.py', 'main.py', 'server.py', 'wsgi.py'].find((file) => facts.files.includes(file))
  if (!marker && !entry) return undefined
  const web = procfileCommand(facts)
  const start = web ?? pythonStart(facts, entry)
  if (!start && !marker) return undefined
  // A pyproject.toml alone often only configures tools.
  if (!start && marker !== 'requirements.txt' && marker !== 'Pipfile') return undefined
  return { builder: 'python', target: 'process', reason: marker ? `Python: ${marker} found` : `Python: ${entry} found`, ...(start ? { start } : {}) }
}

/** A process of this machine gets HOST, and listens where only the edge beside it asks; in a container all addresses are its own. */
const host = '${HOST:-0.0.0.0}'

function pythonStart(facts: SourceFacts, entry: string | undefined): string | undefined {
  if (facts.files.includes('manage.py')) return `python manage.py runserver ${host}:$PORT`
  if (!entry) return undefined
  const needs = `${facts.text('requirements.txt') ?? ''}\n${facts.text('pyproject.toml') ?? ''}\n${facts.text('Pipfile') ?? ''}`.toLowerCase()
  const code = facts.text(entry) ?? ''
  const module = entry.replace(/\.py$/, '')
  const variable = /^(app|application|server|api)\s*(?::[^=]+)?=\s*/m.exec(code)?.[1]
  if (variable && /\b(?:uvicorn|fastapi)\b/.test(needs)) return `python -m uvicorn ${module}:${variable} --host ${host} --port $PORT`
  if (variable && /\bgunicorn\b/.test(needs)) return `python -m gunicorn --bind ${host}:$PORT ${module}:${variable}`
  if (/__name__\s*==\s*['"]__main__['"]/.test(code) || !/\bflask\b/.test(needs)) return `python ${entry}`
  return variable ? `python -m flask --app ${module}:${variable} run --host ${host} --port $PORT` : `python ${entry}`
}

function go(facts: SourceFacts): Found | undefined {
  const { files } = facts
  if (!files.includes('go.mod')) return undefined
  const commands = [...new Set(files.flatMap((file) => /^(cmd\/[^/]+)\/[^/]+\.go$/.exec(file)?.[1] ?? []))]
  const goPackage = files.some((file) => /^[^/]+\.go$/.test(file) && !file.endsWith('_test.go')) ? '.' : commands.length === 1 ? `./${commands[0]}` : undefined
  if (goPackage === undefined) return undefined
  const start = procfileCommand(facts)
  return { builder: 'go', target: 'process', reason: 'go.mod found', goPackage, ...(start ? { start } : {}) }
}

function procfile(facts: SourceFacts): Found | undefined {
  const start = procfileCommand(facts)
  return start !== undefined || withoutWeb(procfileOf(facts)) ? { builder: 'procfile', target: 'process', reason: 'Procfile found', ...(start === undefined ? {} : { start }) } : undefined
}

const procfileOf = (facts: SourceFacts): Procfile | undefined => (facts.files.includes('Procfile') ? parseProcfile(facts.text('Procfile') ?? '') : undefined)

/** The `web:` line of a Procfile. */
const procfileCommand = (facts: SourceFacts): string | undefined => procfileOf(facts)?.processes['web']

const withoutWeb = (procfile: Procfile | undefined): boolean => procfile !== undefined && Object.keys(procfile.processes).length > 0 && procfile.processes['web'] === undefined

function staticFiles(facts: SourceFacts): Found | undefined {
  const folder = ['', 'public/', 'dist/', 'site/', 'www/'].find((prefix) => facts.files.includes(`${prefix}index.html`))
  if (folder === undefined) return undefined
  return { builder: 'static', target: 'static', reason: `${folder}index.html found`, static: folder === '' ? {} : { output: folder.slice(0, -1) } }
}

function below(facts: SourceFacts, folder: string): SourceFacts {
  const prefix = `${folder}/`
  return { files: facts.files.filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length)), text: (path) => facts.text(prefix + path) }
}
