import { PilotError } from '@pilot/core/errors'
import { homeFolder, serverSocket } from '../client/home.ts'
import type { CommandContext } from './context.ts'
import { findProjectFolder } from './project.ts'
import { cleanLine } from './text/clean.ts'

/** What a command acts on: one app in one environment, on a platform where it was named. */
export interface AppTarget {
  readonly params: { readonly project: string; readonly app: string; readonly environment: string }
  readonly query: { readonly platform?: string }
}

/** A project as it is addressed: by `-p`, by the manifest that is nearest upwards, or as the only one. */
export interface ProjectTarget {
  readonly project: string
  readonly environment: string
  readonly platform?: string
  /** Names of its apps: of the manifest, else those that the server knows. */
  readonly apps: readonly string[]
  /** Where the manifest is. */
  readonly folder?: string
}

/** The project that is addressed, or undefined: no `-p` and no manifest. */
export async function findProject(context: CommandContext): Promise<ProjectTarget | undefined> {
  const { globals } = context
  const folder = findProjectFolder(context.cwd)
  if (globals.project === undefined && folder === undefined) return undefined
  if (folder !== undefined) {
    const { readProject } = await import('./load-project.ts')
    const read = await readProject(folder)
    if (globals.project === undefined || globals.project === read.name) {
      const environment = globals.environment ?? 'production'
      const place = globals.platform ?? read.platformOf(environment)
      return { project: read.name, environment, apps: read.apps, folder, ...(place === undefined ? {} : { platform: place }) }
    }
  }
  return await knownProject(context, globals.project!)
}

/** Beyond {@link findProject}: without `-p` and manifest the only project that the home knows. */
export async function resolveProject(context: CommandContext): Promise<ProjectTarget> {
  const found = await findProject(context)
  if (found !== undefined) return found
  const known = await knownProjects(context)
  if (known.length === 1) return await knownProject(context, known[0]!)
  throw new PilotError('MANIFEST_MISSING', `There is no pilot.yaml in ${context.cwd} or above it.`, {
    suggestion: known.length === 0 ? 'Go to the folder of your project, or write a manifest with `init`.' : `Go to the folder of your project, or name it with -p: ${known.map(cleanLine).join(', ')}.`,
  })
}

/** The one app that a command is about. Several and none named: asks; without a terminal lists them (exit code 2). */
export async function resolveApp(context: CommandContext, given: string | undefined): Promise<AppTarget> {
  const project = await resolveProject(context)
  return appTarget(project, await chooseApp(context, project, given))
}

export async function chooseApp(context: CommandContext, { project, apps }: ProjectTarget, given: string | undefined): Promise<string> {
  const named = oneName(context, given)
  if (named !== undefined) {
    if (apps.length > 0 && !apps.includes(named)) throw await noSuchApp({ project, app: named, apps })
    return named
  }
  if (apps.length === 1) return apps[0]!
  if (apps.length === 0) throw new PilotError('NOT_FOUND', `Nothing of project ${project} is known here.`, { suggestion: '`status` lists what is.' })
  return await context.ask.select({ message: `Which app of ${project}?`, options: apps.map((value) => ({ value })), flag: '--app NAME' })
}

/** NOT_FOUND, with the apps that there are and the one that was probably meant. */
export async function noSuchApp({ project, app, apps }: { project: string | undefined; app: string; apps: readonly string[] }): Promise<PilotError> {
  const { closest } = await import('./closest.ts')
  const near = closest(app, apps)
  const known = apps.length === 0 ? '`status --all` lists what there is.' : `${project === undefined ? 'The apps that there are' : 'Its apps'}: ${apps.map(cleanLine).join(', ')}.`
  return new PilotError('NOT_FOUND', project === undefined ? `There is no app ${app}.` : `Project ${project} has no app ${app}.`, { suggestion: `${near === undefined ? '' : `Did you mean ${near}? `}${known}` })
}

/** For lists that would show nothing: throws NOT_FOUND when nothing is known of the app that was named. */
export async function refuseUnknownApp(context: CommandContext, app: string): Promise<void> {
  const found = await findProject(context)
  const status = await (await context.client()).request('status', { query: found === undefined ? {} : { project: found.project }, signal: context.signal })
  const apps = [...new Set([...(found?.apps ?? []), ...status.apps.map((view) => view.status.app.app)])]
  if (!apps.includes(app)) throw await noSuchApp({ project: found?.project, app, apps })
}

/** For lists: what narrows them down, as far as the user said; never an error. */
export async function findTarget(context: CommandContext, given: string | undefined): Promise<{ project?: string; environment?: string; app?: string }> {
  const app = oneName(context, given)
  const project = await findProject(context)
  return { ...(project === undefined ? {} : { project: project.project }), ...(context.globals.environment === undefined ? {} : { environment: context.globals.environment }), ...(app === undefined ? {} : { app }) }
}

export function appTarget({ project, environment, platform }: ProjectTarget, app: string): AppTarget {
  return { params: { project, app, environment }, query: platform === undefined ? {} : { platform } }
}

function oneName({ globals }: CommandContext, given: string | undefined): string | undefined {
  if (given !== undefined && globals.app !== undefined && given !== globals.app) throw new PilotError('USAGE', `Two apps are named: ${given} and, with --app, ${globals.app}.`, { suggestion: 'Name one.' })
  return given ?? globals.app
}

/** A project by its name alone, with what the server knows of it. */
async function knownProject(context: CommandContext, project: string): Promise<ProjectTarget> {
  const environment = context.globals.environment ?? 'production'
  const { platform } = context.globals
  const status = await (await context.client()).request('status', { query: { project, environment }, signal: context.signal })
  const apps = [...new Set(status.apps.map((app) => app.status.app.app))]
  return { project, environment, apps, ...(platform === undefined ? {} : { platform }) }
}

/** Starts no server where there is no home yet: it would know nothing. */
async function knownProjects(context: CommandContext): Promise<string[]> {
  if (serverSocket(homeFolder(context.terminal.env)) === undefined) return []
  const status = await (await context.client()).request('status', { signal: context.signal })
  return [...new Set(status.apps.map((app) => app.status.app.project))].toSorted()
}

/**
 * What every command prints first that changes something. The platform is asked for where neither the command nor the
 * manifest names it.
 */
export async function announce(context: CommandContext, { project, environment, platform, app }: { project?: string | undefined; environment?: string | undefined; platform?: string | undefined; app?: string }): Promise<void> {
  if (context.output.json || context.output.quiet) return
  const { err } = context.output
  const named = platform ?? (await onlyPlatform(context))
  const parts = [...(project === undefined ? [] : [`project ${err.strong(project)}`]), ...(app === undefined ? [] : [`app ${err.strong(app)}`]), ...(environment === undefined ? [] : [`environment ${err.strong(environment)}`]), ...(named === undefined ? [] : [`platform ${err.strong(named)}`])]
  context.output.progress(parts.join(` ${err.symbol.dot} `))
}

async function onlyPlatform(context: CommandContext): Promise<string | undefined> {
  const { platforms } = await (await context.client()).request('platforms', { signal: context.signal })
  return platforms.length === 1 ? platforms[0]!.name : undefined
}
