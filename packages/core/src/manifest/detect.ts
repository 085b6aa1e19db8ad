import { posix } from 'node:path'
import type { SourceFacts } from '../provider/builder.ts'
import type { Target } from '../provider/app-identity.ts'
import { detectDatabase, type DatabaseEvidence } from './detect-database.ts'
import { exposedPort } from './dockerfile.ts'

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
  /** What starts it, as text for a shell; absent when the image says it. */
  readonly start?: string
  /** For node: what installs the dependencies. */
  readonly packageManager?: 'npm' | 'yarn' | 'pnpm' | 'bun'
  readonly static?: { readonly output?: string; readonly command?: string }
  readonly needsDatabase?: DatabaseEvidence
}

/**
 * How a source runs, from its files alone, in this order: Dockerfile, package.json, Python, Go, Procfile, static files.
 * Undefined when nothing fits. A `build:` of the manifest (`facts.build`) names the Dockerfile.
 */
export function detect(facts: SourceFacts, folder = ''): Detection | undefined {
  const source = folder === '' ? facts : below(facts, folder)
  const found = dockerfile(source) ?? node(source) ?? python(source) ?? go(source) ?? procfile(source) ?? staticFiles(source)
  if (!found) return undefined
  const database = detectDatabase(source)
  return { ...found, folder, ...(database ? { needsDatabase: database } : {}) }
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

export interface PackageJson {
  readonly main?: unknown
  readonly scripts?: Readonly<Record<string, unknown>>
  readonly packageManager?: unknown
  readonly dependencies?: Readonly<Record<string, unknown>>
  readonly devDependencies?: Readonly<Record<string, unknown>>
}

function node(facts: SourceFacts): Found | undefined {
  if (!facts.files.includes('package.json')) return undefined
  const json = parseJson(facts.text('package.json'))
  if (!json) return undefined
  const { manager, lockfile } = packageManager(facts, json)
  const reason = `package.json${lockfile ? ` with ${lockfile}` : ' (without a lockfile: versions may differ between builds)'}`
  const script = (name: string): boolean => typeof json.scripts?.[name] === 'string'
  const web = procfileCommand(facts)
  // With a build script and no start script it is a site more likely than a server.
  const entry = script('build') ? undefined : nodeEntry(facts, json)
  const start = web ?? (script('start') ? `${manager} start` : entry === undefined ? undefined : `node ${entry}`)
  if (start !== undefined) return { builder: 'node', target: 'process', reason, start, packageManager: manager }
  if (!script('build')) return undefined
  const output = json.devDependencies?.['react-scripts'] || json.dependencies?.['react-scripts'] ? 'build' : 'dist'
  return { builder: 'static', target: 'static', reason: `${reason} that builds a site`, packageManager: manager, static: { output, command: `${manager} run build` } }
}

function nodeEntry(facts: SourceFacts, { main }: PackageJson): string | undefined {
  if (typeof main === 'string' && facts.files.includes(posix.normalize(main))) return main
  const names = ['server.js', 'server.mjs', 'index.js', 'index.mjs', 'app.js', 'main.js']
  return [...names, ...names.map((name) => `src/${name}`)].find((file) => facts.files.includes(file))
}

const lockfiles = [['package-lock.json', 'npm'], ['npm-shrinkwrap.json', 'npm'], ['pnpm-lock.yaml', 'pnpm'], ['yarn.lock', 'yarn'], ['bun.lock', 'bun'], ['bun.lockb', 'bun']] as const

function packageManager(facts: SourceFacts, json: PackageJson): { manager: NonNullable<Detection['packageManager']>; lockfile?: string } {
  const found = lockfiles.find(([file]) => facts.files.includes(file))
  const named = typeof json.packageManager === 'string' ? /^(npm|yarn|pnpm|bun)@/.exec(json.packageManager)?.[1] : undefined
  return { manager: (named as NonNullable<Detection['packageManager']> | undefined) ?? found?.[1] ?? 'npm', ...(found ? { lockfile: found[0] } : {}) }
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

function pythonStart(facts: SourceFacts, entry: string | undefined): string | undefined {
  if (facts.files.includes('manage.py')) return 'python manage.py runserver 0.0.0.0:$PORT'
  if (!entry) return undefined
  const needs = `${facts.text('requirements.txt') ?? ''}\n${facts.text('pyproject.toml') ?? ''}\n${facts.text('Pipfile') ?? ''}`.toLowerCase()
  const code = facts.text(entry) ?? ''
  const module = entry.replace(/\.py$/, '')
  const variable = /^(app|application|server|api)\s*(?::[^=]+)?=\s*/m.exec(code)?.[1]
  if (variable && /\b(?:uvicorn|fastapi)\b/.test(needs)) return `python -m uvicorn ${module}:${variable} --host 0.0.0.0 --port $PORT`
  if (variable && /\bgunicorn\b/.test(needs)) return `python -m gunicorn --bind 0.0.0.0:$PORT ${module}:${variable}`
  if (/__name__\s*==\s*['"]__main__['"]/.test(code) || !/\bflask\b/.test(needs)) return `python ${entry}`
  return variable ? `python -m flask --app ${module}:${variable} run --host 0.0.0.0 --port $PORT` : `python ${entry}`
}

function go(facts: SourceFacts): Found | undefined {
  if (!facts.files.includes('go.mod')) return undefined
  return { builder: 'go', target: 'process', reason: 'go.mod found' }
}

function procfile(facts: SourceFacts): Found | undefined {
  const start = procfileCommand(facts)
  return start ? { builder: 'procfile', target: 'process', reason: 'Procfile found', start } : undefined
}

/** The `web:` line of a Procfile. */
function procfileCommand(facts: SourceFacts): string | undefined {
  return /^web:[ \t]*(\S.*?)\s*$/m.exec(facts.files.includes('Procfile') ? (facts.text('Procfile') ?? '') : '')?.[1]
}

function staticFiles(facts: SourceFacts): Found | undefined {
  const folder = ['', 'public/', 'dist/', 'site/', 'www/'].find((prefix) => facts.files.includes(`${prefix}index.html`))
  if (folder === undefined) return undefined
  return { builder: 'static', target: 'static', reason: `${folder}index.html found`, static: folder === '' ? {} : { output: folder.slice(0, -1) } }
}

function below(facts: SourceFacts, folder: string): SourceFacts {
  const prefix = `${folder}/`
  return { files: facts.files.filter((file) => file.startsWith(prefix)).map((file) => file.slice(prefix.length)), text: (path) => facts.text(prefix + path) }
}

export function parseJson(text: string | undefined): PackageJson | undefined {
  try {
    const value: unknown = JSON.parse((text ?? '').replace(/^\uFEFF/, ''))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}
