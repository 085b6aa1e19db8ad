import { isPilotError, PilotError } from '@pilot/core/errors'
import type { AppView, OperationRequest } from '@pilot/server/contract'
import { common, defineCommand, flag, value, type CommandInput } from '../command.ts'
import type { CommandContext } from '../context.ts'
import { runOperation } from '../operation.ts'
import { confirmProtected } from '../protect.ts'
import { announce, appTarget, findProject, noSuchApp, type ProjectTarget } from '../target.ts'
import { cleanLine } from '../text/clean.ts'

export const destroy = defineCommand({
  name: 'destroy',
  summary: 'Delete an app, a project or a whole platform',
  description: [
    'Shows what goes and asks. Data (databases, volumes, backups) goes only with --delete-data or when its name is typed; what is kept is listed at the end, with its place and cost.',
    'Beside APP or --project, --platform says where; alone it is what goes.',
  ],
  arguments: [{ name: '[APP]', summary: 'The app that goes.' }],
  options: [
    { flags: '-p <name>', summary: 'The project of the app.' },
    { flags: '--project [name]', summary: 'All apps of the project; default: that of this folder.' },
    { flags: '--platform <name>', summary: 'The platform with everything on it.' },
    { flags: '--no-hooks', summary: 'Leave out the hooks around destroy, when one of them fails.' },
    { flags: '--delete-data', summary: 'Databases, volumes and backups go too.' },
    common.yes,
  ],
  examples: [
    { run: 'destroy api', summary: 'one app; its database stays' },
    { run: 'destroy --project --delete-data --yes', summary: 'the whole project with its data, without asking' },
    { run: 'destroy --platform local', summary: 'everything on this machine' },
  ],
  type: 'operation',
  needsServer: true,
  async run(context, input) {
    const what = await subjectOf(context, input)
    const deleteData = flag(input.options, 'deleteData')
    await announce(context, { ...what.place, platform: what.place.platform })
    showWhatGoes(context, what, deleteData)
    if (what.usedBy !== undefined && what.usedBy.length > 0) warnOfUsers(context, what.name, what.usedBy)
    const data = await agree(context, what, { yes: flag(input.options, 'yes'), deleteData })
    const result = await runOperation(context, { ...what.request, deleteData: data, ...(input.options['hooks'] === false ? { hooks: false } : {}) } as OperationRequest)
    if (result.outcome === 'done') showKept(context, { results: (await result.operation()).jobs.map((job) => job.result), ...(data ? {} : { again: what.again }) })
    return result.exit
  },
})

interface Subject {
  readonly title: string
  /** What must be typed where data goes. */
  readonly name: string
  readonly request: Extract<OperationRequest, { deleteData?: boolean }>
  /** The command that names it, as it would be typed here. */
  readonly again: string
  readonly place: { readonly project?: string; readonly environment?: string; readonly platform?: string | undefined; readonly app?: string }
  readonly apps: readonly AppView[]
  /** Names of apps that stay and call this one. */
  readonly usedBy?: readonly string[]
  readonly project?: ProjectTarget
}

async function subjectOf(context: CommandContext, { args, options }: CommandInput): Promise<Subject> {
  const app = args[0] ?? context.globals.app
  const wholeProject = options['project']
  const platform = value(options, 'platform')
  if (app !== undefined && wholeProject === true) throw new PilotError('USAGE', `Either the app ${app} or the whole project, not both.`)
  const scoped = withProject(context, value(options, 'p') ?? (typeof wholeProject === 'string' ? wholeProject : undefined))

  if (app !== undefined) {
    const project = await projectOf(scoped)
    const target = appTarget(project, app)
    const view = await viewOf(context, project, app)
    const elsewhere = [...(project.folder === undefined || context.globals.project !== undefined ? [`-p ${project.project}`] : []), ...(project.environment === 'production' ? [] : [`-e ${project.environment}`])]
    return { title: `app ${app} of ${project.project}, ${project.environment}`, name: app, again: ['destroy', app, ...elsewhere].join(' '), request: { action: 'destroy-app', app: target.params, ...target.query }, place: { ...target.params, platform: project.platform }, apps: [view], usedBy: await usersOf(context, view), project }
  }
  if (wholeProject !== undefined) {
    const project = await projectOf(scoped)
    const { environment } = context.globals
    const apps = await appsOf(context, { project: project.project, ...(environment === undefined ? {} : { environment }) })
    const place = { project: project.project, ...(environment === undefined ? {} : { environment }), ...(platform === undefined ? {} : { platform }) }
    return { title: `project ${project.project}${environment === undefined ? ', all environments' : `, ${environment}`}`, name: project.project, again: `destroy --project ${project.project}${environment === undefined ? '' : ` -e ${environment}`}`, request: { action: 'destroy-project', ...place }, place, apps, project }
  }
  if (platform !== undefined) return { title: `platform ${platform}`, name: platform, again: `destroy --platform ${platform}`, request: { action: 'destroy-platform', platform }, place: { platform }, apps: await appsOf(context, { platform }) }
  throw await nothingNamed(context)
}

/** The same context with another project addressed. */
function withProject(context: CommandContext, project: string | undefined): CommandContext {
  if (project === undefined) return context
  return Object.assign(Object.create(context) as CommandContext, { globals: { ...context.globals, project } })
}

async function projectOf(context: CommandContext): Promise<ProjectTarget> {
  const project = await findProject(context)
  if (project === undefined) throw new PilotError('MANIFEST_MISSING', `There is no pilot.yaml in ${context.cwd} or above it.`, { suggestion: 'Name the project: `destroy APP -p PROJECT` or `destroy --project NAME`.' })
  return project
}

