import { PilotError } from '../errors/pilot-error.ts'
import type { AppDefinition } from '../lifecycle/app-definition.ts'
import type { CronJob, RunSpec } from '../lifecycle/records.ts'
import { canaryDefaults } from '../lifecycle/canary-plan.ts'
import type { HealthCheck } from '../provider/compute-specs.ts'
import { commandWords } from './command-words.ts'
import type { Project } from './load-project.ts'
import { similar } from './schema-problems.ts'
import { nameRule, type Manifest, type ManifestApp } from './schema.ts'
import { parseDuration, parsePercent, parseSize } from './units.ts'
import type { Path } from './yaml-document.ts'

/** What holds where the manifest says nothing. */
export const defaults = {
  memory: '512Mi',
  cpu: 1,
  function: { timeoutMs: 30_000, atOnce: 10 },
  health: { path: '/', acceptBelow: 500, intervalMs: 1000, timeoutMs: 5000, graceMs: 60_000 } satisfies HealthCheck,
} as const

export interface ResolveOptions {
  readonly project: Project
  readonly environment: string
  /** Names of apps; default: all. */
  readonly only?: readonly string[]
  /** `--trust`: code from Git may run without isolation. */
  readonly trust?: boolean
}

/**
 * The apps of a project for one environment: overrides merged, defaults filled in. Throws NOT_FOUND for an app and USAGE for
 * an environment that the manifest does not have, each with what was probably meant.
 */
export function resolveApps({ project, environment, only, trust = false }: ResolveOptions): AppDefinition[] {
  checkEnvironment(project.manifest, environment)
  const names = project.apps.map(({ name }) => name)
  for (const name of only ?? []) if (!names.includes(name)) throw noSuchApp(project, name, names)
  return project.apps
    .filter(({ name }) => !only || only.includes(name))
    .map(({ name, source }) => defineFrom({ project, name, environment, trusted: trust || source.type !== 'git' }))
}

/** One app with its environment's keys merged over it, still as the manifest writes it. */
export function mergedApp({ manifest, name, environment }: { manifest: Manifest; name: string; environment: string }): Omit<ManifestApp, 'environments'> {
  const { environments, ...base } = manifest.apps[name] as ManifestApp
  const override = (environments && lookUp(environments, environment)) ?? {}
  // A domain can belong to one environment only: what stands at the app is production's.
  const { domains, ...rest } = base
  const merged: Record<string, unknown> = { ...rest, ...(domains && environment === 'production' ? { domains } : {}) }
  for (const [key, value] of Object.entries(override)) merged[key] = isMap(value) && isMap(merged[key]) && mergesByKey.has(key) ? { ...merged[key], ...value } : value
  return merged
}

/** The platform and protection that the manifest writes for an environment. */
export function environmentSettings({ manifest }: Pick<Project, 'manifest'>, environment: string): { readonly platform?: string | undefined; readonly protected?: boolean | undefined } {
  return (manifest.environments && lookUp(manifest.environments, environment)) ?? {}
}

const mergesByKey = new Set(['env', 'processes', 'cron', 'volumes', 'hooks', 'scale', 'static', 'function'])

function defineFrom({ project, name, environment, trusted }: { project: Project; name: string; environment: string; trusted: boolean }): AppDefinition {
  const app = mergedApp({ manifest: project.manifest, name, environment })
  return {
    app: { project: project.name, app: name, environment },
    ...targetOf(app),
    ...(app.image === undefined ? {} : { image: app.image }),
    ...buildOf(app.build),
    buildArgs: asWritten({ project, name, environment, key: ['build', 'args'], values: typeof app.build === 'object' ? app.build.args : undefined }),
    ...(app.command === undefined ? {} : { command: typeof app.command === 'string' ? commandWords(app.command) : app.command }),
    ...(app.port === undefined ? {} : { port: app.port }),
    health: healthOf(app.health),
    memoryBytes: parseSize(app.memory ?? defaults.memory),
    cpu: app.cpu ?? defaults.cpu,
    instances: instancesOf(app),
    ...(app.processes === undefined ? {} : { processes: Object.fromEntries(Object.entries(app.processes).map(([process, command]) => [process, commandWords(command)])) }),
    ...(app.release === undefined ? {} : { release: commandWords(app.release) }),
    ...(app.cron === undefined ? {} : { cron: Object.fromEntries(Object.entries(app.cron).map(([job, written]) => [job, cronJob(written)])) }),
    ...(app.database === undefined ? {} : { database: databaseOf(app.database) }),
    ...volumesOf(app),
    ...hooksOf(app),
    uses: app.uses ?? [],
    ...queuesOf({ project, environment, uses: app.uses ?? [] }),
    env: asWritten({ project, name, environment, key: ['env'], values: app.env }),
    secrets: app.secrets ?? [],
    domains: app.domains ?? [],
    ...(app.route === undefined ? {} : { route: mountPath(app.route) }),
    ...siteOf(app),
    ...(app.drain === undefined ? {} : { drainMs: parseDuration(app.drain) }),
    ...canaryPlanOf(app),
    ...functionOf(app),
    trusted,
  }
}

