import type { AppView, ScheduledRunView, StatusView } from '@pilot/server/contract'
import { withInvocation } from './invocation.ts'
import { reachableUrl } from './reachable-url.ts'
import { cleanLine } from './text/clean.ts'
import type { Style } from './text/style.ts'
import { ago, bytes, duration } from './text/units.ts'

interface StatusTextOptions {
  readonly style: Style
  readonly form: string
  readonly now: number
  /** What was asked for, when it was one project. */
  readonly project?: string
}

/**
 * What runs where, for people:
 *
 *     shop · production · local
 *       APP  STATE  VERSION  SINCE          MEMORY  URL
 *       api  live   v3       2 minutes ago  64 MB   http://api.shop.localhost:4110
 *       └ worker  running                   40 MB
 */
export async function statusText({ platforms, apps, jobs, failing = [] }: StatusView, { style, form, now, project }: StatusTextOptions): Promise<string> {
  const { table } = await import('./text/table.ts')
  const urls = new Map(await Promise.all(apps.map(async (app) => [app, await urlOf(app)] as const)))
  const sections = [...Map.groupBy(apps, placeOf)].map(([place, members]) => {
    const rows = members.flatMap((app) => {
      const workers = workersOf(app)
      const own = workers.length === 0 ? app.status.instances : ownInstances(app)
      return [
        [cleanLine(app.status.app.app), stateText(app, style), version(app), since(app, now), memory(own), cleanLine(urls.get(app) ?? '')],
        ...(app.status.canary === undefined ? [] : [canaryRow(app.status.canary, { style, now })]),
        ...workers.map(({ process, instances }) => [`${style.symbol.child} ${cleanLine(process)}`, workerState(instances, style), '', '', memory(instances), '']),
      ]
    })
    return `${style.strong(place)}\n${indent(table(['APP', 'STATE', 'VERSION', 'RELEASED', 'MEMORY', 'URL'], rows, { heading: style.dim, width: style.width - 2, whole: ['URL'] }))}`
  })
  const working = jobs.map((job) => `${style.accent(style.symbol.dot)} ${job.action} ${cleanLine(job.app?.app ?? job.platform)} ${job.state}${job.startedAt === undefined ? '' : ` for ${duration(now - Date.parse(job.startedAt))}`}${job.waitsFor === undefined ? '' : `: ${cleanLine(job.waitsFor)}`}`)
  const unwell = platforms.filter(({ state }) => state !== 'ready').map(({ name, state, problem }) => `${style.warn(style.symbol.warn)} platform ${cleanLine(name)} is ${state}${problem === undefined ? '' : `: ${cleanLine(problem)}`}`)
  return [...(sections.length === 0 ? [nothing({ platforms: platforms.length, form, project })] : sections), ...joined(working), ...joined([...unwell, ...problemsOf(apps, { style, form }), ...failing.map((run) => failedLine(run, { style, form, now }))])].join('\n\n')
}

/** Under its app, with what it did since its step began. */
function canaryRow({ deployment, percent, release, instances, next, traffic }: NonNullable<AppView['status']['canary']>, { style, now }: { style: Style; now: number }): string[] {
  const then = next === undefined ? '' : `, ${next.percent} % in ${duration(Math.max(0, Date.parse(next.at) - now))}`
  const counted = traffic === undefined ? '' : `${traffic.canary.requests} requests, ${traffic.canary.errors} failed (the other: ${traffic.stable.requests}, ${traffic.stable.errors})`
  return [`${style.symbol.child} canary`, `${style.accent(`${percent} %`)}${then}`, `v${deployment.number}`, release === undefined ? '' : ago(release.at, now), memory(instances), counted]
}

const urlOf = async ({ status: { url, fallbackUrl } }: AppView): Promise<string | undefined> => (url === undefined ? undefined : await reachableUrl({ url, fallbackUrl }))

const joined = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : [lines.join('\n')])

function nothing({ platforms, form, project }: { platforms: number; form: string; project: string | undefined }): string {
  const first = project === undefined ? `Nothing is deployed yet. \`${form} up DIR\` deploys a folder.` : `Nothing of ${project} is deployed. \`${form} up\` deploys it, \`${form} status --all\` shows everything else.`
  return platforms === 0 ? `${first}\nThere is no platform yet; the first \`up\` creates one on this machine.` : first
}

