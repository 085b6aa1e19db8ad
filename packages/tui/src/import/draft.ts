import { isPilotError, type PilotError } from '@pilot/core/errors'
import { nameFrom, parseManifest, writeManifest, type Manifest } from '@pilot/core'
import { holdsSecret, looksSecret } from './looks-secret.ts'

/** What came of a file of another tool. */
export interface Imported {
  readonly manifest: Manifest
  /** Of pilot.yaml. */
  readonly text: string
  /** In the order of the lines. */
  readonly findings: readonly ImportFinding[]
  /** What needs a value before the first `up`. */
  readonly secrets: readonly { readonly app: string; readonly name: string }[]
}

export interface ImportFinding {
  /** In the file, from 1; absent where it is about the file as a whole. */
  readonly line?: number
  /** `left out`: not carried over. `otherwise`: carried over in another form, or done by Pilot itself. */
  readonly kind: 'left out' | 'otherwise'
  /** What it is about, as the file writes it: `services.db.ports`. */
  readonly what: string
  /** Why, and what to do instead; whole sentences with commands in backticks. */
  readonly instead: string
}

export interface ImportInput {
  readonly text: string
  /** As messages name it. */
  readonly file: string
  /** The project's name where the file says none. */
  readonly project: string
}

/** An app while it is being put together: keys of the manifest. */
export type DraftApp = Record<string, unknown> & { env?: Record<string, string>; secrets?: string[]; uses?: string[] }

export interface Draft {
  readonly apps: Map<string, DraftApp>
  leftOut(what: string, instead: string, line?: number): void
  otherwise(what: string, instead: string, line?: number): void
  /** A name that an app or a process can have; says so when it had to change. */
  name(written: string, line?: number): string
  app(name: string): DraftApp
  /** A variable: into `env`, or, when it looks like a secret, its name alone into `secrets`. */
  variable(app: string, variable: { name: string; value: string; what: string; line?: number | undefined }): void
  /** A name whose value is to be set with `secret set`. */
  secret(app: string, name: string): void
  finish(): Imported
}

export function createDraft(project: string): Draft {
  const apps = new Map<string, DraftApp>()
  const findings: ImportFinding[] = []
  const add = (kind: ImportFinding['kind'], what: string, instead: string, line: number | undefined): void => void findings.push({ ...(line === undefined ? {} : { line }), kind, what, instead })

  const draft: Draft = {
    apps,
    leftOut: (what, instead, line) => add('left out', what, instead, line),
    otherwise: (what, instead, line) => add('otherwise', what, instead, line),
    name(written, line) {
      const name = nameFrom(written)
      if (name !== written && !findings.some(({ what }) => what === written)) add('otherwise', written, `Is called ${name}: names consist of a-z, 0-9 and -.`, line)
      return name
    },
    app(name) {
      const app = apps.get(name) ?? {}
      apps.set(name, app)
      return app
    },
    variable(app, { name, value, what, line }) {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return add('left out', what, 'This cannot be the name of a variable.', line)
      if (name === 'PORT') return add('otherwise', what, 'Pilot gives PORT; where the app listens is `port:`.', line)
      const reason = looksSecret(name, value)
      if (reason !== undefined) {
        draft.secret(app, name)
        return add('left out', what, `The value looks like a secret (${reason}): its name stands in \`secrets:\`. Set it with \`secret set ${app} ${name}\`.`, line)
      }
      ;(draft.app(app).env ??= {})[name] = value
    },
    secret(app, name) {
      const { secrets = [] } = draft.app(app)
      if (!secrets.includes(name)) draft.app(app).secrets = [...secrets, name]
    },
    finish() {
      // The same name may stand in a part that the app shares with others, and in its own as a secret.
      for (const app of apps.values()) for (const name of app.secrets ?? []) delete app.env?.[name]
      for (const [name, app] of apps) withoutSecrets(name, app, draft)
      const ordered = [...apps].map(([name, app]) => [name, inOrder(app)] as const)
      const manifest = fitting({ project: nameFrom(project), apps: Object.fromEntries(ordered) } as Manifest, draft)
      const secrets = Object.entries(manifest.apps).flatMap(([app, { secrets = [] }]) => secrets.map((name) => ({ app, name })))
      return { manifest, text: writeManifest(manifest), findings: findings.toSorted((a, b) => (a.line ?? Infinity) - (b.line ?? Infinity)), secrets }
    },
  }
  return draft
}

/** Commands and addresses that hold a secret are left out as a whole. */
function withoutSecrets(name: string, app: DraftApp, draft: Draft): void {
  const check = (holder: Record<string, unknown>, key: string, what: string): void => {
    const value = holder[key]
    const text = Array.isArray(value) ? value.join(' ') : value
    if (typeof text !== 'string' || !holdsSecret(text)) return
    delete holder[key]
    draft.leftOut(what, 'It holds what looks like a secret: read that from a variable, name it in `secrets:`, and write this by hand.')
  }
  for (const key of ['command', 'release', 'image', 'source']) check(app, key, `${name}.${key}`)
  for (const key of ['processes', 'hooks', 'source']) {
    const map = app[key]
    if (typeof map === 'object' && map !== null) for (const part of Object.keys(map)) check(map as Record<string, unknown>, part, `${name}.${key}.${part}`)
  }
}

const order = ['source', 'image', 'build', 'static', 'command', 'port', 'health', 'memory', 'cpu', 'scale', 'release', 'processes', 'database', 'volumes', 'uses', 'env', 'secrets', 'domains', 'hooks']

const inOrder = (app: DraftApp): DraftApp =>
  Object.fromEntries(
    Object.entries(app)
      .filter(([, value]) => value !== undefined && !isEmpty(value))
      .toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b)),
  )

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0

/** The manifest as far as its own rules take it: what they refuse is left out, with what they say. */
function fitting(manifest: Manifest, draft: Draft): Manifest {
  const kept = structuredClone(manifest) as { apps: Record<string, Record<string, unknown>> }
  for (let attempt = 0; attempt < 100; attempt++) {
    const problem = problemOf(kept as unknown as Manifest)
    if (problem === undefined) return kept as unknown as Manifest
    const [apps, app, key, part] = problem.path
    if (apps !== 'apps' || app === undefined || key === undefined || kept.apps[app]?.[key] === undefined) throw problem.error
    const value = kept.apps[app][key]
    const inMap = part !== undefined && typeof value === 'object' && value !== null && part in value
    if (inMap && Array.isArray(value)) value.splice(Number(part), 1)
    else if (inMap) delete (value as Record<string, unknown>)[part]
    else delete kept.apps[app][key]
    if (isEmpty(kept.apps[app][key])) delete kept.apps[app][key]
    draft.leftOut(`${app}.${key}${part === undefined ? '' : `.${part}`}`, `${problem.message}.`)
  }
  throw problemOf(kept as unknown as Manifest)?.error ?? new Error('The manifest does not come to rest.')
}

function problemOf(manifest: Manifest): { readonly path: readonly string[]; readonly message: string; readonly error: PilotError } | undefined {
  try {
    parseManifest({ text: writeManifest(manifest), file: 'pilot.yaml' })
    return undefined
  } catch (error) {
    if (!isPilotError(error)) throw error
    const [first] = (error.details?.['problems'] ?? []) as { path: string; message: string }[]
    if (first === undefined) throw error
    return { path: first.path.split('.'), message: first.message, error }
  }
}