function buildOf(build: ManifestApp['build']): Pick<AppDefinition, 'build' | 'buildpacks'> {
  if (build === undefined) return {}
  const { dockerfile, buildpack, builder, buildpacks }: Exclude<typeof build, string> = typeof build === 'string' ? { dockerfile: build } : build
  if (dockerfile !== undefined) return { build: dockerfile.replace(/^(?:\.\/)+/, '') }
  if (!buildpack && builder === undefined && buildpacks === undefined) return {}
  const named = { ...(builder === undefined ? {} : { builder }), ...(buildpacks === undefined ? {} : { buildpacks }) }
  return { build: 'buildpack', ...(Object.keys(named).length === 0 ? {} : { buildpacks: named }) }
}

/** Long enough for anything that runs daily; what hangs for longer would keep its job from ever running again. */
const longestRunMs = 24 * 3600_000

function cronJob({ schedule, run, timeZone = 'UTC', overlap = 'skip', missed = 'skip', timeout }: NonNullable<ManifestApp['cron']>[string]): CronJob {
  return { schedule: schedule.trim(), timeZone, command: run === undefined ? [] : commandWords(run), overlap, missed, timeoutMs: timeout === undefined ? longestRunMs : parseDuration(timeout) }
}

const keptBackups = 7

function databaseOf(database: NonNullable<ManifestApp['database']>): NonNullable<RunSpec['database']> {
  if (typeof database !== 'object') return { own: true }
  const { from, backup } = database
  if (from !== undefined) return { from }
  if (backup === undefined) return { own: true }
  const { schedule, timeZone = 'UTC', keep = keptBackups } = typeof backup === 'string' ? { schedule: backup } : backup
  return { own: true, backup: { schedule: schedule.trim(), timeZone, keep } }
}

/** A slash at the end says nothing. */
const mountPath = (route: string): string => route.replace(/\/+$/, '') || '/'

/** `static:` and `function:` say what it is; `target:` may say it too. */
function targetOf({ target, static: site, function: called }: Pick<ManifestApp, 'target' | 'static' | 'function'>): Pick<AppDefinition, 'target'> {
  if (called !== undefined) return { target: 'function' }
  return site !== undefined ? { target: 'static' } : target === undefined ? {} : { target }
}

function siteOf({ static: site }: Pick<ManifestApp, 'static'>): Pick<AppDefinition, 'static' | 'spa'> {
  if (site === undefined) return {}
  const { output, command, spa } = site
  return { static: { ...(output === undefined ? {} : { output }), ...(command === undefined ? {} : { command }) }, ...(spa ? { spa } : {}) }
}

function hooksOf({ hooks }: Pick<ManifestApp, 'hooks'>): Pick<AppDefinition, 'hooks'> {
  const written = Object.entries(hooks ?? {}).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return written.length === 0 ? {} : { hooks: Object.fromEntries(written.map(([name, command]) => [name, commandWords(command)])) }
}

function volumesOf({ volumes }: Pick<ManifestApp, 'volumes'>): Pick<AppDefinition, 'volumes'> {
  if (volumes === undefined || Object.keys(volumes).length === 0) return {}
  const uses = Object.entries(volumes).map(([volume, use]) => {
    const { path, shared } = typeof use === 'string' ? { path: use, shared: false } : use
    return [volume, { ...(path === undefined ? {} : { path }), ...(shared ? { shared: true as const } : {}) }] as const
  })
  return { volumes: Object.fromEntries(uses) }
}

function canaryPlanOf({ canary }: Pick<ManifestApp, 'canary'>): Pick<AppDefinition, 'canary'> {
  if (canary === undefined) return {}
  const { steps, every, 'max-errors': maxErrors, 'min-requests': minRequests = canaryDefaults.minRequests } = canary
  return {
    canary: {
      steps: steps.map(parsePercent),
      everyMs: every === undefined ? canaryDefaults.everyMs : parseDuration(every),
      maxErrors: maxErrors === undefined ? canaryDefaults.maxErrors : parsePercent(maxErrors) / 100,
      minRequests,
    },
  }
}