/** One engine that is stopped is one line, however many apps it has. */
function problemsOf(apps: readonly AppView[], { style, form }: Pick<StatusTextOptions, 'style' | 'form'>): string[] {
  const unclear = apps.flatMap(({ status, problem }) => (problem === undefined ? [] : [{ name: status.app.app, ...problem }]))
  return [...Map.groupBy(unclear, ({ message, reason }) => (reason === undefined ? message : `${message}: ${reason}`))].map(
    ([text, [first, ...rest]]) => `${style.warn(style.symbol.warn)} ${cleanLine([first!, ...rest].map(({ name }) => name).join(', '))}: ${cleanLine(text)}\n  ${cleanLine(withInvocation(first!.suggestion, form))}`,
  )
}

/** `! web: report failed 3 hours ago: exit code 3`, and where to look. */
function failedLine(run: ScheduledRunView, { style, form, now }: Pick<StatusTextOptions, 'style' | 'form' | 'now'>): string {
  const what = run.type === 'backup' ? 'the scheduled backup' : cleanLine(run.name)
  const why = run.exitCode === undefined ? (run.error?.message ?? '') : `exit code ${run.exitCode}`
  const look = withInvocation(run.operation === undefined ? `\`cron logs ${cleanLine(run.name)} --app ${cleanLine(run.app.app)}\` shows what it printed.` : '`jobs` shows the operation.', form)
  return `${style.warn(style.symbol.warn)} ${cleanLine(run.app.app)}: ${what} ${run.state === 'failed' ? 'failed' : 'was interrupted'} ${ago(run.dueAt ?? run.startedAt, now)}${why === '' ? '' : `: ${cleanLine(why)}`}\n  ${look}`
}

const placeOf = ({ status, platform }: AppView): string => cleanLine(`${status.app.project} · ${status.app.environment} · ${platform}`)

function stateText({ status, job }: AppView, style: Style): string {
  const doing = job === undefined ? '' : ` (${job.action} ${job.state})`
  const instances = ownInstances({ status })
  const counted = instances.length > 1 ? ` ${instances.filter(({ state }) => state === 'running').length}/${instances.length}` : ''
  if (status.state === 'live') return `${style.ok('live')}${counted}${doing}`
  if (status.state === 'unhealthy') return `${style.bad('unhealthy')}${counted}${doing}`
  if (status.state === 'destroyed') return `${style.warn('destroyed, data kept')}${doing}`
  return `${style.warn(status.state)}${doing}`
}

const version = ({ status }: AppView): string => (status.deployment === undefined ? '' : `v${status.deployment.number}`)
const since = ({ status }: AppView, now: number): string => (status.release === undefined ? '' : ago(status.release.at, now))

function memory(instances: Instances): string {
  const known = instances.flatMap(({ memoryBytes }) => memoryBytes ?? [])
  return known.length === 0 ? '' : bytes(known.reduce((sum, count) => sum + count, 0))
}

type Instances = AppView['status']['instances']

const ownInstances = ({ status }: Pick<AppView, 'status'>): Instances => status.instances.filter(({ process }) => process === undefined)

/** What runs beside the app, by the name of its process. */
const workersOf = ({ status }: AppView): readonly { readonly process: string; readonly instances: Instances }[] =>
  [...new Map<string, Instances>([
    ...scaledToNone(status).map((process) => [process, []] as const),
    ...Map.groupBy(status.instances.filter(({ process }) => process !== undefined), ({ process }) => process!),
  ])].map(([process, instances]) => ({ process, instances })).toSorted((a, b) => (a.process < b.process ? -1 : 1))

const scaledToNone = ({ scale = {} }: AppView['status']): readonly string[] => Object.keys(scale).filter((process) => scale[process] === 0)

/** The worst of them, and how many run when there are several. */
function workerState(instances: Instances, style: Style): string {
  if (instances.length === 0) return style.dim('scaled to 0')
  const down = instances.find(({ state }) => state !== 'running')
  const counted = instances.length > 1 ? ` ${instances.filter(({ state }) => state === 'running').length}/${instances.length}` : ''
  if (down === undefined) return `${style.ok('running')}${counted}`
  const code = down.exitCode === undefined ? '' : `, exit code ${down.exitCode}`
  return `${down.state === 'starting' ? style.warn(down.state) : style.bad(down.state)}${counted}${code}`
}

const indent = (text: string): string => text.replace(/^/gm, '  ')