/** Throws NOT_FOUND with the apps that there are. */
async function viewOf(context: CommandContext, project: ProjectTarget, app: string): Promise<AppView> {
  try {
    return await (await context.client()).request('app', { ...appTarget(project, app), signal: context.signal })
  } catch (error) {
    if (!isPilotError(error) || error.code !== 'NOT_FOUND') throw error
    const known = await appsOf(context, { project: project.project, environment: project.environment })
    const apps = [...new Set(known.map(({ status }) => status.app.app))]
    // One that is there all the same is elsewhere, as the server says.
    if (apps.includes(app)) throw error
    throw await noSuchApp({ project: project.project, app, apps })
  }
}

/** Apps beside it that say `uses:` of it, in what has their traffic. */
async function usersOf(context: CommandContext, { status: { app }, platform }: AppView): Promise<readonly string[]> {
  const beside = await appsOf(context, { project: app.project, environment: app.environment, platform })
  const isUser = ({ status: { deployment, canary } }: AppView): boolean => [deployment, canary?.deployment].some((each) => each?.run.uses.includes(app.app) === true)
  return beside.filter((other) => other.status.app.app !== app.app && isUser(other)).map(({ status }) => status.app.app)
}

const appsOf = async (context: CommandContext, query: { project?: string; environment?: string; platform?: string }): Promise<readonly AppView[]> => (await (await context.client()).request('status', { query, signal: context.signal })).apps

async function nothingNamed(context: CommandContext): Promise<PilotError> {
  const running = await context.runningConnection()
  const status = await running?.client.request('status', { signal: context.signal })
  const apps = (status?.apps ?? []).map((app) => `  destroy ${app.status.app.app} -p ${app.status.app.project} -e ${app.status.app.environment}`)
  const projects = [...new Set<string>(status?.apps.map((app) => app.status.app.project))].map((name: string) => `  destroy --project ${name}`)
  const platforms = (status?.platforms ?? []).map(({ name }) => `  destroy --platform ${name}`)
  const known = [...apps, ...projects, ...platforms].map((line) => line.replace('  destroy', `  ${context.form} destroy`))
  return new PilotError('USAGE', 'Nothing is named that should go: an app, --project or --platform NAME.', { suggestion: known.length === 0 ? 'There is nothing to destroy.' : `One of these:\n${known.map(cleanLine).join('\n')}` })
}

function showWhatGoes({ output, say }: CommandContext, { title, apps }: Subject, deleteData: boolean): void {
  const { err } = output
  say(`${err.bad('Destroys')} ${cleanLine(title)}`)
  for (const { status, platform } of apps) output.progress(`  ${err.bad('-')} ${cleanLine(`${status.app.project}/${status.app.app}`)}, ${cleanLine(status.app.environment)} on ${cleanLine(platform)}${status.url === undefined ? '' : `, ${cleanLine(status.url)}`}`)
  output.progress(deleteData ? `  ${err.bad('-')} their databases, volumes and backups` : `  ${err.dim('=')} databases, volumes and backups are kept`)
}

function warnOfUsers({ output }: CommandContext, app: string, users: readonly string[]): void {
  const [last, ...rest] = users.toReversed()
  const who = rest.length === 0 ? `${last} uses` : `${rest.toReversed().join(', ')} and ${last} use`
  const text = cleanLine(`${who} ${app}, and will get no answer from it.`)
  if (output.json) output.event({ v: 1, at: new Date().toISOString(), type: 'notice', level: 'warning', text })
  else output.error(`  ${output.err.warn('!')} ${text}`)
}

/** Resolves to whether data goes too. `--yes` agrees to what was asked for on the command line, never to more. */
async function agree(context: CommandContext, { title, name, project }: Subject, { yes, deleteData }: { yes: boolean; deleteData: boolean }): Promise<boolean> {
  if (yes) return deleteData
  const hasAgreed = project !== undefined && (await confirmProtected(context, { project, yes: false, what: 'destroy' }))
  if (hasAgreed && !deleteData) return false
  const agreed = deleteData ? await context.ask.typed({ message: `${title} goes with all its data; that cannot be undone.`, expected: name, flag: '--yes' }) : await context.ask.confirm({ message: `Destroy ${title}?`, flag: '--yes' })
  if (!agreed) throw new PilotError('CANCELLED', 'Nothing was destroyed.', { suggestion: 'Run the command again when you are ready.' })
  return deleteData
}

interface Kept {
  readonly kind: string
  readonly title: string
  readonly monthlyCost?: number
}

/** What stays, where, what it costs and how it goes: results of the jobs, shaped as core's DestroyResult. */
function showKept(context: CommandContext, { results, again }: { results: readonly (Readonly<Record<string, unknown>> | undefined)[]; again?: string }): void {
  const kept = results.flatMap((result) => (Array.isArray(result?.['kept']) ? (result['kept'] as Kept[]) : []))
  // What Pilot has no record of was told while it was found.
  const foreign = results.flatMap((result) => (Array.isArray(result?.['foreign']) ? (result['foreign'] as readonly unknown[]) : []))
  if (kept.length === 0) return foreign.length === 0 ? context.say('Nothing is left.') : undefined
  context.say('Kept:')
  for (const resource of kept) context.say(`  ${cleanLine(keptText(resource))}`)
  if (again !== undefined) context.say(`\`${again} --delete-data\` deletes ${kept.length === 1 ? 'it' : 'them'}.`)
}

/** `local/database` is the database kind of the provider local. */
function keptText({ kind, title, monthlyCost }: Kept): string {
  const [provider, ...words] = kind.split(/[/-]/)
  const cost = monthlyCost === undefined || monthlyCost === 0 ? '' : `, $${monthlyCost.toFixed(2)} a month`
  return `${words.join(' ')} ${title} ${provider === 'local' ? 'on this machine' : `on ${provider}`}${cost}`
}