/** Whether an app that is used has a queue is said by its own part of the manifest. */
function queuesOf({ project, environment, uses }: { project: Project; environment: string; uses: readonly string[] }): Pick<AppDefinition, 'queues'> {
  const queues = uses.filter((name) => {
    const { function: called } = mergedApp({ manifest: project.manifest, name, environment })
    return typeof called === 'object' && called.queue !== undefined
  })
  return queues.length === 0 ? {} : { queues }
}

/** Of a function: how many events it handles at once at most, for which nothing runs as long as none comes. */
function instancesOf({ scale, function: called }: Pick<ManifestApp, 'scale' | 'function'>): number {
  if (typeof scale === 'number') return scale
  return called === undefined ? (scale?.min ?? 1) : (scale?.max ?? defaults.function.atOnce)
}

function functionOf({ function: called }: Pick<ManifestApp, 'function'>): Pick<AppDefinition, 'function'> {
  if (called === undefined) return {}
  const { handler, timeout, http = true, queue } = typeof called === 'string' ? { handler: called } : called
  const { batch = 10, retries = 3 } = queue === true || queue === undefined ? {} : queue
  return { function: { handler: handler.replace(/^(?:\.\/)+/, ''), timeoutMs: timeout === undefined ? defaults.function.timeoutMs : parseDuration(timeout), http, ...(queue === undefined ? {} : { queue: { batch, retries } }) } }
}

function healthOf(health: ManifestApp['health']): HealthCheck {
  if (health === undefined) return defaults.health
  const { path, interval, timeout, grace } = typeof health === 'string' ? { path: health } : health
  return {
    path,
    acceptBelow: 400,
    intervalMs: interval === undefined ? defaults.health.intervalMs : parseDuration(interval),
    timeoutMs: timeout === undefined ? defaults.health.timeoutMs : parseDuration(timeout),
    graceMs: grace === undefined ? defaults.health.graceMs : parseDuration(grace),
  }
}

interface ValuesOf {
  readonly project: Project
  readonly name: string
  readonly environment: string
  readonly key: readonly string[]
  readonly values: Readonly<Record<string, string | number | boolean>> | undefined
}

/** Values as text. A number or boolean becomes what the file says (`1.10`, `0x1F`, `True`), not what YAML makes of it. */
function asWritten({ project, name, environment, key, values = {} }: ValuesOf): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([variable, value]) => {
      if (typeof value === 'string') return [variable, value]
      return [variable, project.written(placeOf({ manifest: project.manifest, name, environment, key: [...key, variable] })) ?? String(value)]
    }),
  )
}

/** Where the value of a key stands that holds in an environment: at the app, or in what the environment overrides. */
export function placeOf({ manifest, name, environment, key }: { manifest: Manifest; name: string; environment: string; key: readonly string[] }): Path {
  const { environments } = manifest.apps[name] as ManifestApp
  const override = environments && lookUpName(environments, environment)
  const own = override !== undefined && key.reduce<unknown>((found, part) => (isMap(found) && Object.hasOwn(found, part) ? found[part] : undefined), environments?.[override]) !== undefined
  return own ? ['apps', name, 'environments', override, ...key] : ['apps', name, ...key]
}

/** `preview` also stands for `preview-1`, `preview-2`, … */
function lookUp<T>(table: Readonly<Record<string, T>>, environment: string): T | undefined {
  const name = lookUpName(table, environment)
  return name === undefined ? undefined : table[name]
}

function lookUpName(table: Readonly<Record<string, unknown>>, environment: string): string | undefined {
  return [environment, environment.replace(/-\d+$/, '')].find((name) => Object.hasOwn(table, name))
}

function checkEnvironment(manifest: Manifest, environment: string): void {
  if (!nameRule.test(environment)) throw new PilotError('USAGE', `"${environment}" cannot be the name of an environment`, { suggestion: 'Use a-z, 0-9 and -, at most 40 characters.' })
  if (!manifest.environments || environment === 'production' || lookUpName(manifest.environments, environment) !== undefined) return
  const known = [...new Set(['production', ...Object.keys(manifest.environments)])]
  const near = similar(environment, known)
  throw new PilotError('USAGE', `The manifest has no environment "${environment}"`, { suggestion: near ? `Did you mean ${near}?` : `It has ${known.join(', ')}. Add it below \`environments\` to use it.` })
}

function noSuchApp(project: Project, name: string, names: readonly string[]): PilotError {
  const near = similar(name, names)
  return new PilotError('NOT_FOUND', `Project ${project.name} has no app "${name}"`, { suggestion: near ? `Did you mean ${near}?` : `It has ${names.join(', ')}.` })
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
